#include "config.h"
#include "xapid/options.h"
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/mem.h"

static const char usage[] =
    "Usage: xapid --state-dir DIR [OPTION]...\n"
    "A XenAPI-compatible toolstack for this host.\n"
    "\n"
    "  --state-dir DIR       where the database, certificates and guests live\n"
    "  --address ADDRESS     listen on this address (127.0.0.1)\n"
    "  --port PORT           HTTPS port (443); 0 picks a free one, written to DIR/port\n"
    "  --http-port PORT      plain HTTP port that redirects to https (none); 0 picks a free one, written to "
    "DIR/http-port\n"
    "  --metrics             answer GET /metrics on the plain HTTP port, to whoever asks\n"
    "  --unix-socket PATH    local socket whose peers are root (DIR/xapi.sock)\n"
    "  --hypervisor NAME     qemu or sim (qemu)\n"
    "  --qemu-user NAME      who QEMU runs as when root starts xapid (xapid-qemu); \"\": root\n"
    "  --sim-script FILE     timing and faults of the simulator\n"
    "  --demo-guest DIR      files of the demo guest's template (DIR/guests/demo of the state directory)\n"
    "  --config FILE         read options from FILE\n"
    "  --check-config        say what is wrong with the options, FILE and what they name, and exit\n"
    "  --check-db[=FILE]     say what is wrong with the database, or with a copy of it in FILE, and exit\n"
    "  --restore-db FILE     put this copy in the place of the database, and exit\n"
    "  --backup-dir DIR      where copies of the database are kept (DIR/backups of the state directory)\n"
    "  --backup-interval N   seconds from one copy to the next (21600); 0: none are made\n"
    "  --backup-number N     how many copies are kept (28)\n"
    "  --backup-max-mib N    how much room they have together (1024)\n"
    "  --log-level LEVEL     error, warning, info or debug (info)\n"
    "  --authentication KIND passwd (the file DIR/passwd) or pam (DIR/passwd when it is there, else PAM)\n"
    "  --pam-dir DIR         where PAM finds the service xapid (the system's)\n"
    "  --plugin-dir DIR      programs that host.call_plugin runs (" XAPID_SYSCONFDIR "/xapi.d/plugins)\n"
    "  --extension-dir DIR   programs that host.call_extension runs (" XAPID_SYSCONFDIR
    "/xapi.d/extensions)\n"
    "  --machine-root DIR    where /etc and /proc of the machine's settings are (/)\n"
    "  --power-command FILE  program that host.shutdown and host.reboot run with that word (systemctl)\n"
    "  --login-delay-ms N    how long a failed login takes (5000)\n"
    "  --silence-ms N        how long another host of the pool may be silent before it counts as gone "
    "(8000)\n"
    "  --evacuation-batch-size N  how many guests leave a host at a time (10)\n"
    "  --strict-members      as a pool's member, send clients to the coordinator instead of answering them\n"
    "  --foreground          stay in the foreground and log to standard error\n"
    "  --set-password USER   set the password of USER to the line on standard input, and exit\n"
    "  --version, --help\n";

enum option_kind { TEXT, TEXT_OR_NONE, NUMBER, FLAG };
enum option_when { AT_START, AT_ONCE, SHELL_ONLY }; /* SHELL_ONLY: not a setting of the file */

/* Every setting, by its name on the command line and in the file. */
struct setting {
    const char *name;
    enum option_kind kind;
    enum option_when when; /* does a change take effect */
    size_t offset;
};
#define SETTING(name, kind, when, member)                        \
    {                                                            \
        name, kind, when, offsetof(struct xapid_options, member) \
    }
