#include "tests/hv/fixture.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/mem.h"

void fixture_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    abort();
}

static char base[32];
static pid_t base_owner;

void fixture_program_begin(void)
{
    strcpy(base, "/tmp/xapid-hv.XXXXXX");
    if (!mkdtemp(base))
        abort();
    base_owner = getpid();
}

/* Kill a process whose note lies here, should it live. */
static void kill_noted(const char *path)
{
    char text[256] = "", link[64], cwd[256] = "";
    FILE *f = fopen(path, "re");
    int pid = f && fgets(text, sizeof text, f) ? atoi(text) : 0;

    if (f)
        fclose(f);
    snprintf(link, sizeof link, "/proc/%d/cwd", pid);
    if (pid > 1 && readlink(link, cwd, sizeof cwd - 1) > 0 && strncmp(cwd, base, strlen(base)) == 0)
        kill(pid, SIGKILL);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    const char *name = strrchr(path, '/');

    if (type == FTW_F && name && strcmp(name, "/process") == 0)
        kill_noted(path);
    return remove(path);
}

void fixture_program_end(void)
{
    if (getpid() == base_owner)
        nftw(base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- reports ---- */

static void copy_text(char to[64], const char *text)
{
    snprintf(to, 64, "%s", text ? text : "");
}

static void record(const struct hv_report *r, void *arg)
{
    struct fixture *f = arg;
    struct seen_report *s;

    REQUIRE(f->n_seen < sizeof f->seen / sizeof *f->seen);
    s = &f->seen[f->n_seen++];
    *s = (struct seen_report){.kind = r->kind, .reason = r->reason, .memory = r->memory};
    memcpy(s->uuid, r->uuid, sizeof s->uuid);
    if (r->info) {
        copy_text(s->ip, map_get(r->info->addresses, "0/ip"));
        copy_text(s->os, map_get(r->info->os, "name"));
        copy_text(s->agent_version, r->info->agent_version);
        copy_text(s->hostname, r->info->hostname);
    }
    fiber_cond_broadcast(&f->news);
}

void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "%s/state.XXXXXX", base);
    REQUIRE(mkdtemp(f->dir));
    uuid_new(f->host);
    fiber_cond_init(&f->news);
    f->options = (struct hv_options){.state_dir = f->dir, .report = record, .report_arg = f};
}

static const struct seen_report *newest(const struct fixture *f, enum hv_report_kind kind, const char *uuid)
{
    for (unsigned i = f->n_seen; i > 0; i--)
        if (f->seen[i - 1].kind == kind && strcmp(f->seen[i - 1].uuid, uuid) == 0)
            return &f->seen[i - 1];
    return NULL;
}

const struct seen_report *co_fixture_report(struct fixture *f, enum hv_report_kind kind, const char *uuid)
{
    int64_t deadline = clock_in_ms(60000);

    while (!newest(f, kind, uuid))
        REQUIRE(co_cond_wait(&f->news, deadline, "report %d", kind) == 0);
    return newest(f, kind, uuid);
}

unsigned fixture_count(const struct fixture *f, enum hv_report_kind kind)
{
    unsigned n = 0;

    for (unsigned i = 0; i < f->n_seen; i++)
        n += f->seen[i].kind == kind;
    return n;
}

void fixture_forget(struct fixture *f)
{
    f->n_seen = 0;
}

void fixture_spec(struct hv_vm_spec *spec)
{
    *spec = (struct hv_vm_spec){
        .name = "test", .domid = 7, .memory = 64 << 20, .vcpus = 1, .vcpus_max = 1, .boot = HV_BOOT_BIOS};
    uuid_new(spec->uuid);
}

/* ---- what is left ---- */

static unsigned count_entries(const char *path)
{
    DIR *d = opendir(path);
    unsigned n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

unsigned fixture_fd_count(void)
{
    return count_entries("/proc/self/fd");
}

bool fixture_has_children(void)
{
    siginfo_t info = {0};

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

bool fixture_has_folder(const struct fixture *f, const char *uuid)
{
    char path[160];

    snprintf(path, sizeof path, "%s/vm/%s", f->dir, uuid);
    return access(path, F_OK) == 0;
}

char *fixture_read(const struct fixture *f, const char *uuid, const char *name)
{
    char path[200];
    size_t n, max = 1 << 20;
    char *text = mem_zalloc(max + 1);
    FILE *file;

    snprintf(path, sizeof path, "%s/vm/%s/%s", f->dir, uuid, name);
    file = fopen(path, "re");
    n = file ? fread(text, 1, max, file) : 0;
    text[n] = '\0';
    if (file)
        fclose(file);
    return text;
}

int fixture_pid(const struct fixture *f, const char *uuid)
{
    CLEANUP_FREE char *note = fixture_read(f, uuid, "process");

    return atoi(note);
}
