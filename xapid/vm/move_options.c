#include "xapid/vm/move_options.h"
#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include "model/errors.gen.h"

static int read_flag(const struct map *options, const char *name, bool *ret, struct err *e)
{
    const char *text = map_get(options, name);

    *ret = text && (strcasecmp(text, "true") == 0 || strcasecmp(text, "1") == 0);
    if (!text || *ret || strcasecmp(text, "false") == 0 || strcasecmp(text, "0") == 0)
        return 0;
    return err_invalid_value(e, name, text);
}

static int read_number(const struct map *options, const char *name, int64_t limit, int64_t *ret,
                       struct err *e)
{
    const char *text = map_get(options, name);
    char *end = NULL;

    *ret = 0;
    if (!text)
        return 0;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || end == text || *end || n < 0 || n > limit)
        return err_invalid_value(e, name, text);
    *ret = n;
    return 0;
}

int move_options_read(const struct map *options, struct hv_passage_options *ret, struct err *e)
{
    int64_t bandwidth, downtime, channels;

    *ret = (struct hv_passage_options){0};
    if (read_flag(options, "compress", &ret->compress, e) < 0 ||
        read_flag(options, "auto_converge", &ret->auto_converge, e) < 0 ||
        read_flag(options, "post_copy", &ret->post_copy, e) < 0 ||
        read_number(options, "bandwidth", INT64_MAX, &bandwidth, e) < 0 ||
        read_number(options, "downtime", 3600 * 1000, &downtime, e) < 0 ||
        read_number(options, "channels", 64, &channels, e) < 0)
        return -1;
    ret->bandwidth = bandwidth;
    ret->downtime_ms = (unsigned)downtime;
    ret->channels = (unsigned)channels;
    return 0;
}
