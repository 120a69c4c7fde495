#include "hv/qemu/agent_proto.h"
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include "hv/qemu/agent_facts.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define LINE_MAX_BYTES (256 * 1024)
#define MS 1000000LL
#define ANSWER_MS 5000     /* for an answer; then synchronise anew */
#define BLOCKS_MAX 1024    /* of memory that are switched on at once */
#define OBEY_MS 60000      /* for an order to show; then ask again */
#define SYNC_FIRST_MS 1000 /* between syncs that are not answered */
#define SYNC_LATER_MS 5000
#define ROUND_FIRST_MS 250 /* between rounds while there is no address, doubled up to the next */
#define ROUND_LATER_MS 5000

static const char *const questions[] = {"guest-info", "guest-get-host-name", "guest-get-osinfo",
                                        "guest-network-get-interfaces"};
enum { ASK_INFO, ASK_HOST_NAME, ASK_OSINFO, ASK_INTERFACES, ASK_COUNT };

void agent_proto_init(struct agent_proto *p, const struct agent_nic_name *nics, unsigned n_nics)
{
    *p = (struct agent_proto){.wake_at = CLOCK_NEVER, .nics = nics, .n_nics = n_nics};
    json_lines_init(&p->in, LINE_MAX_BYTES);
}

void agent_proto_fini(struct agent_proto *p)
{
    json_lines_fini(&p->in);
    buf_free(&p->out);
    agent_exec_forget(&p->exec);
    talloc_free(p->known_ctx);
    talloc_free(p->round_ctx);
}

bool agent_proto_is_synced(const struct agent_proto *p)
{
    return p->state == AGENT_ASKING || p->state == AGENT_IDLE || p->state == AGENT_ORDERING ||
           p->state == AGENT_EXECUTING;
}

/* ---- sending ---- */

/* Quick tries at first, since an agent that has just opened its port may throw the first away. */
static void send_sync(struct agent_proto *p, int64_t now, int64_t patience_ms)
{
    p->state = AGENT_SYNCING;
    p->introduced = false;
    p->sync_id = (p->sync_id + 1) & 0x7fffffff;
    buf_reset(&p->out); /* what the guest did not take before is stale */
    buf_printf(&p->out, "\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%lld}}\n",
               (long long)p->sync_id);
    p->wake_at = now + patience_ms * MS;
}

/* The first cannot be switched off, so it is not spoken of. */
static void add_processors(struct buf *out, unsigned online, unsigned present)
{
    buf_add_lit(out, "{\"execute\":\"guest-set-vcpus\",\"arguments\":{\"vcpus\":[");
    for (unsigned i = 1; i < present; i++)
        buf_printf(out, "%s{\"logical-id\":%u,\"online\":%s}", i > 1 ? "," : "", i,
                   i < online ? "true" : "false");
    buf_add_lit(out, "]}}\n");
}

static void send_order(struct agent_proto *p, int64_t now)
{
    const char *mode = p->order == ORDER_REBOOT ? "reboot" : "powerdown";

    p->listed = false;
    if (p->order == ORDER_PROCESSORS)
        add_processors(&p->out, p->online, p->present);
    else if (p->order == ORDER_MEMORY)
        buf_add_lit(&p->out, "{\"execute\":\"guest-get-memory-blocks\"}\n");
    else
        buf_printf(&p->out, "{\"execute\":\"guest-shutdown\",\"arguments\":{\"mode\":\"%s\"}}\n", mode);
    p->obeying = p->order;
    p->order = ORDER_NONE;
    p->order_refused = p->order_done = false;
    p->state = AGENT_ORDERING;
    p->wake_at = now + OBEY_MS * MS;
}

static void send_question(struct agent_proto *p, int64_t now)
{
    if (p->order != ORDER_NONE) {
        send_order(p, now);
        return;
    }
    buf_printf(&p->out, "{\"execute\":\"%s\"}\n", questions[p->question]);
    p->state = AGENT_ASKING;
    p->wake_at = now + ANSWER_MS * MS;
}

/* ---- rounds ---- */

static void drop_round(struct agent_proto *p)
{
    talloc_free(p->round_ctx);
    p->round_ctx = NULL;
    p->round = (struct hv_guest_info){0};
}

