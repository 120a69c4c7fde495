#include "hv/schedule.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/errors.gen.h"

#define WEIGHT_MAX 65535
#define CAP_MAX (100U * CPU_SETSIZE)

static int refuse(struct err *e, const char *key, const char *value)
{
    char field[64];

    snprintf(field, sizeof field, "VCPUs_params:%s", key);
    return err_invalid_value(e, field, value);
}

/* Digits only, below 2^31; false when there are none or too many. */
static bool take_number(const char **at, unsigned *ret)
{
    const char *begin = *at;
    unsigned long n = 0;

    while (**at >= '0' && **at <= '9' && *at - begin < 9)
        n = n * 10 + (unsigned long)(*(*at)++ - '0');
    *ret = (unsigned)n;
    return *at > begin;
}

static int read_number(const struct map *m, const char *key, unsigned min, unsigned max, unsigned *value,
                       struct err *e)
{
    const char *text = map_get(m, key), *at = text;

    if (!text)
        return 0;
    if (!take_number(&at, value) || *at || *value < min || *value > max)
        return refuse(e, key, text);
    return 0;
}

static bool parse_mask(const char *at, cpu_set_t *ret)
{
    unsigned first, last;

    CPU_ZERO(ret);
    for (;; at++) {
        if (!take_number(&at, &first))
            return false;
        last = first;
        if (*at == '-' && (at++, !take_number(&at, &last)))
            return false;
        if (last < first || last >= CPU_SETSIZE)
            return false;
        for (unsigned i = first; i <= last; i++)
            CPU_SET(i, ret);
        if (*at != ',')
            return *at == '\0';
    }
}

int hv_schedule_read(const struct map *params, struct hv_schedule *ret, struct err *e)
{
    struct hv_schedule s = {.weight = HV_WEIGHT_DEFAULT};
    const char *mask = map_get(params, "mask");

    if (read_number(params, "weight", 1, WEIGHT_MAX, &s.weight, e) < 0 ||
        read_number(params, "cap", 0, CAP_MAX, &s.cap, e) < 0)
        return -1;
    s.masked = mask && mask[0];
    if (s.masked && !parse_mask(mask, &s.mask))
        return refuse(e, "mask", mask);
    *ret = s;
    return 0;
}
