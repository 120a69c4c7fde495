#ifndef XAPID_HOST_CPU_FEATURES_H
#define XAPID_HOST_CPU_FEATURES_H
/*
 * What processors can do, as XenAPI writes it in cpu_info: words of CPUID in hexadecimal, joined by hyphens,
 * in the order that Xen numbers them: 1.edx, 1.ecx, 80000001.edx, 80000001.ecx, d.1.eax, 7.ebx, 7.ecx,
 * 80000007.edx, 80000008.ebx, 7.edx. Only features that a guest may come to rely on are counted.
 */
#include <stdbool.h>

/* From the flags of /proc/cpuinfo; on ctx. */
char *cpu_features_of_flags(void *ctx, const char *flags);

/* What both can do; on ctx. */
char *cpu_features_common(void *ctx, const char *a, const char *b);

/* Can `host` do all that `guest` relies on? An empty text is not known, and then nothing is in the way. */
bool cpu_features_cover(const char *host, const char *guest);

#endif
