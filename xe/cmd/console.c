/* console: the text console of a VM on this terminal. */
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <termios.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/fd.h"
#include "lib/fiber.h"
#include "xe/cmd/common.h"
#include "rpc/url.h"
#include "xe/cmd/verbs.h"
#include "xe/failure.h"
#include "xe/select.h"

/* Ctrl-] */
#define QUIT 0x1d

/* One terminal joined to one stream. */
struct session {
    struct client_stream *stream;
    bool over;
};

/* Carry what is typed to the guest, until Ctrl-], the end of input or the end of the stream. */
static void co_carry_input(void *arg)
{
    struct session *s = arg;
    char bytes[1024], *quit;
    ssize_t n;

    while (!s->over) {
        if (co_wait_fd(STDIN_FILENO, EV_READ, CLOCK_NEVER, "the keyboard") < 0)
            break;
        n = read(STDIN_FILENO, bytes, sizeof(bytes));
        if (n <= 0)
            break;
        quit = memchr(bytes, QUIT, (size_t)n);
        if (quit)
            n = quit - bytes;
        if ((n > 0 && co_client_stream_write(s->stream, bytes, (size_t)n, CLOCK_NEVER) < 0) || quit)
            break;
    }
    s->over = true;
}

/* Carry what the guest prints to stdout, until either side ends; input is the fiber of the other direction.
 */
static void co_carry_output(struct session *s, struct fiber *input)
{
    char bytes[2048];

    while (!s->over) {
        ssize_t n = 0;

        if (client_stream_has_buffered(s->stream) ||
            co_wait_fd(client_stream_fd(s->stream), EV_READ, clock_in_ms(200), "the console") > 0) {
            n = co_client_stream_read(s->stream, bytes, sizeof(bytes), CLOCK_NEVER);
            if (n <= 0 || fd_write_all(STDOUT_FILENO, bytes, (size_t)n) < 0)
                break;
        }
    }
    s->over = true;
    fiber_cancel(input);
    co_fiber_join(input, CLOCK_NEVER);
}

/* Give the guest the raw terminal while fn runs. */
static void co_with_raw_terminal(struct session *s)
{
    struct termios cooked, raw;
    bool is_terminal = tcgetattr(STDIN_FILENO, &cooked) == 0;
    struct fiber *input;

    if (is_terminal) {
        raw = cooked;
        cfmakeraw(&raw);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    input = fiber_ref(fiber_spawn("console input", co_carry_input, s));
    co_carry_output(s, input);
    fiber_unref(input);
    if (is_terminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
}

static int no_console(struct err *e, const char *why)
{
    fprintf(stderr, "%s\n", why);
    return fail_exit(e, 1);
}

/* The location of the only text console of the VM, or NULL. */
static const char *co_console_location(struct xe *x, const struct record *vm, struct err *e)
{
    const struct wire *consoles = wire_member(vm->fields, "consoles");

    for (uint32_t i = 0; consoles && consoles->kind == WIRE_ARRAY && i < consoles->n; i++) {
        const struct wire *c = co_call(x, e, "console.get_record", "s", wire_text(x, &consoles->items[i]));

        if (!c)
            return NULL;
        if (strcmp(member_text(x, c, "protocol"), "vt100") == 0)
            return member_text(x, c, "location");
    }
    no_console(e, "The VM has no text console; is it running?");
    return NULL;
}

/* Open the stream of a console's location and join it to the terminal. */
static int co_attach(struct xe *x, const char *location, struct err *e)
{
    struct url url;
    struct session s = {0};
    struct rpc_client *client;
    char *target, *cookie;
    unsigned status = 0;

    if (!url_parse(x->ctx, location, &url))
        return fail_text(e, "The console's location '%s' cannot be read", location);
    client = rpc_client_new(&(struct rpc_client_options){
        .host = url.host, .port = url.port, .tls = url.tls, .user_agent = "xe-cli/Unix/0.2"});
    target = talloc_asprintf(x->ctx, "%s%csession_id=%s", url.target, strchr(url.target, '?') ? '&' : '?',
                             x->session);
    cookie = talloc_asprintf(x->ctx, "Cookie: session_id=%s\r\n", x->session);
    if (co_client_stream_open(client, "CONNECT", target, cookie, &s.stream, &status, e) == 0 &&
        status == 200) {
        co_with_raw_terminal(&s);
    } else if (!err_is_set(e)) {
        fail_text(e, "The host refused to open the console (HTTP status %u)", status);
    }
    if (s.stream)
        client_stream_close(s.stream);
    rpc_client_free(client);
    return err_is_set(e) ? -1 : 0;
}

static int co_console(struct xe *x, struct err *e)
{
    const char *location;
    struct records rs;

    if (co_select_vms(x, SELECT_CONTROL_DOMAINS | SELECT_ANY_NUMBER, &rs, e) < 0)
        return -1;
    if (rs.n != 1)
        return no_console(e, "Several VMs match; name one");
    if (!(location = co_console_location(x, &rs.r[0], e)))
        return -1;
    out_direct(&x->out, "Connecting to the console of VM '%s'. Press Ctrl-] to leave.\n",
               member_text(x, rs.r[0].fields, "name_label"));
    fflush(x->out.file);
    return co_attach(x, location, e);
}

const struct command cmd_console = {
    .name = "console",
    .help = "Join this terminal to the text console of a VM; Ctrl-] leaves it.",
    .flags = CMD_VM,
    .run = co_console,
};
