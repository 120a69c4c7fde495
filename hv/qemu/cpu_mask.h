#ifndef HV_QEMU_CPU_MASK_H
#define HV_QEMU_CPU_MASK_H
/* What a guest does not see of its host's processor, so that it can go to lesser ones: text for -cpu host.
 * Never yields. */

/* ",avx512f=off,…" for what is not among the features that it may see (as hv_vm_spec has them); "" when they
 * are NULL or not known. On ctx. A feature that the host lacks anyway may be switched off, too. */
char *qemu_cpu_mask_text(void *ctx, const char *may_see);

#endif
