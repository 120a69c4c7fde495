#include "hv/qemu/probe.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include "hv/qemu/cmdline.h"
#include "hv/qemu/firmware.h"
#include "hv/qemu/hardware.h"
#include "hv/qemu/vm_dir.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/proc.h"

#define PROGRAM "qemu-system-x86_64"
#define CACHE "hypervisor.json"
#define TRY_MS 20000
#define KVM_LEAST_MS 1000
#define KVM_FACTOR 10 /* a KVM that takes this much longer than TCG, start included, only pretends */
#define VERSION_MS 20000

/* ---- does KVM execute instructions? ---- */

static int write_piece(int fd, const unsigned char *from, const unsigned char *to, off_t at)
{
    size_t n = (size_t)(to - from);

    errno = EIO;
    return pwrite(fd, from, n, at) == (ssize_t)n ? 0 : -errno;
}

static int write_firmware(char *path)
{
    CLEANUP_FD int fd = mkostemp(path, O_CLOEXEC);
    int r;

    if (fd < 0 || ftruncate(fd, FIRMWARE_SIZE) < 0)
        return -errno;
    r = write_piece(fd, qemu_firmware, qemu_firmware_end, FIRMWARE_OFFSET);
    return r < 0 ? r : write_piece(fd, qemu_firmware_reset, qemu_firmware_reset_end, FIRMWARE_RESET_OFFSET);
}

static int co_run_firmware(const char *program, const char *accelerator, bool sandbox, const char *firmware,
                           int64_t deadline)
{
    const char *argv[] = {program,
                          "-nodefaults",
                          "-no-user-config",
                          "-display",
                          "none",
                          "-machine",
                          "pc",
                          "-m",
                          "16",
                          "-accel",
                          accelerator,
                          "-cpu",
                          qemu_cpu_model(accelerator),
                          "-device",
                          "isa-debug-exit,iobase=0xf4,iosize=1",
                          "-bios",
                          firmware,
                          sandbox ? "-sandbox" : NULL,
                          QEMU_SANDBOX,
                          NULL};
    struct proc_result result = {0};
    int r = co_proc_run(argv, &result, deadline);
    int status = result.status;

    proc_result_free(&result);
    if (r == -ETIMEDOUT)
        return 0;
    return r < 0 ? r : status == (FIRMWARE_EXIT_VALUE << 1 | 1);
}

int co_qemu_probe_try(const char *state_dir, const char *program, const char *accelerator, bool sandbox,
                      int64_t deadline)
{
    CLEANUP_FREE char *path = NULL;
    int r;

    if (asprintf(&path, "%s/firmware.XXXXXX", state_dir) < 0)
        mem_abort();
    r = write_firmware(path);
    if (r == 0)
        r = co_run_firmware(program, accelerator, sandbox, path, deadline);
    unlink(path);
    return r;
}

/* ---- the program ---- */

static int find_program(char path[256], struct err *e)
{
    const char *folders = getenv("PATH");

    for (const char *at = folders ? folders : "/usr/bin:/bin"; *at;) {
        size_t n = strcspn(at, ":");

        if (n > 0 && snprintf(path, 256, "%.*s/" PROGRAM, (int)n, at) < 256 && access(path, X_OK) == 0)
            return 0;
        at += n + (at[n] == ':');
    }
    return err_internal(e, PROGRAM " was not found: apt-get install qemu-system-x86");
}

/* "QEMU emulator version 7.2.22 (Debian …)" to "7.2.22". */
static int co_ask_version(const char *program, char version[64], struct err *e)
{
    const char *argv[] = {program, "--version", NULL};
    struct proc_result result = {0};
    int r = co_proc_run(argv, &result, clock_in_ms(VERSION_MS));

    if (r == 0 && sscanf(buf_cstr(&result.out), "QEMU emulator version %63[0-9.]", version) != 1)
        r = -ENOEXEC;
    proc_result_free(&result);
    return r < 0 ? err_errno(e, r, "%s --version", program) : 0;
}

/* ---- the cache ---- */

/* What the result holds for: this boot of the host, this build of QEMU. */
static char *current_key(const char *program)
{
    CLEANUP_FREE char *boot = vm_dir_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 36);
    struct stat st = {0};
    char *key;

    if (stat(program, &st) < 0)
        st = (struct stat){0};
    if (asprintf(&key, "%s %s %lld %lld.%09ld", program, boot ? boot : "", (long long)st.st_size,
                 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec) < 0)
        mem_abort();
    return key;
}

