#include "xe/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/cleanup.h"
#include "lib/mem.h"

enum option {
    OPT_SERVER,
    OPT_PORT,
    OPT_USER,
    OPT_PASSWORD,
    OPT_PASSWORD_FILE,
    OPT_NOSSL,
    OPT_DEBUG,
    OPT_DEBUG_ON_FAIL,
    OPT_TRACEPARENT,
};

static const struct option_name {
    enum option option;
    const char *key;   /* key=value */
    const char *dash;  /* with a value after it, or */
    const char *dash2; /* the same by another name */
    bool is_switch;    /* no value: "true" */
} option_names[] = {
    {OPT_SERVER, "server", "-s", "-h", false},
    {OPT_PORT, "port", "-p", NULL, false},
    {OPT_USER, "username", "-u", NULL, false},
    {OPT_PASSWORD, "password", "-pw", NULL, false},
    {OPT_PASSWORD_FILE, "passwordfile", "-pwf", NULL, false},
    {OPT_NOSSL, "nossl", "--nossl", NULL, true},
    {OPT_DEBUG, "debug", "--debug", NULL, true},
    {OPT_DEBUG_ON_FAIL, "debugonfail", "--debug-on-fail", NULL, true},
    {OPT_TRACEPARENT, "traceparent", "--traceparent", NULL, false},
};

struct reader {
    void *ctx;
    struct xe_options *o;
    FILE *messages;
    enum options_result result;
};

static void take_port(struct reader *r, const char *value)
{
    char *end;
    long port;

    errno = 0;
    port = strtol(value, &end, 10);
    if (*value == '\0' || *end != '\0' || errno || port < 0 || port > 65535) {
        fprintf(r->messages, "The port must be a number from 0 to 65535, not '%s'.\n", value);
        r->result = OPTIONS_USAGE;
        return;
    }
    r->o->port = (int)port;
}

static bool take_bool(struct reader *r, const char *key, const char *value)
{
    if (strcmp(value, "true") == 0)
        return true;
    if (strcmp(value, "false") != 0) {
        fprintf(r->messages, "%s must be true or false, not '%s'.\n", key, value);
        r->result = OPTIONS_USAGE;
    }
    return false;
}

/* The next line of f without its end, on ctx; NULL at the end. */
static char *read_line(void *ctx, FILE *f)
{
    char *line = NULL, *copy = NULL;
    size_t size = 0;
    ssize_t n = getline(&line, &size, f);

    if (n >= 0) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = '\0';
        copy = talloc_strdup(ctx, line);
    }
    free(line);
    return copy;
}

/* The first line of the file is the user, the second the password. */
static void take_password_file(struct reader *r, const char *path)
{
    FILE *f = fopen(path, "re");
    char *user = f ? read_line(r->ctx, f) : NULL;
    char *password = user ? read_line(r->ctx, f) : NULL;

    if (f)
        fclose(f);
    if (!password) {
        fprintf(r->messages, "Cannot read user and password from %s: %s\n", path,
                f ? "two lines are wanted" : strerror(errno));
        r->result = OPTIONS_UNREADABLE;
        return;
    }
    r->o->user = user;
    r->o->password = password;
}

/* "[::1]" is ::1. */
static const char *without_brackets(void *ctx, const char *host)
{
    size_t n = strlen(host);

    if (n >= 2 && host[0] == '[' && host[n - 1] == ']')
        return talloc_strndup(ctx, host + 1, n - 2);
    return host;
}

static void take_option(struct reader *r, const struct option_name *name, const char *value)
{
    switch (name->option) {
    case OPT_SERVER:
        r->o->server = without_brackets(r->ctx, value);
        break;
    case OPT_PORT:
        take_port(r, value);
        break;
    case OPT_USER:
        r->o->user = value;
        break;
    case OPT_PASSWORD:
        r->o->password = value;
        break;
    case OPT_PASSWORD_FILE:
        take_password_file(r, value);
        break;
    case OPT_NOSSL:
        r->o->nossl = take_bool(r, name->key, value);
        break;
    case OPT_DEBUG:
        r->o->debug = take_bool(r, name->key, value);
        break;
    case OPT_DEBUG_ON_FAIL:
        r->o->debug_on_fail = take_bool(r, name->key, value);
        break;
    case OPT_TRACEPARENT:
        r->o->traceparent = value;
        break;
    }
}

/* The option that word is, and its value; *ret_used words were taken. NULL when it is for the command. */
static const struct option_name *find_option(const char *word, const char *next, const char **ret_value,
                                             unsigned *ret_used)
{
    const char *equals = strchr(word, '=');

    for (unsigned i = 0; i < sizeof(option_names) / sizeof(option_names[0]); i++) {
        const struct option_name *o = &option_names[i];
        bool dash = strcmp(word, o->dash) == 0 || (o->dash2 && strcmp(word, o->dash2) == 0);

        if (equals && strncmp(word, o->key, (size_t)(equals - word)) == 0 && o->key[equals - word] == '\0') {
            *ret_value = equals + 1;
            *ret_used = 1;
            return o;
        }
        if (dash && (o->is_switch || next)) {
            *ret_value = o->is_switch ? "true" : next;
            *ret_used = o->is_switch ? 1 : 2;
            return o;
        }
    }
    return NULL;
}