static const struct setting settings[] = {
    SETTING("state-dir", TEXT, AT_START, state_dir),
    SETTING("address", TEXT, AT_START, address),
    SETTING("port", NUMBER, AT_START, port),
    SETTING("http-port", NUMBER, AT_START, http_port),
    SETTING("metrics", FLAG, AT_ONCE, metrics),
    SETTING("unix-socket", TEXT, AT_START, unix_socket),
    SETTING("hypervisor", TEXT, AT_START, hypervisor),
    SETTING("sim-script", TEXT, AT_START, sim_script),
    SETTING("config", TEXT, SHELL_ONLY, config),
    SETTING("check-config", FLAG, SHELL_ONLY, check_config),
    SETTING("check-db", TEXT_OR_NONE, SHELL_ONLY, check_db),
    SETTING("restore-db", TEXT, SHELL_ONLY, restore_db),
    SETTING("backup-dir", TEXT, AT_ONCE, backup_dir),
    SETTING("backup-interval", NUMBER, AT_ONCE, backup_interval),
    SETTING("backup-number", NUMBER, AT_ONCE, backup_number),
    SETTING("backup-max-mib", NUMBER, AT_ONCE, backup_max_mib),
    SETTING("power-command", TEXT, AT_ONCE, power_command),
    SETTING("log-level", TEXT, AT_ONCE, log_level),
    SETTING("login-delay-ms", NUMBER, AT_ONCE, login_delay_ms),
    SETTING("qemu-user", TEXT, AT_START, qemu_user),
    SETTING("demo-guest", TEXT, AT_START, demo_guest),
    SETTING("fault-at", TEXT, AT_START, fault_at),
    SETTING("authentication", TEXT, AT_ONCE, authentication),
    SETTING("pam-dir", TEXT, AT_ONCE, pam_dir),
    SETTING("plugin-dir", TEXT, AT_ONCE, plugin_dir),
    SETTING("silence-ms", NUMBER, AT_START, silence_ms),
    SETTING("evacuation-batch-size", NUMBER, AT_ONCE, evacuation_batch_size),
    SETTING("extension-dir", TEXT, AT_ONCE, extension_dir),
    SETTING("machine-root", TEXT, AT_START, machine_root),
    SETTING("strict-members", FLAG, AT_ONCE, strict_members),
    SETTING("foreground", FLAG, AT_START, foreground),
    SETTING("set-password", TEXT, SHELL_ONLY, password_user),
};
enum { N_SETTINGS = sizeof settings / sizeof settings[0] };
_Static_assert(sizeof settings / sizeof settings[0] <= OPTIONS_MAX,
               "struct options_reading has room for every setting");

static const struct setting *find_setting(const char *name)
{
    for (unsigned i = 0; i < N_SETTINGS; i++)
        if (strcmp(settings[i].name, name) == 0)
            return &settings[i];
    return NULL;
}

/* ---- problems ---- */

/* The text up to a problem itself: where it is. */
static void begin_problem(struct options_reading *r, unsigned line, const char *setting)
{
    r->n_problems++;
    if (line > 0)
        buf_printf(&r->problems, "%s:%u: ", r->options.config, line);
    if (setting)
        buf_printf(&r->problems, line > 0 ? "%s: " : "--%s: ", setting);
}

void options_problem(struct options_reading *r, const char *setting, const char *fmt, ...)
{
    const struct setting *s = find_setting(setting);
    va_list ap;
    begin_problem(r, s ? r->line[s - settings] : 0, setting);
    va_start(ap, fmt);
    buf_vprintf(&r->problems, fmt, ap);
    va_end(ap);
    buf_add_char(&r->problems, '\n');
}

/* ---- values ---- */

/* Every different text that was ever set, once: options keep pointers into it, and reading the file again
 * must not take them away. */
static const char *keep_text(const char *text)
{
    static char **kept;
    static unsigned n;
    for (unsigned i = 0; i < n; i++)
        if (strcmp(kept[i], text) == 0)
            return kept[i];
    kept = mem_resize(kept, (n + 1) * sizeof *kept);
    return kept[n++] = mem_strdup(text);
}

static void set_number(struct options_reading *r, const struct setting *s, const char *text)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || *end || end == text || n < 0 || n > 1000 * 1000 * 1000)
        options_problem(r, s->name, "this wants a number, not '%s'", text);
    else
        *(int *)((char *)&r->options + s->offset) = (int)n;
}

/* text NULL: the bare --flag. */
static void set_flag(struct options_reading *r, const struct setting *s, const char *text)
{
    static const char *const words[][3] = {{"false", "no", "0"}, {"true", "yes", "1"}};
    for (unsigned value = 0; text && value < 2; value++)
        for (unsigned i = 0; i < 3; i++)
            if (strcmp(text, words[value][i]) == 0) {
                *(bool *)((char *)&r->options + s->offset) = value;
                return;
            }
    if (text)
        options_problem(r, s->name, "this is true or false, not '%s'", text);
    else
        *(bool *)((char *)&r->options + s->offset) = true;
}

