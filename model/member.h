#ifndef MODEL_MEMBER_H
#define MODEL_MEMBER_H
/*
 * A value's place in a generated struct (a row, a message's arguments), by its type alone. Never yields.
 */
#include "model/model.h"

/* The value kept at `at`, a member of type t. */
union value member_load(const void *at, const struct model_type *t);

/* Keep v at `at`; nothing for the kinds that have no member. */
void member_store(void *at, const struct model_type *t, union value v);

#endif
