#include "xapid/console/open.h"
#include <talloc.h>
#include "lib/clock.h"
#include "xapid/audit/audit.h"
#include "xapid/host/host_agent.h"
#include "xapid/http_auth.h"
#include "xapid/reftext.h"
#include "xapid/server.h"

/* ---- which console ---- */

static const struct console *console_of_vm(struct db *db, struct ref vm)
{
    const struct console *first = NULL;

    FOREACH_REFERRER (db, console, console, CONSOLE, VM, vm) {
        if (console->protocol == CONSOLE_PROTOCOL_RFB)
            return console;
        first = first ? first : console;
    }
    return first;
}

/* The query names a console or a VM (whose graphical console is meant, if it has one) by ref or uuid. */
static const struct console *find_console(struct db *db, struct http_request *r)
{
    const char *text = http_query(r, "ref"), *uuid = http_query(r, "uuid");
    const struct row *console = NULL, *vm = NULL;
    struct ref ref;

    if (text && ref_parse(text, &ref)) {
        console = db_get(db, CLASS_CONSOLE, ref);
        vm = db_get(db, CLASS_VM, ref);
    } else if (uuid) {
        console = db_get_by_uuid(db, CLASS_CONSOLE, uuid);
        vm = db_get_by_uuid(db, CLASS_VM, uuid);
    }
    return console ? (const struct console *)console : vm ? console_of_vm(db, vm->ref) : NULL;
}

/* What the audit log names: the VM. */
static const struct row *console_row(struct db *db, struct http_request *r)
{
    const struct console *console = find_console(db, r);

    return console ? db_get(db, CLASS_VM, console->VM) : NULL;
}

/* ---- letting the caller in ---- */

void co_console_refuse(struct http_request *r, struct http_stream *s, unsigned status, const char *why)
{
    (void)co_stream_send_error(r, s, status, why, clock_in_ms(CONSOLE_WRITE_LIMIT_MS));
}

bool co_console_let_in(struct http_request *r, struct http_stream *s, struct xapid *x)
{
    CLEANUP_ERR struct err e = {0};
    struct call c;
    bool known = co_http_auth(r, x, &c, &e) == 0;
    bool allowed = known && http_auth_may(&c, "VM.start", &e) == 0;

    if (known)
        audit_http(&c, r, console_row(x->db, r), &e);
    http_auth_end(&c);
    if (!known)
        co_console_refuse(r, s, 401, "Please log in");
    else if (!allowed)
        co_console_refuse(r, s, 403, "The role does not permit consoles");
    return allowed;
}

int co_console_open(struct http_request *r, struct http_stream *s, struct xapid *x, bool screen)
{
    const struct console *console = find_console(x->db, r);
    const struct vm *vm = console ? db_vm(x->db, console->VM) : NULL;
    bool is_screen = console && console->protocol == CONSOLE_PROTOCOL_RFB;

    if (!vm || vm->power_state != VM_POWER_STATE_RUNNING || (screen && !is_screen)) {
        co_console_refuse(r, s, 404, "There is no such console");
        return -1;
    }
    const char *kind = is_screen ? "vnc" : "serial";
    CLEANUP_ERR struct err e = {0};
    struct agent *agent = vm_agent(x, vm->row.ref, &e);
    int fd = agent ? co_agent_vm_console(agent, talloc_strdup(r->mem, vm->uuid), kind) : -1;
    if (fd < 0)
        co_console_refuse(r, s, 404, "The console cannot be opened");
    return fd;
}
