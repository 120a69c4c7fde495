/*
 * Plays QEMU for the driver's tests: takes QEMU's command line (and ignores it), speaks QMP on the listening
 * descriptor that the driver passes, and misbehaves as the environment says:
 *
 *   FAKE_QEMU="<what>:<n>[,<what>:<n> …]"   at the n-th command it receives (0: at the greeting)
 *     error    answers an error            cut      closes the connection, then listens on
 *     garbage  sends bytes that are no JSON    huge     sends a line of 5 MiB
 *     slow     answers after 30 ms         silent   never answers (and says nothing more)
 *     odd      answers before its events, after answers to commands nobody sent
 *     exit     ends without a word         split    answers byte by byte
 *   deaf:0     does not obey the power button
 *   drowsy:0   does not hear its first press
 *   heedless:0 its guest does not hear the first request to give up a processor
 *   vague:0    says nothing useful of its processors
 *   lingering:0 takes no "cont" for some time after it has called a move completed
 *   kvm:0      says that it uses KVM
 *   busy:n     its guest changes its memory so fast that a move ends with a downtime limit of n ms only, or
 * if it stands still fails:0    every move that leaves it fails     full:0     so does every mirror
 *   restless:0 its guest closes the tray of a CD drive between commands    shut:0     its tray never opens
 *   crowded:n  has n of its slots for memory taken   choosy:0   its guest refuses memory, and lets go of it
 *   newer:0    does not take a socket that listens in the place of "tcp:"'s address
 *   die:0      says why and ends before it answers anything
 */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "hv/qemu/cmdline.h"

static int connection = -1;
static unsigned received; /* commands, over all connections */
static bool running, silenced;
static unsigned lingering;        /* questions for the status until a move is over */
static unsigned processors = 1;   /* of PLACES */
static const char *move = "none"; /* its status */
static bool pauses;               /* a move stops before its end */
static json_int_t limit_ms;       /* of what its guest may notice */
static unsigned passes;           /* over its memory */
static const char *mirror;        /* the status of a job; NULL: there is none */
static char job[24] = "move0";    /* its name */
static bool serves;               /* disks */
struct node {
    char name[32], file[200]; /* "": there is none */
};
static struct node drive = {"node0", "/dev/null"}, other; /* of disk0, and beside it */
static bool tray_open, loaded;                            /* the CD drive, disk3 */
#define PLACES 4
static bool asked_back[PLACES];

/* Is it to do this at this command? */
static bool told(const char *what, unsigned n)
{
    const char *at = getenv("FAKE_QEMU");
    size_t length = strlen(what);

    for (; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (strncmp(at, what, length) == 0 && at[length] == ':' && strtoul(at + length + 1, NULL, 10) == n)
            return true;
    return false;
}

/* The limit below which a move of its guest does not end; 0: none. */
static unsigned busy(void)
{
    const char *at = getenv("FAKE_QEMU") ? strstr(getenv("FAKE_QEMU"), "busy:") : NULL;

    return at ? (unsigned)strtoul(at + 5, NULL, 10) : 0;
}

/* Is it told so with a number above n? */
static bool told_below(const char *what, int n)
{
    const char *at = getenv("FAKE_QEMU") ? strstr(getenv("FAKE_QEMU"), what) : NULL;

    return at && (int)strtoul(at + strlen(what) + 1, NULL, 10) > n;
}

/* ---- sending ---- */

static void say(const char *text, size_t n)
{
    size_t piece = told("split", received) ? 1 : n;

    for (size_t done = 0; connection >= 0 && !silenced && done < n;) {
        ssize_t w = send(connection, text + done, piece < n - done ? piece : n - done, MSG_NOSIGNAL);

        if (w <= 0)
            return;
        done += (size_t)w;
    }
}

static void say_line(const char *text)
{
    say(text, strlen(text));
    say("\r\n", 2);
}

static void say_event(const char *name, const char *data)
{
    char line[300];

    snprintf(line, sizeof line,
             "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"%s\", \"data\": %s}", name,
             data);
    say_line(line);
}

static void say_huge(void)
{
    static char piece[65536];

    memset(piece, 'x', sizeof piece);
    for (unsigned i = 0; i < 80; i++)
        say(piece, sizeof piece);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){0, ms * 1000000}, NULL);
}

static void hang_up(void)
{
    if (connection >= 0)
        close(connection);
    connection = -1;
}

