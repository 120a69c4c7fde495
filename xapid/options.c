#include "config.h"
#include "xapid/options.h"
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
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
    "  --sim-script FILE     timing and faults of the simulator\n"
    "  --demo-guest DIR      files of the demo guest's template (DIR/guests/demo of the state directory)\n"
    "  --config FILE         read options from FILE\n"
    "  --authentication KIND passwd (the file DIR/passwd) or pam (DIR/passwd when it is there, else PAM)\n"
    "  --pam-dir DIR         where PAM finds the service xapid (the system's)\n"
    "  --plugin-dir DIR      programs that host.call_plugin runs (" XAPID_SYSCONFDIR "/xapi.d/plugins)\n"
    "  --login-delay-ms N    how long a failed login takes (5000)\n"
    "  --foreground          stay in the foreground and log to standard error\n"
    "  --set-password USER   set the password of USER to the line on standard input, and exit\n"
    "  --version, --help\n";

enum option_kind { TEXT, NUMBER, FLAG };

/* Every setting, by its name on the command line and in the file. */
struct setting {
    const char *name;
    enum option_kind kind;
    size_t offset;
};
#define SETTING(name, kind, member)                        \
    {                                                      \
        name, kind, offsetof(struct xapid_options, member) \
    }
static const struct setting settings[] = {
    SETTING("state-dir", TEXT, state_dir),
    SETTING("address", TEXT, address),
    SETTING("port", NUMBER, port),
    SETTING("http-port", NUMBER, http_port),
    SETTING("metrics", FLAG, metrics),
    SETTING("unix-socket", TEXT, unix_socket),
    SETTING("hypervisor", TEXT, hypervisor),
    SETTING("sim-script", TEXT, sim_script),
    SETTING("config", TEXT, config),
    SETTING("login-delay-ms", NUMBER, login_delay_ms),
    SETTING("demo-guest", TEXT, demo_guest),
    SETTING("fault-at", TEXT, fault_at),
    SETTING("authentication", TEXT, authentication),
    SETTING("pam-dir", TEXT, pam_dir),
    SETTING("plugin-dir", TEXT, plugin_dir),
    SETTING("foreground", FLAG, foreground),
    SETTING("set-password", TEXT, password_user),
};
enum { N_SETTINGS = sizeof settings / sizeof settings[0] };

static int set_number(int *at, const char *name, const char *text, struct err *e)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || *end || end == text || n < 0 || n > 1000 * 1000 * 1000)
        return err_internal(e, "%s wants a number, not '%s'", name, text);
    *at = (int)n;
    return 0;
}

/* text is kept by reference. */
static int apply(struct xapid_options *o, const struct setting *s, const char *text, struct err *e)
{
    void *at = (char *)o + s->offset;
    switch (s->kind) {
    case TEXT:
        *(const char **)at = text;
        return 0;
    case NUMBER:
        return set_number(at, s->name, text, e);
    case FLAG:
        *(bool *)at = true;
        return 0;
    }
    return 0;
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

/* Texts from the file, which live as long as the process. */
static char *file_texts[N_SETTINGS];

static int apply_from_file(struct xapid_options *o, unsigned which, const char *text, struct err *e)
{
    free(file_texts[which]);
    file_texts[which] = mem_strdup(text);
    return apply(o, &settings[which], file_texts[which], e);
}

static int apply_line(struct xapid_options *o, char *line, const char *path, struct err *e)
{
    line[strcspn(line, "#")] = '\0';
    char *key = trim(line);
    if (!*key)
        return 0;
    char *equals = strchr(key, '=');
    if (!equals)
        return err_internal(e, "%s: '%s' is not of the form key = value", path, key);
    *equals = '\0';
    key = trim(key);
    for (unsigned i = 0; i < N_SETTINGS; i++)
        if (strcmp(settings[i].name, key) == 0)
            return apply_from_file(o, i, trim(equals + 1), e);
    return err_internal(e, "%s: there is no setting '%s'", path, key);
}

static int read_file(struct xapid_options *o, const char *path, struct err *e)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return err_errno(e, -errno, "opening %s", path);
    char line[1024];
    int r = 0;
    while (r == 0 && fgets(line, sizeof line, f))
        r = apply_line(o, line, path, e);
    fclose(f);
    return r;
}

/* ---- the command line ---- */

enum { OPTION_HELP = N_SETTINGS, OPTION_VERSION };

static void fill_long_options(struct option *options)
{
    for (unsigned i = 0; i < N_SETTINGS; i++)
        options[i] = (struct option){
            settings[i].name, settings[i].kind == FLAG ? no_argument : required_argument, NULL, (int)i};
    options[OPTION_HELP] = (struct option){"help", no_argument, NULL, OPTION_HELP};
    options[OPTION_VERSION] = (struct option){"version", no_argument, NULL, OPTION_VERSION};
    options[OPTION_VERSION + 1] = (struct option){0};
}

/* Apply the command line; with only_config, nothing of it but --config. */
static int read_arguments(int argc, char **argv, bool only_config, struct xapid_options *o,
                          enum options_action *action, struct err *e)
{
    struct option options[OPTION_VERSION + 2];
    fill_long_options(options);
    int which;
    optind = 1;
    opterr = 0;
    while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (which == OPTION_HELP || which == OPTION_VERSION) {
            fputs(which == OPTION_HELP ? usage : PACKAGE_STRING "\n", stdout);
            *action = OPTIONS_DONE;
            return 0;
        }
        if (which < 0 || which >= N_SETTINGS)
            return err_internal(e, "unknown option or missing value: %s (see --help)", argv[optind - 1]);
        bool is_config = strcmp(settings[which].name, "config") == 0;
        if ((!only_config || is_config) && apply(o, &settings[which], optarg, e) < 0)
            return -1;
    }
    return optind < argc ? err_internal(e, "unexpected argument: %s", argv[optind]) : 0;
}

static int check(const struct xapid_options *o, struct err *e)
{
    if (!o->state_dir)
        return err_internal(e, "--state-dir is needed (see --help)");
    const char *how = o->authentication;
    if (how && strcmp(how, "passwd") != 0 && strcmp(how, "pam") != 0)
        return err_internal(e, "authentication is passwd or pam, not '%s'", how);
    if (o->port > UINT16_MAX || o->http_port > UINT16_MAX)
        return err_internal(e, "a port is at most 65535");
    return 0;
}

int options_read(int argc, char **argv, struct xapid_options *ret, enum options_action *ret_action,
                 struct err *e)
{
    *ret = (struct xapid_options){
        .address = "127.0.0.1", .port = 443, .http_port = -1, .hypervisor = "qemu", .login_delay_ms = 5000};
    *ret_action = OPTIONS_RUN;
    if (read_arguments(argc, argv, true, ret, ret_action, e) < 0)
        return -1;
    if (*ret_action == OPTIONS_DONE)
        return 0;
    if (ret->config && read_file(ret, ret->config, e) < 0)
        return -1;
    if (read_arguments(argc, argv, false, ret, ret_action, e) < 0 || check(ret, e) < 0)
        return -1;
    if (ret->password_user)
        *ret_action = OPTIONS_SET_PASSWORD;
    return 0;
}
