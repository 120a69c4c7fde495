/* The parts of the QEMU driver that need no QEMU: framing, the guest agent's protocol, command lines, notes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "hv/qemu/agent_facts.h"
#include "hv/qemu/cmdline.h"
#include "hv/qemu/probe.h"
#include "hv/qemu/process.h"
#include "hv/qemu/vm_dir.h"
#include "lib/clock.h"
#include "tests/hv/fixture.h"
#include "tests/in_fiber.h"

/* ---- framing ---- */

static struct json_lines lines;
static json_t *message;

static void feed(const char *text)
{
    json_lines_feed(&lines, text, strlen(text));
}

static void assert_next(int answer, const char *text)
{
    CLEANUP_FREE char *seen = NULL;

    ck_assert_int_eq(json_lines_next(&lines, &message), answer);
    if (answer <= 0)
        return;
    seen = json_dumps(message, JSON_COMPACT);
    ck_assert_str_eq(seen, text);
    json_decref(message);
}

START_TEST(lines_become_objects_however_they_are_cut)
{
    json_lines_init(&lines, 100);
    feed("{\"a\":1}\r\n{\"b\"");
    assert_next(1, "{\"a\":1}");
    assert_next(0, NULL);
    feed(":2}\n\n \r\n");
    assert_next(1, "{\"b\":2}");
    assert_next(0, NULL);
    feed("old rubbish\xff{\"c\":3}\n\xff{\"d\":4}\n\xff\n");
    assert_next(1, "{\"c\":3}");
    assert_next(1, "{\"d\":4}");
    assert_next(0, NULL);
    json_lines_fini(&lines);
}
END_TEST

START_TEST(a_line_that_is_no_object_costs_only_itself)
{
    static const char *const bad[] = {"[1]",
                                      "null",
                                      "5",
                                      "\"x\"",
                                      "{",
                                      "{\"a\":1}}",
                                      "{\"a\":1} {\"b\":2}",
                                      "\xc3(",
                                      "{\"a\":\"\\ud800\"}",
                                      "{\"a\":\"\xc0\x80\"}",
                                      "{\"a\\u0000\":1}"};

    json_lines_init(&lines, 100);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        feed(bad[i]);
        feed("\n{\"good\":true}\n");
        assert_next(-EBADMSG, NULL);
        assert_next(1, "{\"good\":true}");
        assert_next(0, NULL);
    }
    json_lines_fini(&lines);
}
END_TEST

START_TEST(a_line_that_is_too_long_is_dropped_and_not_kept)
{
    json_lines_init(&lines, 100);
    for (unsigned i = 0; i < 10000; i++) {
        feed("{\"long\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        if (i == 1)
            assert_next(-EMSGSIZE, NULL);
        assert_next(0, NULL);
        ck_assert_uint_le(lines.in.cap, 4096);
    }
    feed("\n{\"good\":true}\n");
    assert_next(1, "{\"good\":true}");
    assert_next(0, NULL);
    json_lines_fini(&lines);
}
END_TEST

START_TEST(deep_nesting_is_refused_before_it_is_parsed)
{
    json_lines_init(&lines, 200000);
    feed("{\"a\":");
    for (unsigned i = 0; i < 50000; i++)
        feed("[");
    feed("\n{\"s\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[\"}\n");
    assert_next(-EBADMSG, NULL);
    ck_assert_int_eq(json_lines_next(&lines, &message), 1);
    json_decref(message);
    json_lines_fini(&lines);
}
END_TEST

/* ---- the guest agent ---- */

#define MS 1000000LL

static struct agent_proto agent;
static const struct agent_nic_name nics[] = {{0, "02:00:00:00:00:0a"}, {3, "02:00:00:00:00:0b"}};
static int64_t now;

static void agent_begin(void)
{
    now = 1000 * MS;
    agent_proto_init(&agent, nics, 2);
    ck_assert_int_eq(agent.wake_at, CLOCK_NEVER);
    agent_proto_opened(&agent, now);
}

static void agent_says(const char *text)
{
    agent_proto_feed(&agent, text, strlen(text), now);
}

/* What was sent since the last look. */
static void assert_sent(const char *text)
{
    ck_assert_str_eq(buf_cstr(&agent.out), text);
    buf_reset(&agent.out);
}

static void agent_synced(void)
{
    agent_begin();
    assert_sent("\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":1}}\n");
    agent_says("\xff{\"return\":1}\n");
    ck_assert(agent_proto_is_synced(&agent));
}

