#include "rpc/http_head.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "lib/mem.h"

size_t http_head_find(const char *bytes, size_t n, size_t *scanned)
{
    size_t at = *scanned;
    while (at < n) {
        const char *lf = memchr(bytes + at, '\n', n - at);
        if (lf == NULL)
            break;
        size_t next = (size_t)(lf - bytes) + 1;
        if (next < n && bytes[next] == '\n')
            return next + 1;
        if (next + 1 < n && bytes[next] == '\r' && bytes[next + 1] == '\n')
            return next + 2;
        if (next + 1 >= n) { /* the next line's start has not come: look at this LF again */
            *scanned = next - 1;
            return 0;
        }
        at = next;
    }
    *scanned = n;
    return 0;
}

/* The characters of a token of RFC 9110. */
static bool is_token(const char *s)
{
    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++)
        if (!isalnum((unsigned char)*s) && strchr("!#$%&'*+-.^_`|~", *s) == NULL)
            return false;
    return true;
}

/* Cut the next line off *at, without its end; NULL when it holds a stray CR. */
static char *cut_line(char **at)
{
    char *line = *at, *lf = strchr(line, '\n');
    if (lf == NULL)
        return NULL;
    *at = lf + 1;
    *lf = '\0';
    if (lf > line && lf[-1] == '\r')
        lf[-1] = '\0';
    return strchr(line, '\r') == NULL ? line : NULL;
}

static int parse_version(const char *version, struct http_head *h)
{
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return strncmp(version, "HTTP/", 5) == 0 ? -EPROTONOSUPPORT : -EBADMSG;
    h->http_1_0 = version[7] == '0';
    return 0;
}

static int parse_request_line(char *line, struct http_head *h)
{
    char *space = strchr(line, ' '), *last = strrchr(line, ' ');
    if (space == NULL || last == space)
        return -EBADMSG;
    *space = *last = '\0';
    h->method = line;
    h->target = space + 1;
    if (!is_token(line) || *h->target == '\0')
        return -EBADMSG;
    for (const unsigned char *p = (const unsigned char *)h->target; *p != '\0'; p++)
        if (*p <= ' ' || *p == 0x7f)
            return -EBADMSG;
    return parse_version(last + 1, h);
}

static int parse_status_line(char *line, struct http_head *h)
{
    char *space = strchr(line, ' ');
    if (space == NULL)
        return -EBADMSG;
    *space = '\0';
    const char *code = space + 1;
    if (!isdigit((unsigned char)code[0]) || !isdigit((unsigned char)code[1]) ||
        !isdigit((unsigned char)code[2]) || (code[3] != ' ' && code[3] != '\0'))
        return -EBADMSG;
    h->status = (unsigned)atoi(code);
    return parse_version(line, h);
}

static int parse_header(char *line, struct http_pair *ret)
{
    char *colon = strchr(line, ':');
    if (colon == NULL)
        return -EBADMSG;
    *colon = '\0';
    if (!is_token(line))
        return -EBADMSG;
    for (char *p = line; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    char *value = colon + 1, *end;
    value += strspn(value, " \t");
    end = value + strlen(value);
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++)
        if ((*p < ' ' && *p != '\t') || *p == 0x7f)
            return -EBADMSG;
    *ret = (struct http_pair){.name = line, .value = value};
    return 0;
}

static unsigned count_lines(const char *s)
{
    unsigned n = 0;
    while ((s = strchr(s, '\n')) != NULL)
        n++, s++;
    return n;
}

static int parse_headers(void *ctx, char *at, struct http_head *h)
{
    h->headers = talloc_array(ctx, struct http_pair, count_lines(at) + 1);
    if (h->headers == NULL)
        mem_abort();
    for (;;) {
        char *line = cut_line(&at);
        if (line == NULL)
            return -EBADMSG;
        if (*line == '\0')
            return 0;
        int r = parse_header(line, &h->headers[h->n_headers]);
        if (r < 0)
            return r;
        h->n_headers++;
    }
}

/* Digits alone, and when the header stands there twice, the same. */
static int note_content_length(struct http_head *h, const char *value)
{
    int64_t length = 0;
    if (*value == '\0')
        return -EBADMSG;
    for (const char *p = value; *p != '\0'; p++) {
        if (*p < '0' || *p > '9' || length > (INT64_MAX - 9) / 10)
            return -EBADMSG;
        length = length * 10 + (*p - '0');
    }
    if (h->content_length >= 0 && h->content_length != length)
        return -EBADMSG;
    h->content_length = length;
    return 0;
}

