#include "xapid/event/token.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "model/errors.gen.h"

void event_token_format(uint64_t generation, char text[EVENT_TOKEN_SIZE])
{
    snprintf(text, EVENT_TOKEN_SIZE, "%020" PRIu64 ",%020" PRIu64, generation, generation);
}

/* One to twenty digits up to `end`. */
static bool parse_number(const char *text, const char *end, uint64_t *ret)
{
    uint64_t n = 0;
    if (text == end || end - text > 20)
        return false;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return false;
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
            return false;
    }
    *ret = n;
    return true;
}

int event_token_parse(const char *text, uint64_t *ret, struct err *e)
{
    *ret = 0;
    if (!*text)
        return 0;
    uint64_t database, messages;
    const char *comma = strchr(text, ',');
    if (!comma || !parse_number(text, comma, &database) ||
        !parse_number(comma + 1, text + strlen(text), &messages))
        return err_event_from_token_parse_failure(e, text);
    *ret = database < messages ? database : messages;
    return 0;
}
