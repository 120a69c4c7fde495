#include "xapid/op.h"
#include <errno.h>
#include <stdlib.h>
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "xapid/op_rules.h"
#include "xapid/reftext.h"

#define WAIT_LIMIT_MS (2 * 3600 * 1000)

/* Every operation that is held, and who waits for one to end. */
static TAILQ_HEAD(, op) held = TAILQ_HEAD_INITIALIZER(held);
static struct fiber_cond ended = FIBER_COND_INIT(ended);

static const struct op_rules *const rules_of[CLASS_COUNT] = {
    [CLASS_VM] = &vm_op_rules,
    [CLASS_VBD] = &vbd_op_rules,
    [CLASS_VIF] = &vif_op_rules,
    [CLASS_VDI] = &vdi_op_rules,
    [CLASS_SR] = &sr_op_rules,
    [CLASS_PBD] = &pbd_op_rules,
    [CLASS_HOST] = &host_op_rules,
    [CLASS_POOL] = &pool_op_rules,
    [CLASS_VM_APPLIANCE] = &vm_appliance_op_rules,
    [CLASS_VTPM] = &vtpm_op_rules,
};

/* ---- what the fields are called in each class ---- */

struct op_fields {
    bool known;
    int allowed, current; /* -1: the class has no operations of its own */
    const struct model_enum *operations;
    uint64_t advertised; /* operations whose message is implemented */
};

static int field_index(const struct model_class *cls, const char *name)
{
    const struct model_field *f = model_field_by_name(cls, name);
    return f ? (int)(f - cls->fields) : -1;
}

/* Operations that a client can ask for: those with a message that has a handler. */
static uint64_t advertised_operations(const struct op_rules *rules)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < rules->n_messages; i++) {
        const struct model_message *m = rules->messages[i] ? model_message_by_name(rules->messages[i]) : NULL;
        if (m && !m->gap)
            mask |= OP_BIT(i);
    }
    return mask;
}

static const struct op_fields *fields_of(enum model_class_id id)
{
    static struct op_fields all[CLASS_COUNT];
    struct op_fields *f = &all[id];

    if (!f->known) {
        const struct model_class *cls = &model_classes[id];
        f->known = true;
        f->allowed = field_index(cls, "allowed_operations");
        f->current = field_index(cls, "current_operations");
        if (f->allowed >= 0)
            f->operations = cls->fields[f->allowed].type->elem->enums;
        if (rules_of[id])
            f->advertised = advertised_operations(rules_of[id]);
    }
    return f;
}

static union value stored_value(const struct row *row, int field)
{
    return *(const union value *)((const char *)row + model_classes[row->cls].fields[field].offset);
}

/* ---- rules ---- */

int op_refuse_busy(const struct row *row, const struct map *current, struct err *e)
{
    const struct model_enum *operations = fields_of(row->cls)->operations;

    if (!e)
        return -1;
    return err_other_operation_in_progress(e, model_classes[row->cls].name, REF_TEXT(row->ref),
                                           operations->values[current->e[0].v.i], current->e[0].k.s);
}

bool op_current_has(const struct map *current, uint64_t mask)
{
    for (uint32_t i = 0; i < map_count(current); i++)
        if (mask & OP_BIT(current->e[i].v.i))
            return true;
    return false;
}

bool op_current_only(const struct map *current, uint64_t mask)
{
    for (uint32_t i = 0; i < map_count(current); i++)
        if (!(mask & OP_BIT(current->e[i].v.i)))
            return false;
    return map_count(current) > 0;
}

int op_check(struct db *db, const struct row *row, int operation, struct err *e)
{
    return rules_of[row->cls] ? rules_of[row->cls]->check(db, row, operation, e) : 0;
}

/* ---- allowed_operations ---- */

