#ifndef XAPID_HOST_CPUINFO_H
#define XAPID_HOST_CPUINFO_H
/* The first processor as /proc/cpuinfo describes it; empty text where it does not. */
struct cpuinfo {
    char vendor[32], model_name[96], family[8], model[8], stepping[8], flags[4096];
    int mhz;
};
void cpuinfo_read(struct cpuinfo *ret);

#endif
