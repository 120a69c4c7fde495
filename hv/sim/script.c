#include "hv/sim/script.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 200
#define DELAY_MAX_NS (24LL * 3600 * 1000000000)

static const char *const op_names[SIM_OP_COUNT] = {
    [SIM_START] = "start",       [SIM_PAUSE] = "pause",     [SIM_UNPAUSE] = "unpause",
    [SIM_SHUTDOWN] = "shutdown", [SIM_REBOOT] = "reboot",   [SIM_STOP] = "stop",
    [SIM_RESET] = "reset",       [SIM_TRIGGER] = "trigger", [SIM_PROCESSORS] = "processors",
    [SIM_MEMORY] = "memory",     [SIM_ADOPT] = "adopt",     [SIM_PLUG] = "plug",
    [SIM_UNPLUG] = "unplug",     [SIM_INSERT] = "insert",   [SIM_EJECT] = "eject",
    [SIM_LOOK] = "look",         [SIM_SAVE] = "save",       [SIM_DUMP] = "dump",
    [SIM_FOLLOW] = "follow",     [SIM_RECEIVE] = "receive", [SIM_MOVE] = "move",
    [SIM_SWITCH] = "switch",     [SIM_FINISH] = "finish",   [SIM_ACCEPT] = "accept",
    [SIM_DRAIN] = "drain",       [SIM_CANCEL] = "cancel",   [SIM_AGENT] = "agent",
    [SIM_LIFE] = "life",         [SIM_MIRROR] = "mirror",   [SIM_SETTLE] = "settle",
    [SIM_GROW] = "grow",
};

const char *sim_op_name(enum sim_op op)
{
    return op_names[op];
}

/* ---- numbers ---- */

/* A number with one of the units; false when it is anything else. */
struct unit {
    const char *name;
    double factor;
};

static bool read_with_unit(const char **text, const struct unit *units, size_t n, int64_t max, int64_t *ret)
{
    char *end;
    double value;
    size_t letters;

    if (**text < '0' || **text > '9')
        return false;
    value = strtod(*text, &end);
    letters = strspn(end, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    for (size_t i = 0; i < n; i++) {
        if (strlen(units[i].name) != letters || strncmp(units[i].name, end, letters) != 0)
            continue;
        value *= units[i].factor;
        if (!(value >= 0 && value <= (double)max))
            return false;
        *ret = (int64_t)value;
        *text = end + letters;
        return true;
    }
    return false;
}

static bool read_duration(const char **text, int64_t *ret)
{
    static const struct unit units[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}};

    return read_with_unit(text, units, 4, DELAY_MAX_NS, ret);
}

static bool read_size(const char *text, int64_t *ret)
{
    static const struct unit units[] = {{"MiB", 1048576.0}, {"GiB", 1073741824.0}};

    return read_with_unit(&text, units, 2, INT64_MAX / 2, ret) && *text == '\0';
}

static bool read_count(const char **text, uint32_t *ret)
{
    char *end;
    unsigned long n;

    if (**text < '0' || **text > '9')
        return false;
    n = strtoul(*text, &end, 10);
    *text = end;
    *ret = (uint32_t)n;
    return n > 0 && n <= UINT32_MAX;
}

/* ---- values ---- */

/* "5ms" or "5ms..20ms". */
static bool parse_delay(struct sim_rule *r, const char *value)
{
    if (!read_duration(&value, &r->delay_min))
        return false;
    r->delay_max = r->delay_min;
    if (strncmp(value, "..", 2) == 0) {
        value += 2;
        if (!read_duration(&value, &r->delay_max))
            return false;
    }
    return *value == '\0' && r->delay_max >= r->delay_min;
}

/* "always", "every:7", "3", "3,5,8". */
static bool parse_when(struct sim_when *w, const char *value)
{
    *w = (struct sim_when){0};
    if (strcmp(value, "always") == 0) {
        w->always = true;
        return true;
    }
    if (strncmp(value, "every:", 6) == 0) {
        value += 6;
        return read_count(&value, &w->every) && *value == '\0';
    }
    for (;;) {
        if (w->n == sizeof w->nth / sizeof *w->nth || !read_count(&value, &w->nth[w->n]))
            return false;
        w->n++;
        if (*value != ',')
            return *value == '\0';
        value++;
    }
}

static bool parse_error(struct sim_rule *r, const char *value)
{
    size_t n = strlen(value);

    if (n == 0 || n >= sizeof r->error || strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") != n)
        return false;
    memcpy(r->error, value, n + 1);
    return true;
}

static bool parse_end(struct sim_rule *r, const char *value)
{
    static const char *const names[] = {"shutdown", "reboot", "crash", "killed"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(value, names[i]) == 0) {
            r->end = (enum sim_end)i;
            return true;
        }
    }
    return false;
}

