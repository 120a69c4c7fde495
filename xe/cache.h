#ifndef XE_CACHE_H
#define XE_CACHE_H
/*
 * Records of objects that others refer to, fetched at most once. The first few of a class are fetched one by
 * one; who needs more gets the whole class in one call. So a list of thousands costs a handful of calls.
 */
#include "rpc/wire.h"

struct xe;
struct cache;

struct cache *cache_new(void *ctx);

/* The record of the object of class behind ref, or NULL when there is none or it cannot be had. */
const struct wire *co_cache_get(struct xe *x, const char *cls, const char *ref);

/* All records of a class, as get_all_records gives them, or NULL. */
const struct wire *co_cache_all(struct xe *x, const char *cls);

/* Remember a record that was fetched for another reason. */
void cache_put(struct xe *x, const char *cls, const char *ref, const struct wire *record);

/* Forget everything: the world may have changed. */
void cache_forget(struct xe *x);

#endif