/* What happens instead of an answer, or before it. True: there is no answer. */
static bool misbehave(void)
{
    if (told("exit", received))
        _exit(3);
    if (told("silent", received))
        silenced = true;
    if (told("slow", received))
        pause_ms(30);
    if (told("garbage", received))
        say_line("\xff\xfe{{{{ this is no JSON \x01 [[[[");
    if (told("huge", received))
        say_huge();
    if (told("cut", received))
        hang_up();
    if (told("odd", received))
        say_line(
            "{\"return\": {}, \"id\": 99999}\n{\"return\": 5, \"id\": \"x\"}\n{\"id\": []}\n{}\n\n"
            "{\"event\": \"NO_SUCH_EVENT\"}\n{\"event\": 5}\n{\"event\": \"VSERPORT_CHANGE\", \"data\": 7}\n"
            "{\"event\": \"RESET\"}\n{\"error\": \"text\", \"id\": 12345}");
    return connection < 0 || silenced || told("garbage", received) || told("huge", received);
}

/* ---- commands ---- */

struct command {
    const char *name;
    const char *event, *event_data; /* before the answer; NULL: none */
    bool sets_running, running;
    bool ends;
};

static const struct command commands[] = {
    {.name = "qmp_capabilities"},
    {.name = "cont", .event = "RESUME", .event_data = "{}", .sets_running = true, .running = true},
    {.name = "stop", .event = "STOP", .event_data = "{}", .sets_running = true},
    {.name = "migrate", .event = "MIGRATION", .event_data = "{\"status\": \"setup\"}"},
    {.name = "migrate-incoming", .event = "MIGRATION", .event_data = "{\"status\": \"setup\"}"},
    {.name = "balloon", .event = "BALLOON_CHANGE", .event_data = "{\"actual\": 50331648}"},
    {.name = "system_reset",
     .event = "RESET",
     .event_data = "{\"guest\": false, \"reason\": \"host-qmp-system-reset\"}"},
    {.name = "system_powerdown", .event = "POWERDOWN", .event_data = "{}", .ends = true},
    {.name = "quit",
     .event = "SHUTDOWN",
     .event_data = "{\"guest\": false, \"reason\": \"host-qmp-quit\"}",
     .ends = true},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* ---- memory in slots ---- */

#define SLOTS 32
static json_int_t backends[SLOTS], dimms[SLOTS];

static int slot_of(const json_t *arguments, const char *kind)
{
    const char *id = json_string_value(json_object_get(arguments, "id"));
    size_t n = strlen(kind);

    return id && strncmp(id, kind, n) == 0 && id[n] ? (int)(strtoul(id + n, NULL, 10) % SLOTS) : -1;
}

static void change_memory(const char *name, const json_t *arguments)
{
    int backend = slot_of(arguments, "memory"), dimm = slot_of(arguments, "dimm");

    if (strcmp(name, "object-add") == 0 && backend >= 0)
        backends[backend] = json_integer_value(json_object_get(arguments, "size"));
    if (strcmp(name, "object-del") == 0 && backend >= 0 && !dimms[backend])
        backends[backend] = 0;
    if (strcmp(name, "device_add") == 0 && dimm >= 0)
        dimms[dimm] = backends[dimm];
    if (strcmp(name, "device_del") == 0 && dimm >= 0)
        dimms[dimm] = 0;
}

static const char *describe_memory(void)
{
    static char text[2400];
    size_t n = (size_t)snprintf(text, sizeof text, "[{}, 3");

    for (int i = 0; i < SLOTS; i++)
        if (dimms[i] || told_below("crowded", i))
            n += (size_t)snprintf(text + n, sizeof text - n, ",{\"data\":{\"slot\":%d,\"size\":%lld}}", i,
                                  dimms[i] ? (long long)dimms[i] : 134217728);
    snprintf(text + n, sizeof text - n, "]");
    return text;
}

static const char *describe_taking(void)
{
    static char text[200];

    snprintf(text, sizeof text, "[{}, {\"device\": \"dimm0\", \"source\": 1, \"status\": %d}]",
             told("choosy", 0));
    return text;
}

/* The places for processors, the last one first, as QEMU has it. */
static const char *describe_places(void)
{
    static char text[1000];
    size_t n = 0;

    text[n++] = '[';
    for (unsigned i = PLACES; i-- > 0;)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "{\"type\": \"max-x86_64-cpu\", \"vcpus-count\": 1, \"props\": {\"socket-id\": "
                              "%u, \"core-id\": 0, \"thread-id\": 0}%s%u%s}%s",
                              i, i < processors ? ", \"qom-path\": \"/cpu/" : ", \"x\": ", i,
                              i < processors ? "\"" : "", i ? ", " : "]");
    return text;
}