static void agent_introduced(void)
{
    agent_synced();
    assert_sent("{\"execute\":\"guest-info\"}\n");
    agent_says("{\"return\":{\"version\":\"7.2.1\"}}\n");
    assert_sent("{\"execute\":\"guest-get-host-name\"}\n");
    agent_says("{\"return\":{\"host-name\":\"web\\u0007\"}}\n");
    assert_sent("{\"execute\":\"guest-get-osinfo\"}\n");
    agent_says("{\"return\":{\"pretty-name\":\"Debian\",\"id\":\"debian\",\"version-id\":\"12.5\"}}\n");
    assert_sent("{\"execute\":\"guest-network-get-interfaces\"}\n");
    agent_says("{\"return\":[{\"name\":\"lo\"}]}\n");
}

START_TEST(an_agent_is_asked_once_who_it_is_and_often_where)
{
    agent_introduced();
    ck_assert(agent.changed);
    ck_assert_str_eq(agent.known.agent_version, "7.2.1");
    ck_assert_str_eq(agent.known.hostname, "web ");
    ck_assert_str_eq(map_get(agent.known.os, "major"), "12");
    ck_assert_str_eq(map_get(agent.known.os, "minor"), "5");
    ck_assert_str_eq(map_get(agent.known.os, "distro"), "debian");
    ck_assert_uint_eq(map_count(agent.known.addresses), 0);
    ck_assert_int_le(agent.wake_at, now + 500 * MS); /* soon, while there is no address */
    agent.changed = false;

    now = agent.wake_at;
    agent_proto_wake(&agent, now);
    assert_sent("{\"execute\":\"guest-network-get-interfaces\"}\n");
    agent_says("{\"return\":[{\"hardware-address\":\"02:00:00:00:00:0B\",\"ip-addresses\":[{\"ip-address\":"
               "\"fe80::0:1\"},"
               "{\"ip-address\":\"192.168.0.9\"},{\"ip-address\":\"10.0.0.1\"}]}]}\n");
    ck_assert(agent.changed);
    ck_assert_str_eq(map_get(agent.known.addresses, "3/ip"), "192.168.0.9");
    ck_assert_str_eq(map_get(agent.known.addresses, "3/ipv4/0"), "192.168.0.9");
    ck_assert_str_eq(map_get(agent.known.addresses, "3/ipv4/1"), "10.0.0.1");
    ck_assert_str_eq(map_get(agent.known.addresses, "3/ipv6/0"), "fe80::1");
    ck_assert_str_eq(agent.known.hostname, "web "); /* learnt once, still known */
    ck_assert_int_ge(agent.wake_at, now + 1000 * MS);
    agent_proto_fini(&agent);
}
END_TEST

START_TEST(the_same_answer_is_no_news)
{
    agent_introduced();
    agent.changed = false;
    now = agent.wake_at;
    agent_proto_wake(&agent, now);
    agent_says("{\"return\":[]}\n");
    ck_assert(!agent.changed);
    ck_assert_int_eq(agent.state, AGENT_IDLE);
    agent_proto_fini(&agent);
}
END_TEST

START_TEST(an_agent_that_knows_no_question_is_there_all_the_same)
{
    agent_synced();
    for (unsigned i = 0; i < 4; i++)
        agent_says("{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"no\"}}\n");
    ck_assert_int_eq(agent.state, AGENT_IDLE);
    agent_proto_fini(&agent);
}
END_TEST

START_TEST(an_agent_that_falls_silent_is_synchronised_anew)
{
    agent_synced();
    buf_reset(&agent.out);
    now = agent.wake_at;
    agent_proto_wake(&agent, now);
    ck_assert(!agent_proto_is_synced(&agent));
    assert_sent("\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":2}}\n");
    agent_says("{\"return\":{\"version\":\"late\"}}\n\xff{\"return\":1}\n");
    ck_assert(!agent_proto_is_synced(&agent));
    agent_says("rubbish\n\xff{\"return\":2}\n");
    ck_assert(agent_proto_is_synced(&agent));
    agent_proto_fini(&agent);
}
END_TEST