/* Is word one of the comma-separated words of value? */
static bool has_word(const char *value, const char *word)
{
    size_t n = strlen(word);
    while (*value != '\0') {
        value += strspn(value, ", \t");
        size_t length = strcspn(value, ", \t");
        if (length == n && strncasecmp(value, word, n) == 0)
            return true;
        value += length;
    }
    return false;
}

/* What framing and the connection need to know. */
static int note_meaning(struct http_head *h)
{
    h->keep_alive = !h->http_1_0;
    for (unsigned i = 0; i < h->n_headers; i++) {
        const char *name = h->headers[i].name, *value = h->headers[i].value;
        if (strcmp(name, "content-length") == 0) {
            int r = note_content_length(h, value);
            if (r < 0)
                return r;
        } else if (strcmp(name, "transfer-encoding") == 0) {
            h->has_transfer_encoding = true;
        } else if (strcmp(name, "expect") == 0) {
            h->expects_continue = has_word(value, "100-continue");
        } else if (strcmp(name, "connection") == 0 && has_word(value, "close")) {
            h->keep_alive = false;
        } else if (strcmp(name, "connection") == 0 && has_word(value, "keep-alive")) {
            h->keep_alive = true;
        }
    }
    return 0;
}

static int parse(void *ctx, const char *bytes, size_t n, int (*first_line)(char *, struct http_head *),
                 struct http_head *ret)
{
    struct http_head h = {.content_length = -1};
    if (memchr(bytes, '\0', n) != NULL)
        return -EBADMSG;
    char *at = talloc_strndup(ctx, bytes, n);
    if (at == NULL)
        mem_abort();
    char *line = cut_line(&at);
    int r = line == NULL ? -EBADMSG : first_line(line, &h);
    if (r == 0)
        r = parse_headers(ctx, at, &h);
    if (r == 0)
        r = note_meaning(&h);
    if (r == 0)
        *ret = h;
    return r;
}

int http_head_parse_request(void *ctx, const char *bytes, size_t n, struct http_head *ret)
{
    return parse(ctx, bytes, n, parse_request_line, ret);
}

int http_head_parse_reply(void *ctx, const char *bytes, size_t n, struct http_head *ret)
{
    return parse(ctx, bytes, n, parse_status_line, ret);
}

const char *http_head_get(const struct http_head *h, const char *lower_case_name)
{
    for (unsigned i = 0; i < h->n_headers; i++)
        if (strcmp(h->headers[i].name, lower_case_name) == 0)
            return h->headers[i].value;
    return NULL;
}

/* ---- targets ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http_percent_decode(char *s, bool plus)
{
    char *to = s;
    for (; *s != '\0'; s++) {
        char c = *s;
        if (c == '%') {
            int high = hex_value(s[1]), low = high < 0 ? -1 : hex_value(s[2]);
            if (low < 0 || high + low == 0)
                return false;
            c = (char)(high << 4 | low);
            s += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        *to++ = c;
    }
    *to = '\0';
    return true;
}

static int parse_query(void *ctx, char *query, struct http_request *r)
{
    unsigned n = 1;
    for (const char *p = query; (p = strchr(p, '&')) != NULL; p++)
        n++;
    r->query = talloc_array(ctx, struct http_pair, n);
    if (r->query == NULL)
        mem_abort();
    for (char *pair; (pair = strsep(&query, "&")) != NULL;) {
        if (*pair == '\0')
            continue;
        char *value = strchr(pair, '=');
        if (value != NULL)
            *value++ = '\0';
        else
            value = pair + strlen(pair);
        if (!http_percent_decode(pair, true) || (*value != '\0' && !http_percent_decode(value, true)))
            return -EBADMSG;
        r->query[r->n_query++] = (struct http_pair){.name = pair, .value = value};
    }
    return 0;
}

int http_target_parse(void *ctx, const char *target, struct http_request *r)
{
    if (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0) {
        target = strchr(strchr(target, ':') + 3, '/');
        if (target == NULL)
            target = "/";
    }
    char *path = talloc_strdup(ctx, target);
    if (path == NULL)
        mem_abort();
    path[strcspn(path, "#")] = '\0';
    char *query = strchr(path, '?');
    if (query != NULL)
        *query++ = '\0';
    r->path = path;
    if (!http_percent_decode(path, false))
        return -EBADMSG;
    return query != NULL ? parse_query(ctx, query, r) : 0;
}