void op_refresh(struct txn *t, const struct row *row)
{
    union {
        struct set set;
        char room[sizeof(struct set) + 64 * sizeof(union value)];
    } allowed = {.set.n = 0};
    const struct op_fields *f = fields_of(row->cls);

    if (f->allowed < 0 || !rules_of[row->cls])
        return;
    for (unsigned i = 0; i < f->operations->n; i++)
        if ((f->advertised & OP_BIT(i)) && rules_of[row->cls]->check(txn_db(t), row, (int)i, NULL) == 0)
            allowed.set.v[allowed.set.n++] = (union value){.i = i};
    db_set(t, row, (unsigned)f->allowed, (union value){.set = &allowed.set});
}

void op_refresh_all(struct txn *t)
{
    for (int cls = 0; cls < CLASS_COUNT; cls++) {
        int current = model_classes[cls].stored ? fields_of(cls)->current : -1;
        if (current < 0)
            continue;
        DB_FOREACH (txn_db(t), cls, row)
            db_set(t, row, (unsigned)current, (union value){.map = NULL});
        DB_FOREACH (txn_db(t), cls, row)
            op_refresh(t, row);
    }
}

struct target {
    enum model_class_id cls;
    struct ref ref;
};

static void add_target(enum model_class_id cls, struct ref ref, void *arg)
{
    struct target target = {cls, ref};

    if (!ref_is_null(ref))
        buf_add(arg, &target, sizeof target);
}

static void collect_targets(struct txn *t, const struct row *row, void *arg)
{
    const struct op_rules *rules = rules_of[row->cls];

    if (!rules)
        return;
    add_target(row->cls, row->ref, arg);
    if (rules->dependents)
        rules->dependents(txn_db(t), row, add_target, arg);
}

static int compare_targets(const void *a, const void *b)
{
    const struct target *x = a, *y = b;

    if (x->cls != y->cls)
        return x->cls < y->cls ? -1 : 1;
    if (x->ref.hi != y->ref.hi)
        return x->ref.hi < y->ref.hi ? -1 : 1;
    return x->ref.lo < y->ref.lo ? -1 : x->ref.lo > y->ref.lo;
}

void op_commit_hook(struct txn *t, void *arg)
{
    CLEANUP_BUF struct buf b = {0};

    (void)arg;
    txn_foreach(t, collect_targets, &b);
    if (b.len == 0)
        return;
    struct target *targets = (struct target *)(void *)b.data;
    size_t n = b.len / sizeof *targets;
    qsort(targets, n, sizeof *targets, compare_targets);
    for (size_t i = 0; i < n; i++) {
        const struct row *row = db_get(txn_db(t), targets[i].cls, targets[i].ref);
        if (row && (i == 0 || compare_targets(&targets[i - 1], &targets[i]) != 0))
            op_refresh(t, row);
    }
}

/* ---- holding ---- */

/* Write current_operations of the row with op's entry in it or without. */
static void write_current(struct txn *t, const struct row *row, const struct op *op, bool present)
{
    unsigned field = (unsigned)fields_of(op->cls)->current;
    const struct map *old = stored_value(row, (int)field).map;
    struct map *map = mem_zalloc(sizeof *map + (map_count(old) + 1) * sizeof map->e[0]);
    const char *key = REF_TEXT(op->task);

    for (uint32_t i = 0; i < map_count(old); i++)
        if (strcmp(old->e[i].k.s, key) != 0)
            map->e[map->n++] = old->e[i];
    if (present)
        map->e[map->n++] = (struct map_entry){.k.s = key, .v.i = op->operation};
    map_sort(model_classes[op->cls].fields[field].type, map);
    db_set(t, row, field, (union value){.map = map});
    free(map);
}

/* Show or take away the mark in a transaction of its own. Nothing of it is stored, so only a fault of a test
 * fails. */
static int commit_current(const struct op *op, bool present, struct err *e)
{
    const struct row *row = db_get(op->db, op->cls, op->ref);

    if (!row)
        return 0;
    struct txn *t = db_begin(op->db);
    write_current(t, row, op, present);
    return db_commit(t, e);
}

static void hold(struct db *db, enum model_class_id cls, struct ref ref, int operation, struct ref task,
                 struct op *op)
{
    *op = (struct op){.db = db,
                      .cls = cls,
                      .ref = ref,
                      .task = ref_is_null(task) ? ref_new() : task,
                      .operation = operation,
                      .fiber = fiber_self()};
    TAILQ_INSERT_TAIL(&held, op, link);
}

