#ifndef XAPID_CERTIFICATE_STORE_H
#define XAPID_CERTIFICATE_STORE_H
/*
 * Small files of certificates in a folder of STATE/tls. Written whole and durable, or not at all.
 */
#include <stdbool.h>
#include "model/value.h"

/* Letters, digits, '.', '_' and '-', the first no '.', and ".pem" at the end; at most 128. */
bool store_name_is_valid(const char *name);

/* 0 or -errno: -EEXIST when there is one of this name. */
int co_store_add(const char *folder, const char *name, const char *text);
/* -ENOENT when there is none. */
int co_store_remove(const char *folder, const char *name);
/* The names there are, on ctx. */
int co_store_names(void *ctx, const char *folder, const struct set **ret);

/* The same for the start and for workers. Block; never yield. store_replace takes the place of one that is
 * there. */
int store_replace(const char *folder, const char *name, const char *text);
int store_remove(const char *folder, const char *name);
int store_names(void *ctx, const char *folder, const struct set **ret);
/* The text of a file, on ctx; NULL with errno. Larger ones than 256 KiB are refused. */
char *store_read(void *ctx, const char *folder, const char *name);

#endif