static bool copy_field(const json_t *cache, const char *name, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(cache, name));

    return text && (size_t)snprintf(to, size, "%s", text) < size;
}

static bool cache_load(int dir_fd, const char *key, struct qemu_probe *ret)
{
    CLEANUP_FREE char *text = vm_dir_read(dir_fd, CACHE, 4096);
    json_t *cache = text ? json_loads(text, 0, NULL) : NULL;
    const char *stored = json_string_value(json_object_get(cache, "key"));
    bool good = stored && strcmp(stored, key) == 0 &&
                copy_field(cache, "accelerator", ret->accelerator, sizeof ret->accelerator) &&
                copy_field(cache, "version", ret->version, sizeof ret->version);

    ret->sandbox = json_is_true(json_object_get(cache, "sandbox"));
    json_decref(cache);
    return good;
}

static void cache_save(int dir_fd, const char *key, const struct qemu_probe *p)
{
    json_t *cache = json_pack("{s:s, s:s, s:s, s:b}", "key", key, "accelerator", p->accelerator, "version",
                              p->version, "sandbox", p->sandbox);
    int r = cache ? vm_dir_write_json(dir_fd, CACHE, cache) : -EINVAL;

    if (r < 0)
        log_warning("what QEMU can do is not remembered: %s", strerror(-r));
    json_decref(cache);
}

/* Some hosts have a KVM that interprets each instruction and is far slower than TCG; what TCG took tells how
 * busy this one is. */
static int64_t kvm_deadline(int64_t tcg_took)
{
    int64_t limit = tcg_took / 1000000 * KVM_FACTOR;

    return clock_in_ms(limit > KVM_LEAST_MS ? limit : KVM_LEAST_MS);
}

int co_qemu_probe(const char *state_dir, struct qemu_probe *ret, struct err *e)
{
    CLEANUP_FD int dir_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_FREE char *key = NULL;
    int kvm = 0, sandbox;
    int64_t begin;

    if (dir_fd < 0)
        return err_errno(e, -errno, "%s", state_dir);
    if (find_program(ret->program, e) < 0)
        return -1;
    key = current_key(ret->program);
    if (cache_load(dir_fd, key, ret))
        return 0;
    if (co_ask_version(ret->program, ret->version, e) < 0)
        return -1;
    begin = clock_now();
    sandbox = co_qemu_probe_try(state_dir, ret->program, "tcg", true, clock_in_ms(TRY_MS));
    if (sandbox >= 0 && access("/dev/kvm", R_OK | W_OK) == 0)
        kvm = co_qemu_probe_try(state_dir, ret->program, "kvm", false, kvm_deadline(clock_now() - begin));
    if (sandbox < 0 || kvm < 0)
        return err_errno(e, sandbox < 0 ? sandbox : kvm, "trying out QEMU");
    ret->sandbox = sandbox == 1;
    snprintf(ret->accelerator, sizeof ret->accelerator, "%s", kvm ? "kvm" : "tcg");
    cache_save(dir_fd, key, ret);
    return 0;
}

/* ---- the host ---- */

static void cpu_field(const char *line, const char *name, char *to, size_t size)
{
    const char *colon = strchr(line, ':');

    if (to[0] || !colon || strncmp(line, name, strlen(name)) != 0)
        return;
    snprintf(to, size, "%s", colon + 1 + (colon[1] == ' '));
    to[strcspn(to, "\n")] = '\0';
}

static void read_cpuinfo(struct hv_host_facts *facts)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[512];

    while (f && fgets(line, sizeof line, f)) {
        cpu_field(line, "vendor_id", facts->cpu_vendor, sizeof facts->cpu_vendor);
        cpu_field(line, "model name", facts->cpu_model, sizeof facts->cpu_model);
    }
    if (f)
        fclose(f);
}

/* What could be given to guests, page cache included. */
static int64_t memory_available(void)
{
    CLEANUP_FREE char *text = vm_dir_read(AT_FDCWD, "/proc/meminfo", 4096);
    const char *at = text ? strstr(text, "MemAvailable:") : NULL;

    return at ? strtoll(at + strlen("MemAvailable:"), NULL, 10) * 1024 : 0;
}

void qemu_probe_host(struct hv_host_facts *facts)
{
    struct sysinfo info = {0};

    sysinfo(&info);
    facts->cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    facts->memory_total = (int64_t)info.totalram * info.mem_unit;
    facts->memory_free = memory_available();
    read_cpuinfo(facts);
}
