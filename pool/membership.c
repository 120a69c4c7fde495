#include "pool/membership.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#define XXH_INLINE_ALL /* of libxxhash only the header */
#include <xxhash.h>
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/fd.h"
#include "pool/folder.h"

enum { LINE_MAX_LENGTH = 256 };

static void name_file(struct buf *out, const char *state_dir, const char *file)
{
    buf_printf(out, "%s/pool%s", state_dir, file);
}

/* ---- reading ---- */

bool membership_is_address(const char *text)
{
    struct in6_addr a;

    return inet_pton(AF_INET, text, &a) == 1 || inet_pton(AF_INET6, text, &a) == 1;
}

static bool take_text(char *to, size_t size, const char *value, bool fits)
{
    if (!fits || strlen(value) >= size)
        return false;
    strcpy(to, value);
    return true;
}

static bool take_term(uint64_t *to, const char *value)
{
    char *end;

    errno = 0;
    *to = strtoull(value, &end, 10);
    return errno == 0 && *value >= '1' && *value <= '9' && *end == '\0';
}

/* Keys of later versions are passed over. */
static bool take(struct membership *m, const char *key, const char *value)
{
    if (strcmp(key, "role") == 0) {
        m->member = strcmp(value, "member") == 0;
        return m->member || strcmp(value, "coordinator") == 0;
    }
    if (strcmp(key, "leaving") == 0) {
        m->leaving = strcmp(value, "yes") == 0;
        return m->leaving;
    }
    if (strcmp(key, "pool") == 0)
        return take_text(m->pool, sizeof m->pool, value, uuid_is_valid(value));
    if (strcmp(key, "host") == 0)
        return take_text(m->host, sizeof m->host, value, uuid_is_valid(value));
    if (strcmp(key, "coordinator") == 0)
        return take_text(m->coordinator, sizeof m->coordinator, value, membership_is_address(value));
    return strcmp(key, "term") != 0 || take_term(&m->term, value);
}

static bool take_line(struct membership *m, char *line)
{
    char *equals = strstr(line, " = ");

    line[strcspn(line, "\n")] = '\0';
    if (!equals)
        return *line == '\0';
    *equals = '\0';
    return take(m, line, equals + 3);
}

static bool is_whole(const struct membership *m)
{
    return uuid_is_valid(m->pool) && uuid_is_valid(m->host) && m->term > 0 &&
           (!m->member || membership_is_address(m->coordinator));
}

static bool read_lines(FILE *f, struct membership *m)
{
    char line[LINE_MAX_LENGTH];
    bool ok = true;

    while (ok && fgets(line, sizeof line, f))
        ok = strchr(line, '\n') && take_line(m, line);
    return ok && !ferror(f) && is_whole(m);
}

int membership_read(const char *state_dir, struct membership *ret, struct err *e)
{
    CLEANUP_BUF struct buf path = {0};
    name_file(&path, state_dir, "/membership");
    FILE *f = fopen(buf_cstr(&path), "re");

    *ret = (struct membership){0};
    if (!f)
        return errno == ENOENT ? 0 : err_errno(e, -errno, "reading %s", buf_cstr(&path));
    bool ok = read_lines(f, ret);
    fclose(f);
    return ok ? 0 : err_internal(e, "%s does not say which pool this host belongs to", buf_cstr(&path));
}

/* ---- terms ---- */

uint64_t membership_next_term(const struct membership *m)
{
    return ((m->term >> 32) + 1) << 32 | XXH32(m->host, strlen(m->host), 0);
}

/* ---- writing ---- */

void membership_format(const struct membership *m, struct buf *out)
{
    buf_printf(out, "role = %s\npool = %s\nhost = %s\nterm = %" PRIu64 "\n",
               m->member ? "member" : "coordinator", m->pool, m->host, m->term);
    if (m->member)
        buf_printf(out, "coordinator = %s\n", m->coordinator);
    if (m->leaving)
        buf_add_lit(out, "leaving = yes\n");
}

int membership_write(const char *state_dir, const struct membership *m, struct err *e)
{
    CLEANUP_BUF struct buf path = {0};
    CLEANUP_BUF struct buf text = {0};

    name_file(&path, state_dir, "");
    if (!is_whole(m))
        return err_internal(e, "%s would not say which pool this host belongs to", buf_cstr(&path));
    if (mkdir(buf_cstr(&path), 0700) < 0 && errno != EEXIST)
        return err_errno(e, -errno, "making %s", buf_cstr(&path));
    buf_add_str(&path, "/membership");
    membership_format(m, &text);
    int r = fd_replace_file(buf_cstr(&path), text.data, text.len);
    return r < 0 ? err_errno(e, r, "writing %s", buf_cstr(&path)) : 0;
}

int membership_remove(const char *state_dir, struct err *e)
{
    static const struct pool_file nothing[] = {{0}};
    int r = pool_folder_replace(state_dir, nothing);

    return r < 0 ? err_errno(e, r, "leaving the pool") : 0;
}
