#include "pool/machine.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <time.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/proc.h"
#include "model/errors.gen.h"

#define ZONES "/usr/share/zoneinfo/"
#define SYSLOG_FILE "/etc/rsyslog.d/xapid.conf"
#define CONSOLE_FILE "/etc/profile.d/xapid-console-timeout.sh"
#define FALLBACK_FILE "/etc/systemd/system/xapid.service.d/ssh.conf"

enum { RUN_MS = 60 * 1000, FILE_MAX = 1024 * 1024 };

/* ---- files and programs ---- */

static char *whole_path(const struct agent *a, void *ctx, const char *path)
{
    return talloc_asprintf(ctx, "%s%s", a->machine_root, path);
}

bool machine_has(const struct agent *a, const char *path)
{
    CLEANUP_TALLOC char *whole = whole_path(a, NULL, path);
    return access(whole, F_OK) == 0;
}

struct file_job {
    const char *path, *text; /* of one to be written; text NULL: to be taken away */
    struct buf content;      /* of one that is read */
};

static int write_file(void *arg)
{
    const struct file_job *j = arg;
    CLEANUP_FREE char *folder = mem_strdup(j->path);
    if (!j->text)
        return unlink(j->path) < 0 && errno != ENOENT ? -errno : 0;
    if (mkdir(dirname(folder), 0755) < 0 && errno != EEXIST)
        return -errno;
    int r = fd_replace_file(j->path, j->text, strlen(j->text));
    return r == 0 && chmod(j->path, 0644) < 0 ? -errno : r;
}

int co_machine_write(const struct agent *a, const char *path, const char *text, struct err *e)
{
    CLEANUP_TALLOC char *whole = whole_path(a, NULL, path);
    int r = co_run_worker(write_file, &(struct file_job){.path = whole, .text = text}, "writing %s", path);
    return r < 0 ? err_errno(e, r, "writing %s", path) : 0;
}

