#include "model/member.h"

union value member_load(const void *at, const struct model_type *t)
{
    union value v = {0};

    switch (t->kind) {
    case KIND_STRING:
        v.s = *(const char *const *)at;
        break;
    case KIND_INT:
    case KIND_DATETIME:
        v.i = *(const int64_t *)at;
        break;
    case KIND_ENUM:
        v.i = *(const int *)at;
        break;
    case KIND_FLOAT:
        v.f = *(const double *)at;
        break;
    case KIND_BOOL:
        v.b = *(const bool *)at;
        break;
    case KIND_REF:
        v.r = *(const struct ref *)at;
        break;
    case KIND_SET:
        v.set = *(const struct set *const *)at;
        break;
    case KIND_MAP:
        v.map = *(const struct map *const *)at;
        break;
    case KIND_VOID:
    case KIND_RECORD:
    case KIND_OPTION:
        break;
    }
    return v;
}

void member_store(void *at, const struct model_type *t, union value v)
{
    switch (t->kind) {
    case KIND_STRING:
        *(const char **)at = v.s;
        break;
    case KIND_INT:
    case KIND_DATETIME:
        *(int64_t *)at = v.i;
        break;
    case KIND_ENUM:
        *(int *)at = (int)v.i;
        break;
    case KIND_FLOAT:
        *(double *)at = v.f;
        break;
    case KIND_BOOL:
        *(bool *)at = v.b;
        break;
    case KIND_REF:
        *(struct ref *)at = v.r;
        break;
    case KIND_SET:
        *(const struct set **)at = v.set;
        break;
    case KIND_MAP:
        *(const struct map **)at = v.map;
        break;
    case KIND_VOID:
    case KIND_RECORD:
    case KIND_OPTION:
        break;
    }
}