/* Only the next place may be filled. */
static void change_processors(const char *name, const json_t *arguments)
{
    static unsigned requests;
    json_int_t socket = json_integer_value(json_object_get(arguments, "socket-id"));
    const char *path = json_string_value(json_object_get(arguments, "id"));
    unsigned i;

    if (strcmp(name, "device_add") == 0 && socket == (json_int_t)processors)
        processors++;
    if (strcmp(name, "device_del") != 0 || !path || sscanf(path, "/cpu/%u", &i) != 1 || i >= PLACES)
        return;
    if (requests++ > 0 || !told("heedless", 0))
        asked_back[i] = true;
}

/* The guest gives up one of those it was asked for, the first of them, and hangs once there is a gap. */
static void give_up_processor(void)
{
    unsigned i = 0;

    while (i < PLACES && !asked_back[i])
        i++;
    if (i == PLACES || i != processors - 1)
        return;
    asked_back[i] = false;
    processors--;
}

/* ---- moves ---- */

static bool capability_is_on(const json_t *arguments, const char *name)
{
    const json_t *list = json_object_get(arguments, "capabilities"), *entry;
    bool on = false;
    size_t i;

    json_array_foreach (list, i, entry) {
        const char *capability = json_string_value(json_object_get(entry, "capability"));

        if (capability && strcmp(capability, name) == 0)
            on = json_is_true(json_object_get(entry, "state"));
    }
    return on;
}

static const struct {
    const char *command;
    const char **of, *becomes;
} steps[] = {
    {"migrate-incoming", &move, "setup"},
    {"migrate-continue", &move, "completed"},
    {"migrate-start-postcopy", &move, "pre-switchover"},
    {"blockdev-mirror", &mirror, "ready"},
    {"block-job-cancel", &mirror, "concluded"},
    {"block-job-complete", &mirror, "concluded"},
    {"job-dismiss", &mirror, NULL},
};

static void copy_text(char *to, size_t size, const json_t *text)
{
    snprintf(to, size, "%s", json_string_value(text) ? json_string_value(text) : "");
}

/* Nodes of disk0, and the job that copies one to the other. */
static void change_nodes(const char *name, const json_t *arguments)
{
    const char *node = json_string_value(json_object_get(arguments, "node-name"));

    if (strcmp(name, "blockdev-add") == 0 && node && strncmp(node, "node0.", 6) == 0) {
        copy_text(other.name, sizeof other.name, json_object_get(arguments, "node-name"));
        copy_text(other.file, sizeof other.file,
                  json_object_get(json_object_get(arguments, "file"), "filename"));
    }
    if (strcmp(name, "blockdev-del") == 0 && node && strcmp(node, other.name) == 0)
        other = (struct node){"", ""};
    if (strcmp(name, "blockdev-mirror") == 0)
        copy_text(job, sizeof job, json_object_get(arguments, "job-id"));
    if (strcmp(name, "block-job-complete") == 0 && mirror && !told("full", 0)) {
        struct node was = drive;

        drive = other;
        other = was;
    }
}

static const char *describe_nodes(void)
{
    static char text[700];

    snprintf(text, sizeof text,
             "[{\"node-name\": \"%s\", \"file\": \"%s\"}, {\"node-name\": \"move0\"}, {}, 3%s%s%s%s%s]",
             drive.name, drive.file, other.name[0] ? ", {\"node-name\": \"" : "", other.name,
             other.name[0] ? "\", \"file\": \"" : "", other.file, other.name[0] ? "\"}" : "");
    return text;
}

/* What a command makes of moves and mirrors. */
static void move_on(const char *name, const json_t *arguments)
{
    change_nodes(name, arguments);
    if (strcmp(name, "migrate-set-capabilities") == 0)
        pauses = capability_is_on(arguments, "pause-before-switchover");
    if (strcmp(name, "migrate") == 0)
        move = told("fails", 0) ? "failed" : busy() ? "active" : pauses ? "pre-switchover" : "completed";
    if (strcmp(name, "migrate-set-parameters") == 0 && json_object_get(arguments, "downtime-limit"))
        limit_ms = json_integer_value(json_object_get(arguments, "downtime-limit"));
    if (strcmp(name, "migrate_cancel") == 0 &&
        (strcmp(move, "pre-switchover") == 0 || strcmp(move, "active") == 0))
        move = "cancelled";
    if (strcmp(name, "nbd-server-start") == 0)
        serves = true;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (strcmp(name, steps[i].command) == 0)
            *steps[i].of = steps[i].becomes;
    if (mirror && strcmp(mirror, "ready") == 0 && told("full", 0))
        mirror = "concluded";
}