/* What was learnt once stays in force in the rounds that ask for addresses alone. */
static void begin_round(struct agent_proto *p, int64_t now)
{
    drop_round(p);
    p->round_ctx = talloc_new(NULL);
    if (!p->round_ctx)
        mem_abort();
    if (p->introduced)
        agent_facts_copy(p->round_ctx, &p->known, &p->round);
    p->question = p->introduced ? ASK_INTERFACES : ASK_INFO;
    send_question(p, now);
}

static int64_t pause_ms(const struct agent_proto *p)
{
    int64_t ms = p->quiet_rounds < 5 ? (int64_t)ROUND_FIRST_MS << p->quiet_rounds : ROUND_LATER_MS;

    return map_count(p->known.addresses) > 0 || ms > ROUND_LATER_MS ? ROUND_LATER_MS : ms;
}

/* Between two rounds there is time for other things. */
static void rest(struct agent_proto *p, int64_t now)
{
    int64_t exec_at = agent_exec_next(&p->exec);

    p->state = AGENT_IDLE;
    p->wake_at = exec_at < p->round_at ? exec_at : p->round_at;
    if (p->order != ORDER_NONE) {
        send_order(p, now);
    } else if (agent_exec_is_due(&p->exec, now)) {
        agent_exec_send(&p->exec, &p->out);
        p->state = AGENT_EXECUTING;
        p->wake_at = now + ANSWER_MS * MS;
    }
}

static void end_round(struct agent_proto *p, int64_t now)
{
    if (!agent_facts_equal(&p->known, &p->round)) {
        talloc_free(p->known_ctx);
        p->known_ctx = TAKE_PTR(p->round_ctx);
        p->known = p->round;
        p->changed = true;
    }
    drop_round(p);
    if (!p->introduced && p->grown && p->order == ORDER_NONE)
        p->order = ORDER_MEMORY;
    p->introduced = true;
    p->quiet_rounds = map_count(p->known.addresses) > 0 ? 0 : p->quiet_rounds + 1;
    p->round_at = now + pause_ms(p) * MS;
    rest(p, now);
}

static void take_answer(struct agent_proto *p, const json_t *value)
{
    switch (p->question) {
    case ASK_INFO:
        p->round.agent_version = agent_facts_text(p->round_ctx, json_object_get(value, "version"));
        break;
    case ASK_HOST_NAME:
        p->round.hostname = agent_facts_text(p->round_ctx, json_object_get(value, "host-name"));
        break;
    case ASK_OSINFO:
        p->round.os = agent_facts_os(p->round_ctx, value);
        break;
    case ASK_INTERFACES:
        p->round.addresses = agent_facts_addresses(p->round_ctx, value, p->nics, p->n_nics);
        break;
    }
}

/* ---- memory ---- */

/* Of the blocks that it lists, those that are off are to be on; false: there is none. */
static bool switch_blocks(struct agent_proto *p, const json_t *list, int64_t now)
{
    unsigned n = 0;
    json_t *block;
    size_t i;

    json_array_foreach (list, i, block) {
        const json_t *index = json_object_get(block, "phys-index");

        if (!json_is_false(json_object_get(block, "online")) || !json_is_integer(index) || n == BLOCKS_MAX)
            continue;
        buf_printf(&p->out, "%s{\"phys-index\":%lld,\"online\":true}",
                   n++ ? "," : "{\"execute\":\"guest-set-memory-blocks\",\"arguments\":{\"mem-blks\":[",
                   (long long)json_integer_value(index));
    }
    if (n > 0)
        buf_add_lit(&p->out, "]}}\n");
    p->listed = true;
    p->wake_at = now + OBEY_MS * MS;
    return n > 0;
}

static bool are_switched(const json_t *list)
{
    json_t *block;
    size_t i;

    json_array_foreach (list, i, block) {
        const char *response = json_string_value(json_object_get(block, "response"));

        if (!response || strcmp(response, "success") != 0)
            return false;
    }
    return json_is_array(list);
}

