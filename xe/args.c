#include "xe/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "lib/mem.h"
#include "xe/failure.h"

static const char *const common_keys[] = {"server", "password", "port", "username",         "minimal",
                                          "force",  "multiple", "all",  "message-priority", "trace"};

static const char *const short_options[] = {"-u", "-pw", "-s", "-h", "-p"};
static const char *const short_keys[] = {"username", "password", "server", "server", "port"};

/* True for the keys that are never filters, selectors or parameters to set. */
bool args_is_common(const char *key)
{
    for (unsigned i = 0; i < sizeof(common_keys) / sizeof(common_keys[0]); i++)
        if (strcmp(key, common_keys[i]) == 0)
            return true;
    return false;
}

/* The key that a short option stands for, or NULL. */
static const char *short_option_key(const char *word)
{
    for (unsigned i = 0; i < sizeof(short_options) / sizeof(short_options[0]); i++)
        if (strcmp(word, short_options[i]) == 0)
            return short_keys[i];
    return NULL;
}

static void add_arg(struct args *a, const char *key, const char *value)
{
    a->arg[a->n].key = key;
    a->arg[a->n++].value = value;
}

/* Read one word, and its successor when it is a short option's value; *ret_used says how many. */
static int parse_word(void *ctx, const char *word, const char *next, struct args *a, unsigned *ret_used,
                      struct err *e)
{
    const char *equals = strchr(word, '=');

    *ret_used = 1;
    if (word[0] == '-' && word[1] == '-') {
        add_arg(a, word + 2, "true");
    } else if (word[0] == '-') {
        const char *key = short_option_key(word);

        if (!key || !next)
            return err_set(e, FAIL_SYNTAX, 0);
        add_arg(a, key, next);
        *ret_used = 2;
    } else if (equals) {
        add_arg(a, talloc_strndup(ctx, word, (size_t)(equals - word)), equals + 1);
    } else {
        add_arg(a, word, "");
    }
    return 0;
}

static int parse_minimal(struct args *a, struct err *e)
{
    const char *text = args_get(a, "minimal");

    if (!text)
        return 0;
    a->minimal = strcmp(text, "true") == 0;
    if (!a->minimal && strcmp(text, "false") != 0)
        return fail_text(e, "minimal must be true or false, not '%s'", text);
    return 0;
}

/* Read words into *ret, on ctx. */
int args_parse(void *ctx, const char *const *words, unsigned n, struct args *ret, struct err *e)
{
    unsigned used;

    *ret = (struct args){0};
    ret->arg = talloc_zero_array(ctx, struct arg, n + 1);
    if (!ret->arg)
        mem_abort();
    if (n == 0 || strchr(words[0], '='))
        return err_set(e, FAIL_SYNTAX, 0);
    ret->command = words[0];
    for (unsigned i = 1; i < n; i += used)
        if (parse_word(ctx, words[i], i + 1 < n ? words[i + 1] : NULL, ret, &used, e) < 0)
            return -1;
    return parse_minimal(ret, e);
}

/* The value of key, or NULL. */
const char *args_get(const struct args *a, const char *key)
{
    for (unsigned i = 0; i < a->n; i++)
        if (strcmp(a->arg[i].key, key) == 0)
            return a->arg[i].value;
    return NULL;
}

/* The value of key, or otherwise. */
const char *args_get_or(const struct args *a, const char *key, const char *otherwise)
{
    const char *value = args_get(a, key);

    return value ? value : otherwise;
}

/* true, t, yes, y, 1 and false, f, no, n, 0 in any case. */
bool text_to_bool(const char *text, bool *ret)
{
    static const char *const yes[] = {"true", "t", "yes", "y", "1"}, *const no[] = {"false", "f", "no", "n",
                                                                                    "0"};

    for (unsigned i = 0; i < 5; i++)
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *ret = strcasecmp(text, yes[i]) == 0;
            return true;
        }
    return false;
}

/* A decimal number that fills the whole text. */
bool text_to_int(const char *text, int64_t *ret)
{
    char *end;
    long long n;

    if (*text != '-' && (*text < '0' || *text > '9'))
        return false;
    errno = 0;
    n = strtoll(text, &end, 10);
    if (errno || *end != '\0' || end == text)
        return false;
    *ret = n;
    return true;
}

/* The power of 1024 that a unit stands for, or -1. */
static int unit_power(const char *unit)
{
    static const char *const units[][3] = {
        {"b", "bytes", ""}, {"k", "kb", "kib"}, {"m", "mb", "mib"}, {"g", "gb", "gib"}, {"t", "tb", "tib"}};

    for (int power = 0; power < 5; power++)
        for (int i = 0; i < 3; i++)
            if (strcasecmp(unit, units[power][i]) == 0)
                return power;
    return -1;
}

/* A number of bytes, perhaps with a unit. */
bool text_to_size(const char *text, int64_t *ret)
{
    char *end;
    long long n;
    int power;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    n = strtoll(text, &end, 10);
    if (*end == ' ' && end[1] != '\0')
        end++;
    power = unit_power(end);
    if (errno || power < 0 || n > INT64_MAX >> (10 * power))
        return false;
    *ret = (int64_t)n << (10 * power);
    return true;
}

/* A truth value. */
int args_get_bool(const struct args *a, const char *key, bool otherwise, bool *ret, struct err *e)
{
    const char *text = args_get(a, key);

    *ret = otherwise;
    if (text && !text_to_bool(text, ret))
        return fail_text(e, "'%s' is not a truth value for %s; try true or false", text, key);
    return 0;
}

/* A whole number. */
int args_get_int(const struct args *a, const char *key, int64_t otherwise, int64_t *ret, struct err *e)
{
    const char *text = args_get(a, key);

    *ret = otherwise;
    if (text && !text_to_int(text, ret))
        return fail_text(e, "'%s' is not a whole number for %s", text, key);
    return 0;
}

/* A size with a unit. */
int args_get_size(const struct args *a, const char *key, int64_t otherwise, int64_t *ret, struct err *e)
{
    const char *text = args_get(a, key);

    *ret = otherwise;
    if (text && !text_to_size(text, ret))
        return fail_text(e, "'%s' is not a size for %s; try a number with B, KiB, MiB, GiB or TiB", text,
                         key);
    return 0;
}

/* True when key is part of the map argument name. */
bool args_in_map(const char *key, const char *name)
{
    size_t n = strlen(name);

    return strncmp(key, name, n) == 0 && key[n] != '\0' && key[n + 1] != '\0';
}

/* The members of a map argument. */
struct arg *args_get_map(void *ctx, const struct args *a, const char *name, unsigned *ret_n)
{
    struct arg *members = talloc_zero_array(ctx, struct arg, a->n + 1);
    unsigned n = 0;

    if (!members)
        mem_abort();
    for (unsigned i = 0; i < a->n; i++) {
        if (!args_in_map(a->arg[i].key, name))
            continue;
        members[n].key = a->arg[i].key + strlen(name) + 1;
        members[n++].value = a->arg[i].value;
    }
    *ret_n = n;
    return members;
}

/* The pieces of a list without the empty ones. */
const char **text_split(void *ctx, const char *text, char separator, unsigned *ret_n)
{
    const char **pieces = talloc_zero_array(ctx, const char *, strlen(text) / 2 + 2);
    unsigned n = 0;

    if (!pieces)
        mem_abort();
    while (*text) {
        const char *end = strchrnul(text, separator);

        if (end > text)
            pieces[n++] = talloc_strndup(pieces, text, (size_t)(end - text));
        text = *end ? end + 1 : end;
    }
    *ret_n = n;
    return pieces;
}
