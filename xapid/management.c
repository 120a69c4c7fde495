#include "xapid/management.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include "lib/buf.h"
#include "lib/fd.h"
#include "lib/log.h"
#include "model/errors.gen.h"
#include "net/interfaces.h"

enum { LINE_SIZE = 256 };

static void name_file(struct buf *out, const char *state_dir)
{
    buf_printf(out, "%s/management", state_dir);
}

/* ---- reading ---- */

static bool take_text(char *to, size_t size, const char *value)
{
    if (!*value || strlen(value) >= size)
        return false;
    strcpy(to, value);
    return true;
}

/* Keys of later versions are passed over. */
static bool take(struct management *m, const char *key, const char *value)
{
    if (strcmp(key, "interface") == 0)
        return take_text(m->interface, sizeof m->interface, value);
    if (strcmp(key, "address") == 0)
        return membership_is_address(value) && take_text(m->address, sizeof m->address, value);
    m->off = m->off || (strcmp(key, "off") == 0 && strcmp(value, "yes") == 0);
    return true;
}

static bool take_line(struct management *m, char *line)
{
    char *equals = strstr(line, " = ");

    if (!strchr(line, '\n') || !equals)
        return false;
    line[strcspn(line, "\n")] = '\0';
    *equals = '\0';
    return take(m, line, equals + 3);
}

static bool read_lines(FILE *f, struct management *m)
{
    char line[LINE_SIZE];
    bool ok = true;

    while (ok && fgets(line, sizeof line, f))
        ok = take_line(m, line);
    return ok && !ferror(f) && (m->off || (m->interface[0] && m->address[0]));
}

int management_read(const char *state_dir, struct management *ret, struct err *e)
{
    CLEANUP_BUF struct buf path = {0};
    struct management m = {0};

    *ret = m;
    name_file(&path, state_dir);
    FILE *f = fopen(buf_cstr(&path), "re");
    if (!f)
        return errno == ENOENT ? 0 : err_errno(e, -errno, "reading %s", buf_cstr(&path));
    bool ok = read_lines(f, &m);
    fclose(f);
    if (!ok)
        return err_internal(e, "%s does not say by which interface this host is managed", buf_cstr(&path));
    *ret = m;
    return 0;
}

/* ---- writing ---- */

int management_write(const char *state_dir, const struct management *m, struct err *e)
{
    CLEANUP_BUF struct buf path = {0};
    CLEANUP_BUF struct buf text = {0};

    name_file(&path, state_dir);
    if (m->off)
        buf_add_lit(&text, "off = yes\n");
    else
        buf_printf(&text, "interface = %s\naddress = %s\n", m->interface, m->address);
    int r = fd_replace_file(buf_cstr(&path), text.data, text.len);
    return r < 0 ? err_errno(e, r, "writing %s", buf_cstr(&path)) : 0;
}

/* ---- what it comes to ---- */

/* The address that was chosen, as long as the interface has it. */
static const char *address_now(void *mem, const struct management *m)
{
    const struct net_interface *i = net_interface_by_name(net_interfaces_list(mem), m->interface);

    if (i && m->address[0] && (strcmp(i->ip, m->address) == 0 || strcmp(i->ipv6, m->address) == 0))
        return m->address;
    return i ? net_interface_address(i) : "";
}

int management_choose(const char *interface, struct management *ret, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct management m = {0};

    if (!take_text(m.interface, sizeof m.interface, interface) ||
        !take_text(m.address, sizeof m.address, address_now(mem, &m)))
        return err_interface_has_no_ip(e, interface);
    *ret = m;
    return 0;
}

static void listen_as_told(struct xapid *x)
{
    x->listening = x->options.address;
    own_address(x->options.address, x->address);
}

void management_open(struct xapid *x)
{
    CLEANUP_ERR struct err e = {0};
    struct management *m = &x->management;

    if (management_read(x->options.state_dir, m, &e) < 0)
        log_error("%s", e.params[0]);
    listen_as_told(x);
    if (m->off)
        x->address[0] = '\0';
    if (m->off || !m->interface[0])
        return;
    if (management_choose(m->interface, m, &e) == 0) {
        x->listening = m->address;
        memcpy(x->address, m->address, sizeof x->address);
        return;
    }
    log_error("%s, by which this host is to be managed, has no address: it listens on %s", m->interface,
              x->listening);
    *m = (struct management){0};
}