static bool parse_rule_value(struct sim_rule *r, enum sim_op op, const char *key, const char *value)
{
    if (strcmp(key, "delay") == 0)
        return parse_delay(r, value);
    if (strcmp(key, "fail") == 0 && op < SIM_AGENT)
        return parse_when(&r->fail, value);
    if (strcmp(key, "hang") == 0 && op < SIM_AGENT)
        return parse_when(&r->hang, value);
    if (strcmp(key, "error") == 0 && op < SIM_AGENT)
        return parse_error(r, value);
    if (strcmp(key, "off") == 0 && (op == SIM_AGENT || op == SIM_MEMORY))
        return parse_when(&r->off, value);
    if (strcmp(key, "when") == 0 && op == SIM_LIFE)
        return parse_when(&r->happens, value);
    return strcmp(key, "end") == 0 && op == SIM_LIFE && parse_end(r, value);
}

static bool parse_host_value(struct sim_script *s, const char *key, const char *value)
{
    uint32_t n;

    if (strcmp(key, "memory") == 0)
        return read_size(value, &s->memory);
    if (!read_count(&value, &n) || *value != '\0')
        return false;
    if (strcmp(key, "cpus") == 0)
        s->cpus = n;
    else if (strcmp(key, "seed") == 0)
        s->random = n;
    else
        return false;
    return true;
}

/* ---- lines ---- */

/* Copy the next word and step over it; false at the end of the line, or when it is too long (word is then
 * ""). */
static bool next_word(const char **line, char word[WORD_MAX])
{
    size_t n;

    *line += strspn(*line, " \t\r");
    n = strcspn(*line, " \t\r\n");
    word[0] = '\0';
    if (n == 0 || **line == '#')
        return false;
    if (n < WORD_MAX) {
        memcpy(word, *line, n);
        word[n] = '\0';
    }
    *line += n;
    return true;
}

/* -1 for "host", -2 for no word of the language. */
static int subject_of(const char *word)
{
    for (int op = 0; op < SIM_OP_COUNT; op++)
        if (strcmp(word, op_names[op]) == 0)
            return op;
    return strcmp(word, "host") == 0 ? -1 : -2;
}

static bool parse_line(struct sim_script *s, const char *line)
{
    char word[WORD_MAX];
    int subject;

    if (!next_word(&line, word))
        return true;
    subject = subject_of(word);
    while (subject > -2 && next_word(&line, word)) {
        char *value = strchr(word, '=');

        if (!value)
            return false;
        *value++ = '\0';
        if (subject == -1 ? !parse_host_value(s, word, value)
                          : !parse_rule_value(&s->rules[subject], (enum sim_op)subject, word, value))
            return false;
    }
    return subject > -2;
}

static void set_defaults(struct sim_script *s)
{
    *s = (struct sim_script){.random = 1, .cpus = 64, .memory = 1LL << 40};
    for (int op = 0; op < SIM_OP_COUNT; op++)
        strcpy(s->rules[op].error, "INTERNAL_ERROR");
}

int sim_script_parse(struct sim_script *s, const char *text, struct err *e)
{
    unsigned number = 1;

    set_defaults(s);
    for (const char *line = text; line && *line; number++) {
        if (!parse_line(s, line))
            return err_internal(e, "simulator script, line %u: %.*s", number, (int)strcspn(line, "\n"), line);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return 0;
}

/* ---- fate ---- */

static bool applies(const struct sim_when *w, uint32_t call)
{
    for (uint32_t i = 0; i < w->n; i++)
        if (w->nth[i] == call)
            return true;
    return w->always || (w->every > 0 && call % w->every == 0);
}

/* splitmix64: a step and a finalizer; any seed is good. */
static uint64_t next_random(struct sim_script *s)
{
    uint64_t z = s->random += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

struct sim_fate sim_script_next(struct sim_script *s, enum sim_op op)
{
    struct sim_rule *r = &s->rules[op];
    uint64_t width = (uint64_t)(r->delay_max - r->delay_min) + 1;
    uint32_t call = ++r->calls;

    return (struct sim_fate){
        .delay = r->delay_min + (int64_t)(width > 1 ? next_random(s) % width : 0),
        .fail = applies(&r->fail, call),
        .hang = applies(&r->hang, call),
        .off = applies(&r->off, call),
        .happens = applies(&r->happens, call),
    };
}

bool sim_script_is_off(const struct sim_script *s, enum sim_op op)
{
    return applies(&s->rules[op].off, s->rules[op].calls);
}