/* Take the options out of n words; the rest joins rest. */
static void read_words(struct reader *r, const char *const *words, unsigned n, const char **rest,
                       unsigned *ret_rest)
{
    unsigned used = 1;

    for (unsigned i = 0; i < n; i += used) {
        const char *value;
        const struct option_name *o = find_option(words[i], i + 1 < n ? words[i + 1] : NULL, &value, &used);

        if (o) {
            take_option(r, o, value);
            continue;
        }
        used = 1;
        rest[(*ret_rest)++] = words[i];
    }
}

/* Split XE_EXTRA_ARGS at its commas. */
char **options_split_extra(void *ctx, const char *text)
{
    char **words = talloc_zero_array(ctx, char *, strlen(text) + 2);
    char *word = talloc_zero_size(words, strlen(text) + 1);
    unsigned n = 0;
    size_t len = 0;

    if (!words || !word)
        mem_abort();
    for (const char *p = text;; p++) {
        if (p[0] == '\\' && p[1] == ',') {
            word[len++] = ',';
            p++;
        } else if (*p == ',' || *p == '\0') {
            if (len > 0)
                words[n++] = talloc_strndup(words, word, len);
            len = 0;
            if (*p == '\0')
                return words;
        } else if (*p != '\\') {
            word[len++] = *p;
        }
    }
}

/* The lines of HOME/.xe; empty when there is none or a line is not key=value. NULL-terminated. */
static char **read_rc(void *ctx, const char *home, FILE *messages)
{
    char **words = talloc_zero_array(ctx, char *, 1);
    CLEANUP_FREE char *path = NULL;
    unsigned n = 0;
    FILE *f;
    char *line;

    if (!words || !home || asprintf(&path, "%s/.xe", home) < 0 || !(f = fopen(path, "re")))
        return words;
    while ((line = read_line(words, f)) != NULL) {
        if (*line == '\0')
            continue;
        if (!strchr(line, '=')) {
            fprintf(messages, "Ignoring %s: '%s' is not key=value.\n", path, line);
            n = 0;
            break;
        }
        words = talloc_realloc(ctx, words, char *, n + 2);
        words[n++] = line;
    }
    words[n] = NULL;
    fclose(f);
    return words;
}

static unsigned count_words(char *const *words)
{
    unsigned n = 0;

    while (words[n])
        n++;
    return n;
}

static bool has_word(const char *const *words, unsigned n, const char *a, const char *b)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(words[i], a) == 0 || strcmp(words[i], b) == 0)
            return true;
    return false;
}

/* Read everything. */
enum options_result options_read(void *ctx, const char *const *argv, unsigned argc,
                                 const struct xe_environment *env, FILE *messages, struct xe_options *ret)
{
    struct reader r = {.ctx = ctx, .o = ret, .messages = messages, .result = OPTIONS_RUN};
    char **extra = options_split_extra(ctx, env->extra_args ? env->extra_args : "");
    char **rc = read_rc(ctx, env->home, messages);
    unsigned n_extra = count_words(extra), n_rc = count_words(rc), n_weak = 0;
    const char **weak = talloc_zero_array(ctx, const char *, n_extra + n_rc + 1), **weak_rc;

    *ret = (struct xe_options){.server = "127.0.0.1", .port = -1, .user = "root", .password = "null"};
    ret->baggage = env->baggage;
    ret->args = talloc_zero_array(ctx, const char *, argc + n_extra + n_rc + 1);
    if (!weak || !ret->args)
        mem_abort();
    if (argc == 0 || has_word(argv, argc, "-help", "--help"))
        return OPTIONS_USAGE;
    if (has_word(argv, argc, "-version", "--version"))
        return OPTIONS_VERSION;

    /* The weakest first, so that the stronger overwrite; what is left goes behind the command line's. */
    weak_rc = weak + n_extra;
    unsigned n_weak_rc = 0;
    read_words(&r, (const char *const *)rc, n_rc, weak_rc, &n_weak_rc);
    read_words(&r, (const char *const *)extra, n_extra, weak, &n_weak);
    if (env->traceparent)
        ret->traceparent = env->traceparent;
    read_words(&r, argv, argc, ret->args, &ret->n_args);
    for (unsigned i = 0; i < n_weak; i++)
        ret->args[ret->n_args++] = weak[i];
    for (unsigned i = 0; i < n_weak_rc; i++)
        ret->args[ret->n_args++] = weak_rc[i];
    return r.result;
}