/* line 0: from the command line. */
static void apply(struct options_reading *r, const struct setting *s, unsigned line, const char *text)
{
    r->line[s - settings] = line;
    if (s->kind == TEXT || s->kind == TEXT_OR_NONE)
        *(const char **)((char *)&r->options + s->offset) = keep_text(text ? text : "");
    else if (s->kind == NUMBER)
        set_number(r, s, text);
    else
        set_flag(r, s, text);
}

/* ---- the file ---- */

static char *trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    for (char *end = s + strlen(s); end > s && isspace((unsigned char)end[-1]);)
        *--end = '\0';
    return s;
}

static void apply_line(struct options_reading *r, unsigned number, char *line)
{
    line[strcspn(line, "#")] = '\0';
    char *key = trim(line), *equals = strchr(key, '=');
    if (!*key)
        return;
    if (equals)
        *equals = '\0';
    key = trim(key);
    const struct setting *s = find_setting(key);
    if (equals && s && s->when != SHELL_ONLY) {
        apply(r, s, number, trim(equals + 1));
        return;
    }
    begin_problem(r, number, NULL);
    if (!equals)
        buf_printf(&r->problems, "'%s' is not of the form key = value\n", key);
    else
        buf_printf(&r->problems, "%s '%s'\n", s ? "only the command line takes" : "there is no setting", key);
}

static void read_lines(struct options_reading *r, FILE *f)
{
    CLEANUP_FREE char *line = NULL;
    size_t size = 0;
    ssize_t n;
    for (unsigned number = 1; (n = getline(&line, &size, f)) >= 0; number++) {
        if (strlen(line) == (size_t)n) {
            apply_line(r, number, line);
            continue;
        }
        begin_problem(r, number, NULL);
        buf_add_lit(&r->problems, "this is not text\n");
    }
}

static void read_file(struct options_reading *r)
{
    FILE *f = fopen(r->options.config, "re");
    errno = f ? 0 : errno;
    if (f)
        read_lines(r, f);
    if (f ? ferror(f) : errno)
        options_problem(r, "config", "reading %s: %s", r->options.config, strerror(errno));
    if (f)
        fclose(f);
}

/* ---- the command line ---- */

enum { OPTION_HELP = N_SETTINGS, OPTION_VERSION };

static void fill_long_options(struct option *options)
{
    static const int argument[] = {[TEXT] = required_argument,
                                   [TEXT_OR_NONE] = optional_argument,
                                   [NUMBER] = required_argument,
                                   [FLAG] = no_argument};
    for (unsigned i = 0; i < N_SETTINGS; i++)
        options[i] = (struct option){settings[i].name, argument[settings[i].kind], NULL, (int)i};
    options[OPTION_HELP] = (struct option){"help", no_argument, NULL, OPTION_HELP};
    options[OPTION_VERSION] = (struct option){"version", no_argument, NULL, OPTION_VERSION};
    options[OPTION_VERSION + 1] = (struct option){0};
}

static void misused(struct options_reading *r, const char *what, const char *argument)
{
    r->n_problems++;
    buf_printf(&r->problems, "%s: %s (see --help)\n", what, argument);
}

/* Apply the command line; with only_config, nothing of it but --config. */
static void read_arguments(struct options_reading *r, bool only_config)
{
    struct option options[OPTION_VERSION + 2];
    char **argv = r->options.argv;
    fill_long_options(options);
    int which;
    optind = 1;
    opterr = 0;
    while ((which = getopt_long(r->options.argc, argv, "", options, NULL)) != -1) {
        if (which == OPTION_HELP || which == OPTION_VERSION) {
            fputs(which == OPTION_HELP ? usage : PACKAGE_STRING "\n", stdout);
            r->action = OPTIONS_DONE;
            return;
        }
        bool known = which >= 0 && which < N_SETTINGS;
        bool is_config = known && strcmp(settings[which].name, "config") == 0;
        if (known && is_config == only_config)
            apply(r, &settings[which], 0, optarg);
        else if (!known && !only_config)
            misused(r, "unknown option or missing value", argv[optind - 1]);
    }
    if (optind < r->options.argc && !only_config)
        misused(r, "unexpected argument", argv[optind]);
}

/* ---- both ---- */

