/* Where a machine's clock is set from: chrony's files or systemd-timesyncd's, whichever is installed. */
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "model/errors.gen.h"
#include "pool/machine.h"

#define CHRONY_CONF "/etc/chrony/chrony.conf"
#define CHRONY_SOURCES "/etc/chrony/sources.d/xapid.sources"
#define TIMESYNCD "/lib/systemd/systemd-timesyncd"
#define TIMESYNCD_FILE "/etc/systemd/timesyncd.conf.d/xapid.conf"
#define MARK "#xapid# " /* before lines of chrony.conf that a mode sets aside */

enum { SERVERS_MAX = 64 };

/* What a mode takes its servers from. */
struct ntp_wish {
    bool enabled, preset, dhcp;
    const char *servers; /* names with a space between them; "" for none */
};

static int read_wish(const struct map *values, struct ntp_wish *ret, struct err *e)
{
    const char *mode = map_get(values, "mode"), *servers = map_get(values, "servers");
    CLEANUP_TALLOC char *copy = talloc_strdup(NULL, servers ? servers : "");
    unsigned n = 0;
    char *rest;
    mode = mode ? mode : "";
    bool custom = strcmp(mode, "Custom") == 0;
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest), n++)
        if (!machine_is_host(word) || n == SERVERS_MAX)
            return err_invalid_value(e, "ntp_custom_servers", word);
    if (custom && n == 0)
        return err_invalid_ntp_config(e, "the mode is Custom and ntp_custom_servers is empty");
    *ret = (struct ntp_wish){.enabled = strcmp(mode, "Disabled") != 0,
                             .preset = strcmp(mode, "Factory") == 0,
                             .dhcp = strcmp(mode, "DHCP") == 0,
                             .servers = custom ? servers : ""};
    return 0;
}

static bool begins(const char *line, const char *word)
{
    size_t n = strlen(word);
    return strncmp(line, word, n) == 0 && (line[n] == ' ' || line[n] == '\t');
}

/* ---- chrony ---- */

/* Is this a line that the mode does without? */
static bool is_set_aside(const char *line, const struct ntp_wish *wish)
{
    line += strspn(line, " \t");
    if (begins(line, "pool") || begins(line, "server") || begins(line, "peer"))
        return !wish->preset;
    return begins(line, "sourcedir") && strstr(line, "dhcp") && !wish->dhcp && !wish->preset;
}

static char *edit_chrony_conf(void *ctx, char *text, const struct ntp_wish *wish)
{
    char *edited = talloc_strdup(ctx, ""), *next;
    for (char *line = text; *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = '\0';
        if (strncmp(line, MARK, strlen(MARK)) == 0)
            line += strlen(MARK);
        edited = talloc_asprintf_append_buffer(edited, "%s%s\n", is_set_aside(line, wish) ? MARK : "", line);
    }
    return edited;
}

static char *chrony_sources(void *ctx, const char *servers)
{
    char *text = talloc_strdup(ctx, "# Written by xapid: ntp_custom_servers\n");
    char *copy = talloc_strdup(ctx, servers), *rest;
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        text = talloc_asprintf_append_buffer(text, "server %s iburst\n", word);
    return text;
}

static int co_write_chrony(struct agent *a, void *mem, const struct ntp_wish *wish, struct err *e)
{
    char *conf;
    if (co_machine_read(a, mem, CHRONY_CONF, &conf, e) < 0 ||
        co_machine_write(a, CHRONY_SOURCES, *wish->servers ? chrony_sources(mem, wish->servers) : NULL, e) <
            0)
        return -1;
    return co_machine_write(a, CHRONY_CONF, edit_chrony_conf(mem, conf, wish), e);
}

/* ---- systemd-timesyncd ---- */

/* Servers of the network, which DHCP announces, are used where NTP= names none; FallbackNTP= are the preset
 * ones. */
static int co_write_timesyncd(struct agent *a, void *mem, const struct ntp_wish *wish, struct err *e)
{
    char *text = talloc_asprintf(mem, "# Written by xapid: host.set_ntp_mode\n[Time]\nNTP=%s\nFallbackNTP=\n",
                                 wish->servers);
    return co_machine_write(a, TIMESYNCD_FILE, wish->preset ? NULL : text, e);
}

/* ---- either ---- */

/* The service that is installed; NULL for none. */
static const char *service_of(const struct agent *a)
{
    return machine_has(a, CHRONY_CONF)                                     ? "chrony"
           : machine_has(a, TIMESYNCD) || machine_has(a, "/usr" TIMESYNCD) ? "systemd-timesyncd"
                                                                           : NULL;
}

static int co_systemctl(const char *verb, const char *now, const char *service, struct err *e)
{
    const char *const argv[] = {"systemctl", verb, now ? now : service, now ? service : NULL, NULL};
    return co_machine_run(argv, NULL, NULL, e);
}

int co_machine_set_ntp(struct agent *a, const struct map *values, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    const char *service = service_of(a);
    struct ntp_wish wish = {0};
    if (read_wish(values, &wish, e) < 0)
        return -1;
    if (!service)
        return wish.enabled ? err_invalid_ntp_config(e, "neither chrony nor systemd-timesyncd is installed")
                            : 0;
    if (!wish.enabled)
        return co_systemctl("disable", "--now", service, e);
    if ((strcmp(service, "chrony") == 0 ? co_write_chrony(a, mem, &wish, e)
                                        : co_write_timesyncd(a, mem, &wish, e)) < 0)
        return -1;
    return co_systemctl("enable", NULL, service, e) < 0 ? -1 : co_systemctl("restart", NULL, service, e);
}

/* What chronyc marks its sources with. */
static const char *chrony_state(char mark)
{
    switch (mark) {
    case '*':
        return "synced";
    case '+':
        return "combined";
    case '-':
        return "uncombined";
    case 'x':
        return "error";
    case '~':
        return "variable";
    case '?':
        return "unreachable";
    default:
        return "unknown";
    }
}

/* Lines "MODE,STATE,NAME,...", of servers where MODE is ^. */
static int co_ask_chrony(void *ctx, struct map **ret, struct err *e)
{
    static const char *const argv[] = {"chronyc", "-c", "-N", "sources", NULL};
    char *out, *rest;
    if (co_machine_run(argv, ctx, &out, e) < 0)
        return -1;
    for (char *line = strtok_r(out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strlen(line) < 5 || line[0] != '^' || line[1] != ',' || line[3] != ',')
            continue;
        line[4 + strcspn(line + 4, ",")] = '\0';
        *ret = map_with(ctx, *ret, line + 4, chrony_state(line[2]));
    }
    return 0;
}

/* One server at a time, which is followed once an answer has come. */
static int co_ask_timesyncd(void *ctx, struct map **ret, struct err *e)
{
    static const char *const argv[] = {"timedatectl", "show-timesync", NULL};
    char *out, *rest, *server = NULL;
    bool heard = false;
    if (co_machine_run(argv, ctx, &out, e) < 0)
        return -1;
    for (char *line = strtok_r(out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "ServerName=", 11) == 0)
            server = line + 11;
        heard = heard || strncmp(line, "NTPMessage=", 11) == 0;
    }
    if (server && *server)
        *ret = map_with(ctx, NULL, server, heard ? "synced" : "unreachable");
    return 0;
}

int co_machine_get_ntp(struct agent *a, void *ctx, struct map **ret, struct err *e)
{
    const char *service = service_of(a);
    if (!service)
        return 0;
    return strcmp(service, "chrony") == 0 ? co_ask_chrony(ctx, ret, e) : co_ask_timesyncd(ctx, ret, e);
}
