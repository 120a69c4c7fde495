#include "xe/cmd/url.h"

#include <stdlib.h>
#include <string.h>
#include <talloc.h>

static bool parse_port(const char *text, const char *end, uint16_t *ret)
{
    unsigned long port = 0;

    if (text == end || end - text > 5)
        return false;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return false;
        port = 10 * port + (unsigned long)(*text - '0');
    }
    *ret = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX;
}

/* Read text into *ret. */
bool url_parse(void *ctx, const char *text, struct url *ret)
{
    const char *host, *end, *host_end, *authority_end;

    if (strncmp(text, "https://", 8) != 0 && strncmp(text, "http://", 7) != 0)
        return false;
    ret->tls = text[4] == 's';
    host = text + (ret->tls ? 8 : 7);
    authority_end = host + strcspn(host, "/?#");
    end = *host == '[' ? memchr(host, ']', (size_t)(authority_end - host)) : NULL;
    if (*host == '[' && !end)
        return false;
    host_end = end ? end + 1 : memchr(host, ':', (size_t)(authority_end - host));
    if (!host_end)
        host_end = authority_end;
    ret->port = ret->tls ? 443 : 80;
    if (host_end < authority_end &&
        (*host_end != ':' || !parse_port(host_end + 1, authority_end, &ret->port)))
        return false;
    ret->host = end ? talloc_strndup(ctx, host + 1, (size_t)(end - host - 1))
                    : talloc_strndup(ctx, host, (size_t)(host_end - host));
    ret->target = *authority_end == '/' ? talloc_strdup(ctx, authority_end)
                                        : talloc_asprintf(ctx, "/%s", authority_end);
    return *ret->host != '\0' && !strpbrk(ret->target, " \r\n") && !strpbrk(ret->host, " \r\n");
}
