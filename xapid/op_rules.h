#ifndef XAPID_OP_RULES_H
#define XAPID_OP_RULES_H
/*
 * The rules of each class that has operations (protocol.md section 9.2). They read rows only, never yield,
 * and take a NULL err when only the answer matters.
 */
#include "xapid/call.h"

struct op_rules {
    int (*check)(struct db *db, const struct row *row, int operation, struct err *e);

    /* The message that performs each operation, by its index; an operation without one, or whose message is a
     * gap in the model, is never advertised in allowed_operations. */
    const char *const *messages;
    unsigned n_messages;

    /* Append the rows whose allowed_operations depend on this row (itself apart) by calling add. */
    void (*dependents)(struct db *db, const struct row *row,
                       void (*add)(enum model_class_id cls, struct ref ref, void *arg), void *arg);
};

extern const struct op_rules vm_op_rules, vbd_op_rules, vif_op_rules, vdi_op_rules, sr_op_rules, pbd_op_rules,
    host_op_rules, pool_op_rules, vm_appliance_op_rules, vtpm_op_rules;

/* OTHER_OPERATION_IN_PROGRESS naming the first of the current operations. */
int op_refuse_busy(const struct row *row, const struct map *current, struct err *e);

/* Is one of mask (1 << operation) among the current operations? */
bool op_current_has(const struct map *current, uint64_t mask);

/* Are there current operations, none outside mask? */
bool op_current_only(const struct map *current, uint64_t mask);

#define OP_BIT(operation) ((uint64_t)1 << (operation))

#endif