/* A guest that is awaited comes with the second look. */
static const char *describe_move(void)
{
    static char text[200];

    if (strcmp(move, "active") == 0 && (limit_ms >= (json_int_t)busy() || !running))
        move = "pre-switchover";
    if (strcmp(move, "active") == 0)
        passes++;
    snprintf(text, sizeof text,
             "{\"ram\": {\"dirty-sync-count\": %u}, \"status\": \"%s\", \"socket-address\": [{\"type\": "
             "\"inet\", \"port\": \"4711\"}]}",
             passes, move);
    if (strcmp(move, "setup") == 0)
        move = "completed";
    return text;
}

static const char *describe_jobs(void)
{
    static char text[300];

    snprintf(text, sizeof text,
             "[{\"id\": \"other\", \"status\": \"running\"}, {\"id\": \"%s\", \"status\": \"%s\", "
             "\"current-progress\": 5, \"total-progress\": 5%s}]",
             job, mirror ? mirror : "", told("full", 0) ? ", \"error\": \"no space\"" : "");
    return mirror ? text : "[]";
}

/* ---- the CD drive ---- */

/* A restless guest closes it again at once every other time, and whenever a disk is opened. */
static void change_drive(const char *name)
{
    static unsigned openings;

    if (strcmp(name, "blockdev-open-tray") == 0 && !tray_open)
        tray_open = !told("shut", 0) && (openings++ % 2 == 1 || !told("restless", 0));
    if (strcmp(name, "blockdev-close-tray") == 0 ||
        (told("restless", 0) && strcmp(name, "blockdev-add") == 0))
        tray_open = false;
    if (strcmp(name, "blockdev-insert-medium") == 0)
        loaded = true;
    if (strcmp(name, "blockdev-remove-medium") == 0)
        loaded = false;
}

static const char *describe_drives(void)
{
    static char text[300];

    snprintf(text, sizeof text,
             "[{}, 7, {\"qdev\": \"/machine/peripheral/disk0/virtio-backend\", \"inserted\": "
             "{\"node-name\": \"%s\"}}, {\"qdev\": \"disk3\", \"tray_open\": %s%s}]",
             drive.name, tray_open ? "true" : "false",
             loaded ? ", \"inserted\": {\"node-name\": \"node3\"}" : "");
    return text;
}

/* Refusals without which an idempotent caller would not be put to the test. */
static bool refuses_now(const char *name)
{
    bool stop = strcmp(name, "nbd-server-stop") == 0, refuses = stop && !serves;

    if (stop)
        serves = false;
    if (strcmp(name, "blockdev-insert-medium") == 0 || strcmp(name, "blockdev-remove-medium") == 0)
        refuses = !tray_open;
    if (strcmp(name, "block-job-complete") == 0)
        refuses = !mirror || strcmp(mirror, "ready") != 0;
    return refuses || (lingering > 0 && strcmp(name, "cont") == 0);
}

static const char *answer_of(const char *name)
{
    if (strcmp(name, "query-migrate") == 0)
        return describe_move();
    if (strcmp(name, "query-jobs") == 0)
        return describe_jobs();
    if (strcmp(name, "query-kvm") == 0)
        return told("kvm", 0) ? "{\"enabled\": true, \"present\": true}" : "{\"enabled\": false}";
    if (strcmp(name, "query-version") == 0)
        return "{\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"\"}";
    if (strcmp(name, "query-block") == 0)
        return describe_drives();
    if (strcmp(name, "query-named-block-nodes") == 0)
        return describe_nodes();
    if (strcmp(name, "query-hotpluggable-cpus") == 0)
        give_up_processor();
    if (strcmp(name, "query-hotpluggable-cpus") == 0)
        return told("vague", 0) ? "[{}, 5, null, {\"props\": 7}, {\"props\": {\"socket-id\": -1}, "
                                  "\"qom-path\": \"x\"}]"
                                : describe_places();
    if (strcmp(name, "query-cpus-fast") == 0)
        return "[{\"thread-id\": 1}, {\"thread-id\": -5}, {\"thread-id\": \"x\"}, {}, 3]";
    if (strcmp(name, "query-memory-devices") == 0)
        return describe_memory();
    if (strcmp(name, "query-acpi-ospm-status") == 0)
        return describe_taking();
    if (strcmp(name, "qom-list") == 0)
        return "[{\"name\": \"type\"}, {\"name\": \"disk0\"}, {\"name\": \"disk\"}, {\"name\": 7}, {}, 3]";
    if (strcmp(name, "query-balloon") == 0)
        return "{\"actual\": 67108864}";
    if (strcmp(name, "query-status") == 0 && lingering > 0 && lingering-- > 0)
        return "{\"status\": \"finish-migrate\", \"running\": false}";
    if (strcmp(name, "query-status") == 0)
        return running ? "{\"status\": \"running\", \"running\": true}"
                       : "{\"status\": \"paused\", \"running\": false}";
    if (strcmp(name, "query-chardev") == 0)
        return "[{\"label\": \"qmp\", \"frontend-open\": true}, {\"label\": \"agent\", \"frontend-open\": "
               "false}, {}, 3]";
    return "{}";
}