/* How many of the processors were switched is the answer, or what became of each block of memory. */
static bool is_obeyed(const struct agent_proto *p, const json_t *value)
{
    if (p->obeying == ORDER_MEMORY)
        return are_switched(value);
    return p->obeying != ORDER_PROCESSORS || json_integer_value(value) == (json_int_t)p->present - 1;
}

static void take_obedience(struct agent_proto *p, const json_t *value, int64_t now)
{
    bool lists = p->obeying == ORDER_MEMORY && !p->listed && json_is_array(value);

    if (lists && switch_blocks(p, value, now))
        return;
    p->order_done = value && (lists || is_obeyed(p, value));
    p->order_refused = !p->order_done;
    begin_round(p, now);
}

/* An error counts as an answer: the agent does not know the question. */
static void take_message(struct agent_proto *p, const json_t *message, int64_t now)
{
    const json_t *value = json_object_get(message, "return");
    bool is_error = json_object_get(message, "error") != NULL;

    if (!value && !is_error)
        return;
    if (p->state == AGENT_SYNCING) {
        if (json_is_integer(value) && json_integer_value(value) == p->sync_id)
            begin_round(p, now);
    } else if (p->state == AGENT_EXECUTING) {
        agent_exec_take(&p->exec, message, now);
        rest(p, now);
    } else if (p->state == AGENT_ORDERING) {
        take_obedience(p, is_error ? NULL : value, now);
    } else if (p->state == AGENT_ASKING) {
        if (value)
            take_answer(p, value);
        if (++p->question < ASK_COUNT)
            send_question(p, now);
        else
            end_round(p, now);
    }
}

/* ---- events ---- */

void agent_proto_opened(struct agent_proto *p, int64_t now)
{
    json_lines_reset(&p->in);
    p->quiet_rounds = 0;
    send_sync(p, now, SYNC_FIRST_MS);
}

/* Whoever opens it next says all of it again: the guest may be another by then. */
void agent_proto_closed(struct agent_proto *p)
{
    talloc_free(p->known_ctx);
    p->known_ctx = NULL;
    p->known = (struct hv_guest_info){0};
    json_lines_reset(&p->in);
    buf_reset(&p->out);
    drop_round(p);
    agent_exec_lose(&p->exec, true, 0);
    p->state = AGENT_CLOSED;
    p->order = ORDER_NONE;
    p->wake_at = CLOCK_NEVER;
}

void agent_proto_feed(struct agent_proto *p, const char *bytes, size_t n, int64_t now)
{
    json_t *message;
    int r;

    json_lines_feed(&p->in, bytes, n);
    while ((r = json_lines_next(&p->in, &message)) != 0) {
        if (r < 0)
            continue; /* the answer is awaited in vain, and then we synchronise anew */
        if (p->state != AGENT_CLOSED)
            take_message(p, message, now);
        json_decref(message);
    }
}

void agent_proto_wake(struct agent_proto *p, int64_t now)
{
    p->wake_at = CLOCK_NEVER;
    switch (p->state) {
    case AGENT_IDLE:
        if (now >= p->round_at)
            begin_round(p, now);
        else
            rest(p, now);
        break;
    case AGENT_EXECUTING:
    case AGENT_ASKING:
    case AGENT_SYNCING:
    case AGENT_ORDERING:
        agent_exec_lose(&p->exec, false, now);
        send_sync(p, now, ++p->quiet_rounds < 5 ? SYNC_FIRST_MS : SYNC_LATER_MS);
        break;
    case AGENT_CLOSED:
        break;
    }
}

void agent_proto_order(struct agent_proto *p, enum agent_order order, int64_t now)
{
    p->order = order;
    p->order_refused = p->order_done = false;
    if (order != ORDER_NONE && p->state == AGENT_IDLE)
        send_order(p, now);
}

void agent_proto_order_processors(struct agent_proto *p, unsigned online, unsigned present, int64_t now)
{
    p->online = online;
    p->present = present;
    agent_proto_order(p, ORDER_PROCESSORS, now);
}

void agent_proto_run(struct agent_proto *p, const struct hv_command *c, int64_t now)
{
    if (c)
        agent_exec_begin(&p->exec, c);
    else
        agent_exec_forget(&p->exec);
    if (c && p->state == AGENT_IDLE)
        rest(p, now);
}