START_TEST(a_sync_that_is_not_answered_is_tried_again_ever_slower)
{
    int64_t before;

    agent_begin();
    for (unsigned i = 0; i < 20; i++) {
        before = now;
        now = agent.wake_at;
        agent_proto_wake(&agent, now);
        ck_assert_int_ge(now - before, 1000 * MS);
        ck_assert_uint_lt(agent.out.len, 200);
    }
    ck_assert_int_eq(agent.wake_at - now, 5000 * MS);
    agent_proto_fini(&agent);
}
END_TEST

START_TEST(an_agent_that_is_back_is_news_even_if_it_says_the_same)
{
    char answer[64];

    agent_introduced();
    agent.changed = false;
    agent_proto_closed(&agent);
    ck_assert(!agent.changed);
    agent_proto_opened(&agent, now);
    buf_reset(&agent.out);
    snprintf(answer, sizeof answer, "{\"return\":%lld}\n", (long long)agent.sync_id);
    agent_says(answer);
    agent_says("{\"return\":{\"version\":\"7.2.1\"}}\n");
    agent_says("{\"return\":{\"host-name\":\"web\\u0007\"}}\n");
    agent_says("{\"return\":{\"pretty-name\":\"Debian\",\"id\":\"debian\",\"version-id\":\"12.5\"}}\n");
    agent_says("{\"return\":[{\"name\":\"lo\"}]}\n");
    ck_assert(agent.changed);
    agent_proto_fini(&agent);
}
END_TEST

START_TEST(an_order_waits_for_the_question_under_way)
{
    agent_synced();
    assert_sent("{\"execute\":\"guest-info\"}\n");
    agent_proto_order(&agent, ORDER_POWERDOWN, now);
    assert_sent("");
    agent_says("{\"return\":{}}\n");
    assert_sent("{\"execute\":\"guest-shutdown\",\"arguments\":{\"mode\":\"powerdown\"}}\n");
    ck_assert(!agent.order_refused);
    agent_says("{\"error\":{\"class\":\"GenericError\",\"desc\":\"busy\"}}\n");
    ck_assert(agent.order_refused);
    agent_proto_fini(&agent);
}
END_TEST

/* ---- programs in the guest ---- */

static void program_runs(void)
{
    agent_introduced();
    agent_proto_run(&agent, &(struct hv_command){.path = "/x", .argument = "fn", .input = "in"}, now);
    assert_sent("{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"/x\",\"capture-output\":true,"
                "\"arg\":[\"fn\"],\"input-data\":\"aW4=\"}}\n");
    agent_says("{\"return\":{\"pid\":7}}\n");
    assert_sent("");
    now = agent.wake_at;
    agent_proto_wake(&agent, now);
    assert_sent("{\"execute\":\"guest-exec-status\",\"arguments\":{\"pid\":7}}\n");
}

START_TEST(a_program_is_asked_about_until_it_has_ended)
{
    struct hv_command_result result;
    void *ctx = talloc_new(NULL);

    program_runs();
    agent_says("{\"return\":{\"exited\":false}}\n");
    ck_assert_int_eq(agent.exec.state, EXEC_RUNNING);
    now = agent.wake_at;
    agent_proto_wake(&agent, now);
    assert_sent("{\"execute\":\"guest-exec-status\",\"arguments\":{\"pid\":7}}\n");
    agent_says(
        "{\"return\":{\"exited\":true,\"exitcode\":3,\"out-data\":\"aMO8/wcK\",\"err-data\":\"!\"}}\n");
    ck_assert_int_eq(agent.exec.state, EXEC_ENDED);
    ck_assert_int_eq(agent_exec_result(&agent.exec, ctx, &result), 0);
    ck_assert_int_eq(result.status, 3);
    ck_assert_str_eq(result.out, "h\xc3\xbc\n");
    ck_assert_str_eq(result.err, "");
    talloc_free(ctx);
    agent_proto_fini(&agent);
}
END_TEST