static void answer(const char *name, json_int_t id, bool refuses)
{
    char line[2600];

    if (refuses)
        snprintf(line, sizeof line,
                 "{\"id\": %lld, \"error\": {\"class\": \"GenericError\", \"desc\": \"told to refuse %s\"}}",
                 (long long)id, name);
    else
        snprintf(line, sizeof line, "{\"return\": %s, \"id\": %lld}", answer_of(name), (long long)id);
    say_line(line);
}

static void shut_down(const char *name)
{
    static unsigned presses;

    if (strcmp(name, "system_powerdown") == 0) {
        if (told("deaf", 0) || (presses++ == 0 && told("drowsy", 0)))
            return;
        say_event("SHUTDOWN", "{\"guest\": true, \"reason\": \"guest-shutdown\"}");
    }
    exit(0);
}

static bool refuses_uri(const json_t *arguments)
{
    const char *uri = json_string_value(json_object_get(arguments, "uri"));

    return uri && strncmp(uri, "tcp:fd:", 7) == 0 && told("newer", 0);
}

static void execute(const char *name, const json_t *arguments, json_int_t id)
{
    const struct command *c = find_command(name);
    bool refuses, answers_first;

    received++;
    refuses = told("error", received) || refuses_now(name) || refuses_uri(arguments);
    answers_first = told("odd", received);
    if (misbehave())
        return;
    if (c && c->sets_running && !refuses)
        running = c->running;
    if (!refuses) {
        change_processors(name, arguments);
        change_drive(name);
        change_memory(name, arguments);
        move_on(name, arguments);
    }
    if ((strcmp(name, "migrate") == 0 || strcmp(name, "migrate-continue") == 0) && told("lingering", 0))
        lingering = 3;
    if (answers_first)
        answer(name, id, refuses);
    if (c && c->event && !refuses)
        say_event(c->event, c->event_data);
    if (!answers_first)
        answer(name, id, refuses);
    if (strcmp(name, "query-migrate") == 0 && strcmp(move, "active") == 0)
        say_event("MIGRATION_PASS", "{\"pass\": 2}");
    if (c && c->ends && !refuses)
        shut_down(name);
}

static void take_line(const char *line, size_t n)
{
    json_t *message = json_loadb(line, n, 0, NULL);
    const char *name = json_string_value(json_object_get(message, "execute"));

    if (name)
        execute(name, json_object_get(message, "arguments"),
                json_integer_value(json_object_get(message, "id")));
    json_decref(message);
}

/* ---- the loop ---- */

/* What comes along is kept, the last one only: the driver connects to a socket that it has passed. */
static ssize_t receive(char *to, size_t size)
{
    static int passed = -1;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {to, size};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(connection, &m, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *c = got > 0 ? CMSG_FIRSTHDR(&m) : NULL;

    if (!c || c->cmsg_type != SCM_RIGHTS)
        return got;
    if (passed >= 0)
        close(passed);
    memcpy(&passed, CMSG_DATA(c), sizeof passed);
    return got;
}

static void take_bytes(void)
{
    static char in[65536];
    static size_t n;
    ssize_t got = receive(in + n, sizeof in - n);
    char *newline;

    if (got <= 0) {
        n = 0;
        hang_up();
        return;
    }
    n += (size_t)got;
    while (connection >= 0 && (newline = memchr(in, '\n', n))) {
        size_t length = (size_t)(newline - in);

        take_line(in, length);
        n -= length + 1;
        memmove(in, newline + 1, n);
    }
    if (connection < 0)
        n = 0;
}

static void greet(void)
{
    connection = accept(QEMU_FD_QMP, NULL, NULL);
    if (connection < 0)
        return;
    if (received == 0 && misbehave())
        return;
    say_line("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}}, "
             "\"capabilities\": []}}");
}

int main(void)
{
    if (told("die", 0)) {
        fprintf(stderr, "fake: first line\nfake: this is why\n");
        return 1;
    }
    for (;;) {
        struct pollfd p = {.fd = connection >= 0 ? connection : QEMU_FD_QMP, .events = POLLIN};

        if (poll(&p, 1, -1) < 0)
            continue;
        if (connection < 0)
            greet();
        else
            take_bytes();
    }
}
