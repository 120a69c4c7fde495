/*
 * The command line of xe: the bytes are words, one a line; what is behind a line of a single dot is
 * XE_EXTRA_ARGS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "lib/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "xe/args.h"
#include "xe/cmd/provision.h"
#include "rpc/url.h"
#include "xe/options.h"

/* Use every value in every way that commands do. */
static void use_args(void *ctx, const struct args *a)
{
    for (unsigned i = 0; i < a->n; i++) {
        CLEANUP_ERR struct err b = {0}, n = {0}, s = {0};
        const char *key = a->arg[i].key, *value = args_get(a, key);
        struct url url;
        unsigned count;
        int64_t number;
        bool truth;

        if (!value)
            abort();
        args_get_bool(a, key, false, &truth, &b);
        args_get_int(a, key, 0, &number, &n);
        if (args_get_size(a, key, 0, &number, &s) == 0 && number < 0)
            abort();
        args_get_map(ctx, a, key, &count);
        args_is_common(key);
        text_split(ctx, value, ',', &count);
        provision_with_sr(ctx, value, "sr");
        url_parse(ctx, value, &url);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    CLEANUP_ERR struct err e = {0};
    char *text = talloc_strndup(ctx, (const char *)data, size), *extra = strstr(text, "\n.\n"), *rest = NULL;
    const char **words = talloc_zero_array(ctx, const char *, size + 2);
    struct xe_environment env = {.extra_args = extra ? extra + 3 : NULL};
    FILE *nowhere = fopen("/dev/null", "w");
    struct xe_options options;
    struct args args;
    unsigned n = 0;

    if (extra)
        *extra = '\0';
    for (char *word = strtok_r(text, "\n", &rest); word; word = strtok_r(NULL, "\n", &rest))
        if (strstr(word, "pwf") == NULL && strstr(word, "passwordfile") == NULL)
            words[n++] = word;
    if (env.extra_args && (strstr(env.extra_args, "pwf") || strstr(env.extra_args, "passwordfile")))
        env.extra_args = NULL;
    if (nowhere && options_read(ctx, words, n, &env, nowhere, &options) == OPTIONS_RUN &&
        args_parse(ctx, options.args, options.n_args, &args, &e) == 0)
        use_args(ctx, &args);
    if (nowhere)
        fclose(nowhere);
    return 0;
}