enum { MIN_SILENCE_MS = 500, MAX_SILENCE_MS = 600 * 1000 };

static void check(struct options_reading *r)
{
    const struct xapid_options *o = &r->options;
    const char *how = o->authentication;
    if (!o->state_dir)
        options_problem(r, "state-dir", "this is needed");
    if (how && strcmp(how, "passwd") != 0 && strcmp(how, "pam") != 0)
        options_problem(r, "authentication", "this is passwd or pam, not '%s'", how);
    if (log_level_by_name(o->log_level) < 0)
        options_problem(r, "log-level", "this is error, warning, info or debug, not '%s'", o->log_level);
    if (o->port > UINT16_MAX)
        options_problem(r, "port", "a port is at most 65535");
    if (o->http_port > UINT16_MAX)
        options_problem(r, "http-port", "a port is at most 65535");
    if (o->silence_ms < MIN_SILENCE_MS || o->silence_ms > MAX_SILENCE_MS)
        options_problem(r, "silence-ms", "this is from %d to %d", MIN_SILENCE_MS, MAX_SILENCE_MS);
    if (o->evacuation_batch_size < 1)
        options_problem(r, "evacuation-batch-size", "this is 1 at least");
}

static enum options_action chosen_action(const struct xapid_options *o)
{
    return o->password_user  ? OPTIONS_SET_PASSWORD
           : o->check_config ? OPTIONS_CHECK
           : o->check_db     ? OPTIONS_CHECK_DB
           : o->restore_db   ? OPTIONS_RESTORE_DB
                             : OPTIONS_RUN;
}

void options_parse(int argc, char **argv, struct options_reading *r)
{
    *r = (struct options_reading){.options = {.argc = argc,
                                              .argv = argv,
                                              .address = "127.0.0.1",
                                              .port = 443,
                                              .http_port = -1,
                                              .hypervisor = "qemu",
                                              .qemu_user = "xapid-qemu",
                                              .log_level = "info",
                                              .backup_interval = 6 * 3600,
                                              .backup_number = 28,
                                              .backup_max_mib = 1024,
                                              .login_delay_ms = 5000,
                                              .evacuation_batch_size = 10,
                                              .silence_ms = 8000}};
    read_arguments(r, true);
    if (r->action == OPTIONS_DONE)
        return;
    if (r->options.config)
        read_file(r);
    read_arguments(r, false);
    check(r);
    r->action = chosen_action(&r->options);
}

void options_reading_fini(struct options_reading *r)
{
    buf_free(&r->problems);
}

int options_read(int argc, char **argv, struct xapid_options *ret, enum options_action *ret_action,
                 struct err *e)
{
    struct options_reading r;
    options_parse(argc, argv, &r);
    *ret = r.options;
    *ret_action = r.action;
    int rc = 0;
    if (r.n_problems > 0 && r.action != OPTIONS_CHECK) {
        r.problems.len--; /* the last line's end */
        rc = err_internal(e, "%s", buf_cstr(&r.problems));
    }
    options_reading_fini(&r);
    return rc;
}

/* ---- changes ---- */

static bool is_same(const struct setting *s, const struct xapid_options *a, const struct xapid_options *b)
{
    const void *x = (const char *)a + s->offset, *y = (const char *)b + s->offset;
    if (s->kind == TEXT) /* equal texts are kept once, apart from defaults */
        return strcmp(*(char *const *)x ? *(char *const *)x : "",
                      *(char *const *)y ? *(char *const *)y : "") == 0;
    return s->kind == NUMBER ? *(const int *)x == *(const int *)y : *(const bool *)x == *(const bool *)y;
}

static void copy(const struct setting *s, struct xapid_options *to, const struct xapid_options *from)
{
    size_t size = s->kind == TEXT ? sizeof(char *) : s->kind == NUMBER ? sizeof(int) : sizeof(bool);
    memcpy((char *)to + s->offset, (const char *)from + s->offset, size);
}

void options_take_changes(struct xapid_options *now, const struct xapid_options *next,
                          void (*tell)(const char *setting, bool taken, void *arg), void *arg)
{
    for (unsigned i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];
        if (s->when == SHELL_ONLY || is_same(s, now, next))
            continue;
        if (s->when == AT_ONCE)
            copy(s, now, next);
        tell(s->name, s->when == AT_ONCE, arg);
    }
}
