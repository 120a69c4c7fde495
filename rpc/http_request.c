#include <string.h>
#include <talloc.h>
#include "lib/mem.h"
#include "rpc/http.h"
#include "rpc/http_head.h"

static const char *find(const struct http_pair *pairs, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(pairs[i].name, name) == 0)
            return pairs[i].value;
    return NULL;
}

const char *http_query(const struct http_request *r, const char *name)
{
    return find(r->query, r->n_query, name);
}

const char *http_header(const struct http_request *r, const char *lower_case_name)
{
    return find(r->headers, r->n_headers, lower_case_name);
}

/* The value of name in one cookie header; NULL when it is not there or malformed. */
static const char *cookie_in(void *ctx, const char *header, const char *name)
{
    size_t n = strlen(name);
    while (*header != '\0') {
        header += strspn(header, " \t;&");
        size_t length = strcspn(header, ";&");
        if (length > n && strncmp(header, name, n) == 0 && header[n] == '=') {
            char *value = talloc_strndup(ctx, header + n + 1, length - n - 1);
            if (value == NULL)
                mem_abort();
            for (size_t end = strlen(value); end > 0 && value[end - 1] == ' '; end--)
                value[end - 1] = '\0';
            return http_percent_decode(value, false) ? value : NULL;
        }
        header += length;
    }
    return NULL;
}

const char *http_cookie(const struct http_request *r, const char *name)
{
    const char *value = NULL;
    for (unsigned i = 0; i < r->n_headers && value == NULL; i++)
        if (strcmp(r->headers[i].name, "cookie") == 0)
            value = cookie_in(r->mem, r->headers[i].value, name);
    return value;
}
