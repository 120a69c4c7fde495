#ifndef MODEL_ROW_H
#define MODEL_ROW_H
/*
 * The head of every row. Rows are owned by a struct db and changed only through a transaction (db/db.h); everybody
 * else reads them through const pointers, which are good until the next yield.
 */
#include <stdint.h>
#include <sys/queue.h>
#include "model/ids.gen.h"
#include "model/value.h"

struct row {
    enum model_class_id cls;
    struct ref ref;
    uint64_t created, modified; /* generations */
    struct row *hash_next;      /* db/ only, from here on */
    TAILQ_ENTRY(row) by_modified;
    TAILQ_ENTRY(row) in_class;
    uint32_t slot;
    uint32_t flags;
};

#endif