START_TEST(a_program_that_ended_by_a_signal_has_failed_whatever_its_number)
{
    static const struct {
        const char *answer;
        int64_t status;
    } cases[] = {{"{\"return\":{\"exited\":true,\"signal\":9}}\n", 137},
                 {"{\"return\":{\"exited\":true,\"signal\":9223372036854775807}}\n", 128},
                 {"{\"return\":{\"exited\":true,\"signal\":-128}}\n", 128}};

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hv_command_result result;
        void *ctx = talloc_new(NULL);

        program_runs();
        agent_says(cases[i].answer);
        ck_assert_int_eq(agent_exec_result(&agent.exec, ctx, &result), 0);
        ck_assert_int_eq(result.status, cases[i].status);
        talloc_free(ctx);
        agent_proto_fini(&agent);
    }
}
END_TEST

START_TEST(orders_and_rounds_go_on_while_a_program_runs)
{
    program_runs();
    agent_proto_order(&agent, ORDER_POWERDOWN, now);
    agent_says("{\"return\":{\"exited\":false}}\n");
    assert_sent("{\"execute\":\"guest-shutdown\",\"arguments\":{\"mode\":\"powerdown\"}}\n");
    agent_proto_fini(&agent);

    program_runs();
    now = agent.round_at;
    agent_says("{\"return\":{\"exited\":false}}\n");
    agent_proto_wake(&agent, now);
    assert_sent("{\"execute\":\"guest-network-get-interfaces\"}\n");
    now += 100 * MS;
    agent_says("{\"return\":[]}\n");
    assert_sent("{\"execute\":\"guest-exec-status\",\"arguments\":{\"pid\":7}}\n");
    agent_proto_fini(&agent);
}
END_TEST

START_TEST(what_becomes_of_a_program_is_always_heard_of)
{
    void *ctx = talloc_new(NULL);
    struct hv_command_result result;

    agent_introduced();
    agent_proto_run(&agent, &(struct hv_command){.path = "/x"}, now);
    agent_says("{\"error\":{\"class\":\"GenericError\",\"desc\":\"No such file\"}}\n");
    ck_assert_int_eq(agent.exec.state, EXEC_ENDED);
    ck_assert_int_eq(agent_exec_result(&agent.exec, ctx, &result), -EREMOTEIO);
    ck_assert_str_eq(buf_cstr(&agent.exec.refusal), "No such file");
    agent_proto_run(&agent, &(struct hv_command){.path = "/x"}, now);
    agent_says("{\"return\":{\"pid\":\"seven\"}}\n");
    ck_assert_str_eq(buf_cstr(&agent.exec.refusal), "the answer makes no sense");
    agent_proto_run(&agent, &(struct hv_command){.path = "/x"}, now);
    now = agent.wake_at;
    agent_proto_wake(&agent, now); /* no answer in time */
    ck_assert_int_eq(agent.state, AGENT_SYNCING);
    ck_assert_str_eq(buf_cstr(&agent.exec.refusal), "the agent does not answer");
    agent_proto_fini(&agent);

    program_runs();
    agent_proto_closed(&agent);
    ck_assert_int_eq(agent.exec.state, EXEC_ENDED);
    ck_assert_str_eq(buf_cstr(&agent.exec.refusal), "the agent has gone");
    agent_proto_fini(&agent);

    program_runs();
    agent_proto_run(&agent, NULL, now);
    agent_says("{\"return\":{\"exited\":true}}\n");
    ck_assert_int_eq(agent.exec.state, EXEC_NONE);
    ck_assert_int_eq(agent.state, AGENT_IDLE);
    agent_proto_fini(&agent);
    talloc_free(ctx);
}
END_TEST

