#include "rpc/url.h"
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include "rpc/http_head.h"

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

static const char *parse_credentials(void *ctx, const char *text, const char *end)
{
    char *credentials = talloc_strndup(ctx, text, (size_t)(end - text));

    return http_percent_decode(credentials, false) ? credentials : NULL;
}

static bool is_clean(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f)
            return false;
    return true;
}

bool url_parse(void *ctx, const char *text, struct url *ret)
{
    const char *host, *end, *host_end, *authority_end, *at;

    if ((strncmp(text, "https://", 8) != 0 && strncmp(text, "http://", 7) != 0) || !is_clean(text))
        return false;
    *ret = (struct url){.tls = text[4] == 's'};
    host = text + (ret->tls ? 8 : 7);
    authority_end = host + strcspn(host, "/?#");
    at = memchr(host, '@', (size_t)(authority_end - host));
    if (at && !(ret->credentials = parse_credentials(ctx, host, at)))
        return false;
    host = at ? at + 1 : host;
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
    ret->target = talloc_asprintf(ctx, "%s%.*s", *authority_end == '/' ? "" : "/",
                                  (int)strcspn(authority_end, "#"), authority_end);
    return *ret->host != '\0' && !strchr(ret->host, '@');
}

const char *url_resolve(void *ctx, const struct url *from, const char *location)
{
    bool six = strchr(from->host, ':') != NULL;
    const char *scheme = from->tls ? "https:" : "http:";
    size_t folder = strcspn(from->target, "?");

    if (!*location || location[strcspn(location, ":/?#")] == ':')
        return strncmp(location, "http", 4) == 0 ? talloc_strdup(ctx, location) : NULL;
    if (strncmp(location, "//", 2) == 0)
        return talloc_asprintf(ctx, "%s%s", scheme, location);
    while (folder > 0 && from->target[folder - 1] != '/')
        folder--;
    if (*location == '/')
        folder = 0;
    return talloc_asprintf(ctx, "%s//%s%s%s:%u%.*s%s", scheme, six ? "[" : "", from->host, six ? "]" : "",
                           from->port, (int)folder, from->target, location);
}
