#ifndef XAPID_RRD_MACHINE_USAGE_H
#define XAPID_RRD_MACHINE_USAGE_H
/* What the kernel counts of this machine. */
enum { MACHINE_PROCESSORS = 256, MACHINE_LINK_SIZE = 16 };

struct machine_link {
    char name[MACHINE_LINK_SIZE];
    double received, sent; /* bytes */
};

struct machine_usage {
    unsigned n_processors, n_links;
    double processor[MACHINE_PROCESSORS]; /* seconds at work */
    double load;
    double memory_total, memory_free; /* KiB */
    struct machine_link *links;       /* by name */
};

/* Read all of it; free links afterwards. Blocks. 0 or -errno. */
int machine_usage_read(struct machine_usage *ret);

/* NULL when there is no such link. */
const struct machine_link *machine_link_find(const struct machine_usage *u, const char *name);

#endif