START_TEST(an_order_is_sent_at_the_end_of_a_round_too_and_at_once_when_idle)
{
    agent_introduced();
    agent_proto_order(&agent, ORDER_REBOOT, now);
    assert_sent("{\"execute\":\"guest-shutdown\",\"arguments\":{\"mode\":\"reboot\"}}\n");
    agent_proto_closed(&agent);
    ck_assert_int_eq(agent.state, AGENT_CLOSED);
    ck_assert_int_eq(agent.wake_at, CLOCK_NEVER);
    agent_says("{\"return\":{}}\n");
    assert_sent("");
    agent_proto_fini(&agent);

    agent_synced();
    for (unsigned i = 0; i < 3; i++)
        agent_says("{\"return\":{}}\n");
    buf_reset(&agent.out);
    agent_proto_order(&agent, ORDER_POWERDOWN, now);
    agent_says("{\"return\":[]}\n");
    assert_sent("{\"execute\":\"guest-shutdown\",\"arguments\":{\"mode\":\"powerdown\"}}\n");
    agent_proto_fini(&agent);
}
END_TEST

START_TEST(processors_are_switched_and_the_agent_says_how_many)
{
    agent_introduced();
    agent_proto_order_processors(&agent, 2, 4, now);
    assert_sent("{\"execute\":\"guest-set-vcpus\",\"arguments\":{\"vcpus\":["
                "{\"logical-id\":1,\"online\":true},{\"logical-id\":2,\"online\":false},"
                "{\"logical-id\":3,\"online\":false}]}}\n");
    ck_assert(!agent.order_done && !agent.order_refused);
    agent_says("{\"return\":3}\n");
    ck_assert(agent.order_done && !agent.order_refused);
    agent_proto_fini(&agent);

    agent_introduced();
    agent_proto_order_processors(&agent, 1, 4, now);
    agent_says("{\"return\":1}\n");
    ck_assert(!agent.order_done && agent.order_refused);
    agent_proto_fini(&agent);
}
END_TEST

#define BLOCKS                                                                                          \
    "{\"return\":[{\"phys-index\":0,\"online\":true},{\"phys-index\":32,\"online\":false},{\"online\":" \
    "false},"                                                                                           \
    "7,{\"phys-index\":33,\"online\":false}]}\n"

START_TEST(memory_that_is_off_is_switched_on)
{
    agent_introduced();
    agent_proto_order(&agent, ORDER_MEMORY, now);
    assert_sent("{\"execute\":\"guest-get-memory-blocks\"}\n");
    agent_says(BLOCKS);
    assert_sent("{\"execute\":\"guest-set-memory-blocks\",\"arguments\":{\"mem-blks\":["
                "{\"phys-index\":32,\"online\":true},{\"phys-index\":33,\"online\":true}]}}\n");
    ck_assert(!agent.order_done && !agent.order_refused);
    agent_says("{\"return\":[{\"phys-index\":32,\"response\":\"success\"}]}\n");
    ck_assert(agent.order_done && !agent.order_refused);
    agent_proto_fini(&agent);

    agent_introduced();
    agent_proto_order(&agent, ORDER_MEMORY, now);
    agent_says(BLOCKS);
    agent_says("{\"return\":[{\"phys-index\":32,\"response\":\"operation-failed\"}]}\n");
    ck_assert(!agent.order_done && agent.order_refused);
    agent_proto_fini(&agent);

    agent_introduced();
    agent_proto_order(&agent, ORDER_MEMORY, now);
    agent_says("{\"return\":[{\"phys-index\":0,\"online\":true}]}\n");
    ck_assert(agent.order_done);
    agent_proto_fini(&agent);

    agent_introduced();
    agent_proto_order(&agent, ORDER_MEMORY, now);
    agent_says("{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"no\"}}\n");
    ck_assert(agent.order_refused);
    agent_proto_fini(&agent);
}
END_TEST

START_TEST(an_agent_that_comes_to_a_grown_guest_switches_its_memory_on)
{
    agent_synced();
    agent.grown = true;
    for (unsigned i = 0; i < 3; i++)
        agent_says("{\"return\":{}}\n");
    buf_reset(&agent.out);
    agent_says("{\"return\":[]}\n");
    assert_sent("{\"execute\":\"guest-get-memory-blocks\"}\n");
    agent_proto_fini(&agent);
}
END_TEST

