#include "hv/qemu/json_lines.h"
#include <errno.h>
#include <string.h>
#include "lib/json_bounds.h"

/* What QEMU and guest agents send stays below 10. */
#define DEPTH_MAX 32

void json_lines_init(struct json_lines *j, size_t max)
{
    *j = (struct json_lines){.max = max};
}

void json_lines_fini(struct json_lines *j)
{
    buf_free(&j->in);
}

void json_lines_reset(struct json_lines *j)
{
    buf_reset(&j->in);
    j->at = j->scanned = 0;
    j->dropping = false;
}

void json_lines_feed(struct json_lines *j, const char *bytes, size_t n)
{
    if (j->at > 0) {
        buf_consume(&j->in, j->at);
        j->scanned -= j->at;
        j->at = 0;
    }
    buf_add(&j->in, bytes, n);
}

/* 1 with the object, 0 for an empty line, -EBADMSG. */
static int parse_line(const char *line, size_t n, json_t **ret)
{
    const char *mark = memrchr(line, 0xff, n);
    json_t *value;

    if (mark) {
        n -= (size_t)(mark + 1 - line);
        line = mark + 1;
    }
    while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' '))
        n--;
    if (n == 0)
        return 0;
    value = json_is_within(line, n, DEPTH_MAX, UINT32_MAX) ? json_loadb(line, n, 0, NULL) : NULL;
    if (!json_is_object(value)) {
        json_decref(value);
        return -EBADMSG;
    }
    *ret = value;
    return 1;
}

/* No newline in sight: 0, or -EMSGSIZE once when the line has become too long. */
static int wait_for_newline(struct json_lines *j)
{
    bool began = !j->dropping;

    j->scanned = j->in.len;
    if (!j->dropping && j->in.len - j->at <= j->max)
        return 0;
    j->dropping = true;
    j->at = j->in.len;
    return began ? -EMSGSIZE : 0;
}

int json_lines_next(struct json_lines *j, json_t **ret)
{
    int r = 0;

    while (r == 0) {
        const char *from = j->in.data + j->scanned;
        const char *newline = j->in.len > j->scanned ? memchr(from, '\n', j->in.len - j->scanned) : NULL;
        size_t start = j->at;
        size_t n;

        if (!newline)
            return wait_for_newline(j);
        n = (size_t)(newline - j->in.data) - start;
        j->at = j->scanned = start + n + 1;
        if (j->dropping)
            j->dropping = false;
        else
            r = n > j->max ? -EMSGSIZE : parse_line(j->in.data + start, n, ret);
    }
    return r;
}
