#ifndef TESTS_HV_FIXTURE_H
#define TESTS_HV_FIXTURE_H
/*
 * What the tests of the hypervisor drivers share: a private state directory, the reports that came,
 * specifications, and a look at what is left behind.
 */
#include "hv/hv.h"
#include "lib/fiber.h"

/* For helpers that benchmarks use too: say what was not so, and abort. */
#define REQUIRE(condition) ((condition) ? (void)0 : fixture_fail(__FILE__, __LINE__, #condition))
void fixture_fail(const char *file, int line, const char *what) __attribute__((noreturn));

struct seen_report {
    enum hv_report_kind kind;
    enum hv_stop_reason reason;
    int64_t memory;
    char uuid[UUID_TEXT_SIZE];
    char ip[64]; /* "0/ip" of a HV_REPORT_GUEST_INFO */
    char os[64], agent_version[64], hostname[64];
};

struct fixture {
    char dir[64];
    char host[UUID_TEXT_SIZE];
    struct hv *hv;
    struct hv_options options;
    struct seen_report seen[64];
    unsigned n_seen;
    struct fiber_cond news;
};

/* The folder all tests of this program work in; removed at its end, after the QEMUs that failed tests left.
 */
void fixture_program_begin(void);
void fixture_program_end(void);

/* A fresh state directory and options that record reports. No driver is open yet. */
void fixture_init(struct fixture *f);

/* Wait until a report of this kind about this guest has come and return the newest. Fails the test after a
 * minute. */
const struct seen_report *co_fixture_report(struct fixture *f, enum hv_report_kind kind, const char *uuid);
unsigned fixture_count(const struct fixture *f, enum hv_report_kind kind);
void fixture_forget(struct fixture *f);

/* A small guest that boots by BIOS from nothing; *spec is ready to be changed. */
void fixture_spec(struct hv_vm_spec *spec);

/* Open descriptors and children of this process; nothing may be left after an operation. */
unsigned fixture_fd_count(void);
bool fixture_has_children(void);

/* Is there a folder of this guest? */
bool fixture_has_folder(const struct fixture *f, const char *uuid);

/* The content of a file of the guest's folder, to free(); "" when there is none. */
char *fixture_read(const struct fixture *f, const char *uuid, const char *name);

/* The pid that its note names; 0 when there is none. */
int fixture_pid(const struct fixture *f, const char *uuid);

#endif