START_TEST(what_a_guest_says_is_cut_to_size)
{
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    char text[2000];
    json_t *v;

    memset(text, 'x', sizeof text);
    memcpy(text + 252, "\xf0\x9f\x90\x80", 4); /* a character that straddles the limit */
    text[sizeof text - 1] = '\0';
    v = json_string(text);
    ck_assert_uint_eq(strlen(agent_facts_text(ctx, v)), 252);
    json_decref(v);
    v = json_integer(5);
    ck_assert_ptr_null(agent_facts_text(ctx, v));
    ck_assert_ptr_null(agent_facts_os(ctx, v));
    ck_assert_ptr_null(agent_facts_addresses(ctx, v, nics, 2));
    json_decref(v);
    ck_assert_ptr_null(agent_facts_text(ctx, NULL));
}
END_TEST

/* ---- command lines ---- */

static const struct qemu_cmdline_host host = {"/usr/bin/qemu", "tcg", true};
static const struct qemu_cmdline_how fresh = {.layout = {.queues = 4}};

/* The argument after this option that contains the text; NULL when there is none. */
static const char *find_argument(const char **argv, const char *option, const char *text)
{
    for (; argv[0] && argv[1]; argv++)
        if (strcmp(argv[0], option) == 0 && strstr(argv[1], text))
            return argv[1];
    return NULL;
}

START_TEST(paths_and_names_cannot_change_an_option)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    struct hv_disk disk = {.bus = HV_BUS_VIRTIO, .path = "/a,file.driver=nbd\"},{\"", .format = "qcow2"};
    struct hv_vm_spec s;
    const char **argv;
    json_t *blockdev;

    fixture_spec(&s);
    s.name = "x,debug-threads=on -S";
    s.disks = &disk;
    s.n_disks = 1;
    argv = qemu_cmdline(ctx, &host, &s, &fresh, &e);
    ck_assert_ptr_nonnull(argv);
    blockdev = json_loads(find_argument(argv, "-blockdev", "qcow2"), 0, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(blockdev, "file"), "filename")),
                     disk.path);
    json_decref(blockdev);
    ck_assert_ptr_null(find_argument(argv, "-name", "debug"));
    ck_assert_ptr_nonnull(find_argument(argv, "-m", "size=65536k"));
}
END_TEST

START_TEST(the_boot_order_numbers_the_devices)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_TALLOC void *ctx = talloc_new(NULL);
    struct hv_disk disks[] = {{.userdevice = 0, .path = "/a"},
                              {.userdevice = 3, .cdrom = true, .path = "/b"}};
    struct hv_nic nic = {.mac = "02:00:00:00:00:01", .backend = HV_NIC_USER};
    struct hv_vm_spec s;
    const char **argv;

    fixture_spec(&s);
    s.boot_order = "dc";
    s.disks = disks;
    s.n_disks = 2;
    s.nics = &nic;
    s.n_nics = 1;
    argv = qemu_cmdline(ctx, &host, &s, &fresh, &e);
    ck_assert_ptr_nonnull(strstr(find_argument(argv, "-device", "ide-cd"), "\"bootindex\":1"));
    ck_assert_ptr_nonnull(strstr(find_argument(argv, "-device", "virtio-blk"), "\"bootindex\":64"));
    ck_assert_ptr_null(strstr(find_argument(argv, "-device", "virtio-net"), "bootindex"));
    ck_assert_ptr_nonnull(strstr(find_argument(argv, "-device", "virtio-net"), "\"romfile\":\"\""));
    ck_assert_ptr_nonnull(strstr(find_argument(argv, "-blockdev", "/b"), "\"read-only\":true"));
}
END_TEST