static int read_file(void *arg)
{
    struct file_job *j = arg;
    CLEANUP_FD int fd = open(j->path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;
    if (fd < 0)
        return -errno;
    while (n > 0 && j->content.len <= FILE_MAX) {
        n = read(fd, buf_reserve(&j->content, 4096), 4096);
        if (n < 0)
            return -errno;
        j->content.len += (size_t)n;
    }
    return n > 0 ? -EFBIG : 0;
}

int co_machine_read(const struct agent *a, void *ctx, const char *path, char **ret, struct err *e)
{
    struct file_job j = {.path = whole_path(a, ctx, path)};
    int r = co_run_worker(read_file, &j, "reading %s", path);
    *ret = talloc_strdup(ctx, buf_cstr(&j.content));
    buf_free(&j.content);
    return r < 0 ? err_errno(e, r, "reading %s", path) : 0;
}

int co_machine_run(const char *const *argv, void *ctx, char **ret_out, struct err *e)
{
    struct proc_result result = {0};
    int r = co_proc_run(argv, &result, clock_in_ms(RUN_MS));
    if (r == -ENOENT)
        err_internal(e, "there is no program %s here", argv[0]);
    else if (r < 0)
        err_errno(e, r, "running %s", argv[0]);
    else if (result.status != 0)
        err_internal(e, "%s ended with status %d: %s", argv[0], result.status, buf_cstr(&result.err));
    else if (ret_out)
        *ret_out = talloc_strdup(ctx, buf_cstr(&result.out));
    proc_result_free(&result);
    return err_is_set(e) ? -1 : 0;
}

bool machine_is_host(const char *text)
{
    size_t n = strlen(text);
    if (n == 0 || n > 255 || text[0] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-._:%", text[i]))
            return false;
    return true;
}

static int co_systemctl(const char *verb, const char *service, struct err *e)
{
    return co_machine_run((const char *const[]){"systemctl", verb, "--now", service, NULL}, NULL, NULL, e);
}

static int64_t number_of(const struct map *values, const char *key)
{
    const char *text = map_get(values, key);
    return text ? strtoll(text, NULL, 10) : 0;
}

static bool is_true(const struct map *values, const char *key)
{
    const char *text = map_get(values, key);
    return text && strcmp(text, "true") == 0;
}

/* ---- the system log ---- */

/* The daemon's: how much it says, and its file opened anew, which the signal does. */
static int set_own_log(const struct map *values, struct err *e)
{
    const char *name = map_get(values, "level");
    int level = name && *name ? log_level_by_name(name) : -1;

    if (name && *name && level < 0)
        return err_invalid_value(e, "level", name);
    log_override_level(level);
    kill(getpid(), SIGHUP);
    return 0;
}

/* What rsyslog takes: a name, or an address with an IPv6 one in brackets; port 514 over UDP. */
static int co_set_syslog(struct agent *a, const struct map *values, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *host = map_get(values, "destination");
    bool any = host && *host;
    if (set_own_log(values, e) < 0)
        return -1;
    if (any && !machine_is_host(host))
        return err_invalid_value(e, "syslog_destination", host);
    if (!machine_has(a, "/etc/rsyslog.d"))
        return any ? err_operation_not_allowed(e, "rsyslog, which sends the log to another host, is not "
                                                  "installed there")
                   : 0;
    const char *brackets = any && strchr(host, ':') ? "[]" : "";
    char *text = any ? talloc_asprintf(mem, "# Written by xapid: logging:syslog_destination\n*.* @%.1s%s%s\n",
                                       brackets, host, *brackets ? brackets + 1 : "")
                     : NULL;
    if (!any && !machine_has(a, SYSLOG_FILE))
        return 0;
    if (co_machine_write(a, SYSLOG_FILE, text, e) < 0)
        return -1;
    return co_machine_run((const char *const[]){"systemctl", "restart", "rsyslog", NULL}, NULL, NULL, e);
}

/* ---- time ---- */

static bool is_zone(const char *name)
{
    CLEANUP_TALLOC char *path = talloc_asprintf(NULL, ZONES "%s", name);
    struct stat st;
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_+-/", *p))
            return false;
    return *name && *name != '/' && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int link_zone(void *arg)
{
    const struct file_job *j = arg;
    CLEANUP_TALLOC char *beside = talloc_asprintf(NULL, "%s.new", j->path);
    if (unlink(beside) < 0 && errno != ENOENT)
        return -errno;
    return symlink(j->text, beside) < 0 || rename(beside, j->path) < 0 ? -errno : 0;
}

static int co_set_timezone(struct agent *a, const struct map *values, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *name = map_get(values, "name");
    if (!name || !is_zone(name))
        return err_invalid_value(e, "timezone", name ? name : "");
    struct file_job j = {.path = whole_path(a, mem, "/etc/localtime"),
                         .text = talloc_asprintf(mem, ZONES "%s", name)};
    int r = co_run_worker(link_zone, &j, "setting the time zone");
    if (r < 0)
        return err_errno(e, r, "linking /etc/localtime");
    tzset();
    return machine_has(a, "/etc/timezone")
               ? co_machine_write(a, "/etc/timezone", talloc_asprintf(mem, "%s\n", name), e)
               : 0;
}

/* Nothing is answered for a machine that keeps its zone in another way. */
static struct map *timezone_now(const struct agent *a, void *ctx)
{
    char *path = whole_path(a, ctx, "/etc/localtime"), target[256];
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0)
        return NULL;
    target[n] = '\0';
    const char *name = strstr(target, "zoneinfo/");
    return name ? map_with(ctx, NULL, "name", name + strlen("zoneinfo/")) : NULL;
}

static int co_set_clock(const struct map *values, struct err *e)
{
    CLEANUP_TALLOC char *when = talloc_asprintf(NULL, "--set=@%lld", (long long)number_of(values, "seconds"));
    return co_machine_run((const char *const[]){"date", "-u", when, NULL}, NULL, NULL, e);
}

/* ---- who comes in ---- */

static int co_set_ssh(const struct map *values, struct err *e)
{
    return co_systemctl(is_true(values, "enabled") ? "enable" : "disable", "ssh", e);
}

/* systemd knows when the daemon fails; then it starts the service. */
static int co_set_ssh_fallback(struct agent *a, const struct map *values, struct err *e)
{
    const char *text = is_true(values, "enabled")
                           ? "# Written by xapid: host.set_ssh_auto_mode\n[Unit]\nOnFailure=ssh.service\n"
                           : NULL;
    if (!text && !machine_has(a, FALLBACK_FILE))
        return 0;
    if (co_machine_write(a, FALLBACK_FILE, text, e) < 0)
        return -1;
    return co_machine_run((const char *const[]){"systemctl", "daemon-reload", NULL}, NULL, NULL, e);
}

/* systemctl says 0 for a service that is active and 3 or 4 for one that is not or does not exist; where it
 * cannot tell nothing is answered. */
static int co_ssh_now(void *ctx, struct map **ret)
{
    static const char *const argv[] = {"systemctl", "is-active", "--quiet", "ssh", NULL};
    struct proc_result result = {0};
    int r = co_proc_run(argv, &result, clock_in_ms(RUN_MS));
    int status = r < 0 ? -1 : result.status;
    proc_result_free(&result);
    if (status == 0 || status == 3 || status == 4)
        *ret = map_with(ctx, NULL, "enabled", status == 0 ? "true" : "false");
    return 0;
}

/* Shells at the machine's own terminals, not those that come over the network. */
static int co_set_console_timeout(struct agent *a, const struct map *values, struct err *e)
{
    int64_t seconds = number_of(values, "seconds");
    CLEANUP_TALLOC char *text =
        talloc_asprintf(NULL,
                        "# Written by xapid: host.set_console_idle_timeout\n"
                        "case \"$(tty)\" in\n"
                        "/dev/console|/dev/tty[0-9]*|/dev/ttyS*|/dev/hvc*) TMOUT=%lld; export TMOUT ;;\n"
                        "esac\n",
                        (long long)seconds);
    return co_machine_write(a, CONSOLE_FILE, seconds > 0 ? text : NULL, e);
}

/* ---- the kernel's keys ---- */

static int press_keys(void *arg)
{
    const struct file_job *j = arg;
    CLEANUP_FD int fd = open(j->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (const char *key = j->text; *key; key++)
        if (write(fd, key, 1) < 0)
            return -errno;
    return 0;
}

/* Those that make the kernel tell something; none that does anything to the machine. */
static int co_press_debug_keys(struct agent *a, const struct map *values, struct err *e)
{
    const char *keys = map_get(values, "keys");
    keys = keys ? keys : "";
    if (strlen(keys) > 16 || keys[strspn(keys, "hlmpqtwdz")])
        return err_value_not_supported(e, "keys", keys, "the keys that only tell something are hlmpqtwdz");
    CLEANUP_TALLOC char *path = whole_path(a, NULL, "/proc/sysrq-trigger");
    int r = co_run_worker(press_keys, &(struct file_job){.path = path, .text = keys}, "pressing keys");
    return r < 0 ? err_errno(e, r, "writing /proc/sysrq-trigger") : 0;
}

/* ---- all of them ---- */

int co_local_machine_set(struct agent *a, enum agent_setting what, const struct map *values, struct err *e)
{
    switch (what) {
    case AGENT_SETTING_CLOCK:
        return co_set_clock(values, e);
    case AGENT_SETTING_CONSOLE_TIMEOUT:
        return co_set_console_timeout(a, values, e);
    case AGENT_SETTING_DEBUG_KEYS:
        return co_press_debug_keys(a, values, e);
    case AGENT_SETTING_NTP:
        return co_machine_set_ntp(a, values, e);
    case AGENT_SETTING_SSH:
        return co_set_ssh(values, e);
    case AGENT_SETTING_SSH_FALLBACK:
        return co_set_ssh_fallback(a, values, e);
    case AGENT_SETTING_SYSLOG:
        return co_set_syslog(a, values, e);
    case AGENT_SETTING_TIMEZONE:
        return co_set_timezone(a, values, e);
    }
    return err_internal(e, "no such setting");
}

int co_local_machine_get(struct agent *a, void *ctx, enum agent_setting what, struct map **ret, struct err *e)
{
    *ret = NULL;
    if (what == AGENT_SETTING_NTP)
        return co_machine_get_ntp(a, ctx, ret, e);
    if (what == AGENT_SETTING_SSH)
        return co_ssh_now(ctx, ret);
    if (what == AGENT_SETTING_TIMEZONE)
        *ret = timezone_now(a, ctx);
    return 0;
}
