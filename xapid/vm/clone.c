/* VM.clone, VM.copy, VM.snapshot, VM.checkpoint. */
#include "xapid/handlers.gen.h"
#include "xapid/op.h"
#include "xapid/vm/copy.h"

int co_vm_clone(struct call *c, const struct vm_clone_args *a, union value *ret, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct vm_copying copy = {.kind = VM_COPY_CLONE, .source = a->vm, .name = a->new_name};

    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_CLONE, &op, e) < 0)
        return -1;
    /* What is made of a checkpoint is provisioned first, so it begins anew. */
    const struct vm *vm = db_vm(c->db, a->vm);
    copy.memory = vm->power_state == VM_POWER_STATE_SUSPENDED && !vm->is_a_snapshot;
    return co_vm_make_copy(c, &copy, &ret->r, e);
}

int co_vm_copy(struct call *c, const struct vm_copy_args *a, union value *ret, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct vm_copying copy = {.kind = VM_COPY_FULL, .source = a->vm, .name = a->new_name, .sr = a->sr};

    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_COPY, &op, e) < 0)
        return -1;
    return co_vm_make_copy(c, &copy, &ret->r, e);
}

int co_vm_snapshot(struct call *c, const struct vm_snapshot_args *a, union value *ret, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct vm_copying copy = {
        .kind = VM_COPY_SNAPSHOT, .source = a->vm, .name = a->new_name, .skip = a->ignore_vdis};

    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_SNAPSHOT, &op, e) < 0)
        return -1;
    return co_vm_make_copy(c, &copy, &ret->r, e);
}

int co_vm_checkpoint(struct call *c, const struct vm_checkpoint_args *a, union value *ret, struct err *e)
{
    CLEANUP_OP struct op op = {0};
    struct vm_copying copy = {.kind = VM_COPY_SNAPSHOT, .source = a->vm, .name = a->new_name, .memory = true};

    if (co_op_begin(c, CLASS_VM, a->vm, VM_OPERATIONS_CHECKPOINT, &op, e) < 0)
        return -1;
    return co_vm_make_copy(c, &copy, &ret->r, e);
}
