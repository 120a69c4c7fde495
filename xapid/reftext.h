#ifndef XAPID_REFTEXT_H
#define XAPID_REFTEXT_H
/*
 * Small conveniences for code that walks rows: references as text, and the rows that refer to a row.
 */
#include "db/db.h"

static inline const char *reftext_format(char text[REF_TEXT_SIZE], struct ref r)
{
    ref_format(r, text);
    return text;
}

/* The reference as text, good until the end of the enclosing block. */
#define REF_TEXT(r) reftext_format((char[REF_TEXT_SIZE]){0}, r)

/* Text of a row, where NULL counts as empty. */
static inline const char *text_of(const char *s)
{
    return s ? s : "";
}

/* Each row of a class whose field points at target:
 *     FOREACH_REFERRER (db, vbd, disk, VBD, VM, vm->row.ref) { disk->userdevice … }
 * The body must not change that field nor delete rows. */
#define FOREACH_REFERRER(db, type, var, CLS, FIELD, target)                                        \
    for (const struct type *var =                                                                  \
             (const struct type *)db_first_referrer((db), CLASS_##CLS, CLS##_F_##FIELD, (target)); \
         var; var = (const struct type *)db_next_referrer((db), &var->row, CLS##_F_##FIELD, (target)))

#endif