START_TEST(a_specification_that_cannot_be_is_refused)
{
    CLEANUP_ERR struct err e = {0};
    struct hv_disk disks[5] = {
        {.cdrom = true}, {.cdrom = true}, {.cdrom = true}, {.cdrom = true}, {.cdrom = true}};
    struct hv_nic nic = {.mac = NULL};
    struct hv_vm_spec s;

    fixture_spec(&s);
    s.disks = disks;
    s.n_disks = 5;
    ck_assert_ptr_null(qemu_cmdline(NULL, &host, &s, &fresh, &e));
    ck_assert(err_is(&e, "DOMAIN_BUILDER_ERROR"));
    err_clear(&e);
    s.n_disks = 1;
    disks[0] = (struct hv_disk){.path = "/not\xff utf-8"};
    ck_assert_ptr_null(qemu_cmdline(NULL, &host, &s, &fresh, &e));
    ck_assert(err_is(&e, "DOMAIN_BUILDER_ERROR"));
    err_clear(&e);
    s.n_disks = 0;
    s.nics = &nic;
    s.n_nics = 1;
    ck_assert_ptr_null(qemu_cmdline(NULL, &host, &s, &fresh, &e));
    ck_assert(err_is(&e, "DOMAIN_BUILDER_ERROR"));
    err_clear(&e);
    s.n_nics = 0;
    s.boot = HV_BOOT_KERNEL;
    ck_assert_ptr_null(qemu_cmdline(NULL, &host, &s, &fresh, &e));
    ck_assert(err_is(&e, "DOMAIN_BUILDER_ERROR"));
}
END_TEST

/* ---- notes and folders ---- */

START_TEST(a_line_of_proc_is_read_whatever_the_process_is_called)
{
    static const char rest[] = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21 22\n";
    static const char *const names[] = {"(qemu)", "(a b)", "() 1 2 3 (x)", "(\xff\n)", "()"};
    static const char *const bad[] = {
        "",         "x",       "5",
        "5 (q",     "5 (q)",   "5 (q) S 1 2",
        "-5 (q) S", "0 (q) S", "5 (q) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x"};
    uint64_t start;
    char text[200];
    pid_t pid;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(text, sizeof text, "321 %s %s", names[i], rest);
        ck_assert(process_stat_parse(text, &pid, &start));
        ck_assert_int_eq(pid, 321);
        ck_assert_uint_eq(start, 987654);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert(!process_stat_parse(bad[i], &pid, &start));
}
END_TEST

START_TEST(a_folder_deep_down_still_has_sockets_and_goes_whole)
{
    static struct fixture f;
    char path[600], uuid[UUID_TEXT_SIZE];
    int vms, dir, server, client;

    fixture_init(&f);
    snprintf(path, sizeof path, "%s/%0150d", f.dir, 7); /* longer than the address of a unix socket may be */
    ck_assert_int_eq(mkdir(path, 0700), 0);
    vms = vm_dirs_open(path);
    uuid_new(uuid);
    dir = vm_dir_create(vms, uuid);
    ck_assert_int_ge(dir, 0);
    ck_assert_int_eq(vm_dir_create(vms, uuid), -EEXIST);
    ck_assert_int_lt(vm_dir_connect(dir, "s.sock"), 0);
    server = vm_dir_listen(dir, "s.sock");
    client = vm_dir_connect(dir, "s.sock");
    ck_assert_int_ge(server, 0);
    ck_assert_int_ge(client, 0);
    ck_assert_int_eq(vm_dir_write(dir, VM_DIR_QEMU_LOG, "first\nlast words\n\n"), 0);
    CLEANUP_FREE char *words = vm_dir_last_words(dir);
    ck_assert_str_eq(words, "last words");
    close(server);
    close(client);
    close(dir);
    ck_assert_int_eq(vm_dir_remove(vms, uuid), 0);
    ck_assert_int_eq(vm_dir_remove(vms, uuid), 0);
    ck_assert_int_eq(vm_dir_open(vms, uuid), -ENOENT);
    close(vms);
}
END_TEST

START_TEST(a_log_that_grows_is_moved_aside)
{
    static struct fixture f;
    char byte = 'x';
    int vms, dir, fd;

    fixture_init(&f);
    vms = vm_dirs_open(f.dir);
    dir = vm_dir_create(vms, "logs");
    fd = openat(dir, VM_DIR_CONSOLE_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    for (unsigned i = 0; i < 101; i++)
        ck_assert_int_eq(write(fd, &byte, 1), 1);
    vm_dir_trim_log(dir, VM_DIR_CONSOLE_LOG, 101);
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), 101);
    vm_dir_trim_log(dir, VM_DIR_CONSOLE_LOG, 100);
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), 0);
    ck_assert_int_eq(write(fd, "y", 1), 1); /* its writer goes on at the new end */
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), 1);
    CLEANUP_FREE char *old = vm_dir_read(dir, VM_DIR_CONSOLE_LOG ".1", 200);
    ck_assert_uint_eq(strlen(old), 101);
    close(fd);
    close(dir);
    close(vms);
}
END_TEST