static void let_go(struct op *op)
{
    TAILQ_REMOVE(&held, op, link);
    op->db = NULL;
    fiber_cond_broadcast(&ended);
}

void op_mark(struct db *db, enum model_class_id cls, struct ref ref, int operation, struct ref task,
             struct op *ret)
{
    CLEANUP_ERR struct err e = {0};

    hold(db, cls, ref, operation, task, ret);
    if (commit_current(ret, true, &e) < 0)
        log_warning("current_operations of a %s: %s", model_classes[cls].name, e.code);
}

void op_end(struct op *op)
{
    CLEANUP_ERR struct err e = {0};

    if (!op->db)
        return;
    /* A mark that stayed would block the object for good. */
    if (commit_current(op, false, &e) < 0 && commit_current(op, false, &e) < 0)
        log_error("current_operations of a %s: %s", model_classes[op->cls].name, e.code);
    let_go(op);
}

static int begin_now(struct call *c, enum model_class_id cls, struct ref ref, int operation, struct op *ret,
                     struct err *e)
{
    hold(c->db, cls, ref, operation, c->task, ret);
    if (commit_current(ret, true, e) == 0)
        return 0;
    let_go(ret);
    return -1;
}

/* Wait for some operation to end, since `why` stands in the way; what stops the wait goes to e. */
static int co_wait_for_turn(struct call *c, int64_t deadline, struct err *why, struct err *e)
{
    int rc =
        co_cond_wait(&ended, deadline, "another operation (%s %s) to end", why->params[0], why->params[1]);

    if (rc == -ECANCELED)
        return err_task_cancelled(e, REF_TEXT(c->task));
    if (rc < 0)
        err_move(e, why);
    return rc < 0 ? -1 : 0;
}

/* Would the caller wait for itself alone? */
static bool is_own(const struct err *why)
{
    const struct op *op;
    bool own = false;

    TAILQ_FOREACH (op, &held, link) {
        if (strcmp(REF_TEXT(op->ref), why->params[1]) != 0)
            continue;
        if (op->fiber != fiber_self())
            return false;
        own = true;
    }
    return own;
}

int co_op_begin(struct call *c, enum model_class_id cls, struct ref ref, int operation, struct op *ret,
                struct err *e)
{
    int64_t deadline = clock_in_ms(WAIT_LIMIT_MS);

    for (;;) {
        CLEANUP_ERR struct err why = {0};
        const struct row *row = call_row(c, cls, ref, e);
        if (!row)
            return -1;
        if (op_check(c->db, row, operation, &why) == 0)
            return begin_now(c, cls, ref, operation, ret, e);
        if (!err_is(&why, "OTHER_OPERATION_IN_PROGRESS") || is_own(&why)) {
            err_move(e, &why);
            return -1;
        }
        if (co_wait_for_turn(c, deadline, &why, e) < 0)
            return -1;
    }
}

/* The next held operation of the mask on the object from `op` on, leaving out own. */
static struct op *find_held(struct op *op, enum model_class_id cls, struct ref ref, uint64_t mask,
                            const struct op *own)
{
    for (; op; op = TAILQ_NEXT(op, link))
        if (op != own && op->cls == cls && ref_equal(op->ref, ref) && (mask & OP_BIT(op->operation)))
            return op;
    return NULL;
}

int co_op_wait_others(enum model_class_id cls, struct ref ref, uint64_t mask, const struct op *own)
{
    while (find_held(TAILQ_FIRST(&held), cls, ref, mask, own)) {
        int rc =
            co_cond_wait(&ended, CLOCK_NEVER, "other operations of the %s to end", model_classes[cls].name);
        if (rc < 0)
            return rc;
    }
    return 0;
}

void op_cancel_others(enum model_class_id cls, struct ref ref, uint64_t mask, const struct op *own)
{
    for (struct op *op = TAILQ_FIRST(&held); (op = find_held(op, cls, ref, mask, own));
         op = TAILQ_NEXT(op, link))
        if (op->fiber)
            fiber_cancel(op->fiber);
}