/* ---- the probe ---- */

static void co_probe(void *unused)
{
    CLEANUP_ERR struct err e = {0};
    struct qemu_probe first, second;
    static struct fixture f;
    char path[100];
    struct stat before, after;

    fixture_init(&f);
    ck_assert_int_eq(co_qemu_probe(f.dir, &first, &e), 0);
    snprintf(path, sizeof path, "%s/hypervisor.json", f.dir);
    ck_assert_int_eq(stat(path, &before), 0);
    ck_assert_int_eq(co_qemu_probe_try(f.dir, first.program, "tcg", first.sandbox, clock_in_ms(60000)),
                     1); /* the firmware does what it should */
    ck_assert_int_eq(
        co_qemu_probe_try(f.dir, first.program, "no-such-accelerator", false, clock_in_ms(60000)), 0);
    ck_assert_int_eq(co_qemu_probe(f.dir, &second, &e), 0);
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert_int_eq(before.st_ino, after.st_ino); /* remembered, not asked again */
    ck_assert_str_eq(first.accelerator, second.accelerator);
    ck_assert_str_eq(first.version, second.version);
}

START_TEST(an_accelerator_is_tried_out_once)
{
    run_in_fiber(co_probe, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("protocol");
    TCase *c = tcase_create("protocol");
    int r;

    fixture_program_begin();
    tcase_set_timeout(c, TEST_HANG_GUARD_S);
    tcase_add_test(c, lines_become_objects_however_they_are_cut);
    tcase_add_test(c, a_line_that_is_no_object_costs_only_itself);
    tcase_add_test(c, a_line_that_is_too_long_is_dropped_and_not_kept);
    tcase_add_test(c, deep_nesting_is_refused_before_it_is_parsed);
    tcase_add_test(c, an_agent_is_asked_once_who_it_is_and_often_where);
    tcase_add_test(c, the_same_answer_is_no_news);
    tcase_add_test(c, an_agent_that_knows_no_question_is_there_all_the_same);
    tcase_add_test(c, an_agent_that_falls_silent_is_synchronised_anew);
    tcase_add_test(c, a_sync_that_is_not_answered_is_tried_again_ever_slower);
    tcase_add_test(c, an_agent_that_is_back_is_news_even_if_it_says_the_same);
    tcase_add_test(c, a_program_is_asked_about_until_it_has_ended);
    tcase_add_test(c, a_program_that_ended_by_a_signal_has_failed_whatever_its_number);
    tcase_add_test(c, orders_and_rounds_go_on_while_a_program_runs);
    tcase_add_test(c, what_becomes_of_a_program_is_always_heard_of);
    tcase_add_test(c, an_order_waits_for_the_question_under_way);
    tcase_add_test(c, memory_that_is_off_is_switched_on);
    tcase_add_test(c, an_agent_that_comes_to_a_grown_guest_switches_its_memory_on);
    tcase_add_test(c, processors_are_switched_and_the_agent_says_how_many);
    tcase_add_test(c, an_order_is_sent_at_the_end_of_a_round_too_and_at_once_when_idle);
    tcase_add_test(c, what_a_guest_says_is_cut_to_size);
    tcase_add_test(c, paths_and_names_cannot_change_an_option);
    tcase_add_test(c, the_boot_order_numbers_the_devices);
    tcase_add_test(c, a_specification_that_cannot_be_is_refused);
    tcase_add_test(c, a_line_of_proc_is_read_whatever_the_process_is_called);
    tcase_add_test(c, a_folder_deep_down_still_has_sockets_and_goes_whole);
    tcase_add_test(c, a_log_that_grows_is_moved_aside);
    if (system("qemu-system-x86_64 --version >/dev/null 2>&1") == 0)
        tcase_add_test(c, an_accelerator_is_tried_out_once);
    suite_add_tcase(s, c);
    r = run_suite(s);
    fixture_program_end();
    return r;
}
