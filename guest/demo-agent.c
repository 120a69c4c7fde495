/*
 * The whole user space of the demo guest: process 1 of an initramfs that scripts/demo-guest builds.
 *
 * It prints "tick <n> <seconds>.<microseconds>" on the serial console every 10 ms, counts its boots on the
 * first disk, gets an address by DHCP, answers the QEMU guest agent's protocol on org.qemu.guest_agent.0, and
 * obeys the power button and the lines "poweroff", "reboot", "crash" and "run COMMAND" typed on the console.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <jansson.h>
#include <linux/input.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define AGENT_VERSION "0.1.0"
#define AGENT_PORT "org.qemu.guest_agent.0"
#define TICK_NS 10000000
#define LINE_MAX_BYTES 65536
#define BUTTONS 8
#define BOOT_MAGIC "xapid demo guest boots "

static int console_fd = -1;
static int agent_fd = -1;
static int button_fds[BUTTONS] = {[0 ... BUTTONS - 1] = -1};
static bool with_agent = true;

static void say(const char *text)
{
    ssize_t ignored = write(console_fd, text, strlen(text));
    (void)ignored;
}

/* Leave the machine: how is a RB_ constant of <sys/reboot.h>. */
static void leave(int how)
{
    say(how == RB_AUTOBOOT ? "demo guest: rebooting\n" : "demo guest: switching off\n");
    sync();
    tcdrain(console_fd);
    reboot(how);
}

static void crash(void)
{
    int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "c", 1) < 0)
        say("demo guest: no sysrq\n");
}

/* ---- set-up, in a child so that the ticks begin at once ---- */

static void load_module(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "/modules/%s.ko", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    syscall(SYS_finit_module, fd, "", 0);
    close(fd);
}

/* /modules/order lists the modules so that each comes after what it needs. */
static void load_modules(void)
{
    FILE *f = fopen("/modules/order", "re");
    if (!f)
        return;
    char name[128];
    while (fscanf(f, "%127s", name) == 1)
        load_module(name);
    fclose(f);
}

static void configure_interface(const char *name)
{
    if (fork() == 0) {
        execl("/bin/busybox", "udhcpc", "-i", name, "-f", "-t", "40", "-T", "1", "-s", "/udhcpc",
              (char *)NULL);
        _exit(127);
    }
}

static void configure_network(void)
{
    DIR *d = opendir("/sys/class/net");
    for (struct dirent *e; d && (e = readdir(d));)
        if (strncmp(e->d_name, "eth", 3) == 0)
            configure_interface(e->d_name);
    if (d)
        closedir(d);
}

/* Count this boot in the first sectors of the disk, but only on a disk that is empty there or counted before.
 */
static void count_boot(void)
{
    static char area[4096] __attribute__((aligned(4096)));
    char text[128];
    int fd = open("/dev/vda", O_RDWR | O_CLOEXEC | O_SYNC);
    if (fd < 0)
        return;
    bool empty = false, ours = false;
    if (pread(fd, area, sizeof(area), 0) == sizeof(area)) {
        ours = memcmp(area, BOOT_MAGIC, sizeof(BOOT_MAGIC) - 1) == 0;
        empty = area[0] == 0 && memcmp(area, area + 1, sizeof(area) - 1) == 0;
    }
    if (ours || empty) {
        unsigned long boots = ours ? strtoul(area + sizeof(BOOT_MAGIC) - 1, NULL, 10) + 1 : 1;
        memset(area, 0, sizeof(area));
        snprintf(area, sizeof(area), BOOT_MAGIC "%lu\n", boots);
        bool written = pwrite(fd, area, sizeof(area), 0) == sizeof(area) && fsync(fd) == 0;
        snprintf(text, sizeof(text), "demo guest: disk vda, boot %lu%s\n", boots,
                 written ? "" : " (read-only)");
    } else {
        snprintf(text, sizeof(text), "demo guest: disk vda holds something else\n");
    }
    say(text);
    close(fd);
}

static void set_up(void)
{
    load_modules();
    count_boot();
    say("demo guest: modules loaded\n");
    configure_network();
}

/* ---- the guest agent ---- */

/* The port's device, found by the name that QEMU gave it; -1 while it is not there. */
static int open_agent_port(void)
{
    char path[512], name[64] = "";
    int fd = -1;
    DIR *d = opendir("/sys/class/virtio-ports");
    for (struct dirent *e; fd < 0 && d && (e = readdir(d));) {
        snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
        FILE *f = fopen(path, "re");
        if (!f)
            continue;
        if (fgets(name, sizeof(name), f) && strncmp(name, AGENT_PORT, sizeof(AGENT_PORT) - 1) == 0) {
            snprintf(path, sizeof(path), "/dev/%s", e->d_name);
            fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        }
        fclose(f);
    }
    if (d)
        closedir(d);
    return fd;
}

static json_t *interface_entry(json_t *list, const char *name)
{
    size_t i;
    json_t *entry;
    json_array_foreach (list, i, entry)
        if (strcmp(json_string_value(json_object_get(entry, "name")), name) == 0)
            return entry;
    entry = json_pack("{s:s}", "name", name);
    json_array_append_new(list, entry);
    return entry;
}

static unsigned prefix_of(const struct sockaddr *mask, unsigned family)
{
    const uint8_t *b = family == AF_INET
                           ? (const uint8_t *)&((const struct sockaddr_in *)(const void *)mask)->sin_addr
                           : (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)mask)->sin6_addr;
    unsigned bits = 0;
    for (unsigned i = 0; i < (family == AF_INET ? 4 : 16); i++)
        bits += (unsigned)__builtin_popcount(b[i]);
    return bits;
}

static void add_address(json_t *entry, const struct ifaddrs *a, int family)
{
    char text[INET6_ADDRSTRLEN];
    const void *bytes = family == AF_INET
                            ? (const void *)&((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr
                            : (const void *)&((struct sockaddr_in6 *)(void *)a->ifa_addr)->sin6_addr;
    inet_ntop(family, bytes, text, sizeof(text));
    json_t *list = json_object_get(entry, "ip-addresses");
    if (!list) {
        list = json_array();
        json_object_set_new(entry, "ip-addresses", list);
    }
    json_array_append_new(list, json_pack("{s:s, s:s, s:i}", "ip-address", text, "ip-address-type",
                                          family == AF_INET ? "ipv4" : "ipv6", "prefix",
                                          (int)prefix_of(a->ifa_netmask, (unsigned)family)));
}

static void add_hardware_address(json_t *entry, const struct ifaddrs *a)
{
    const struct sockaddr_ll *ll = (const struct sockaddr_ll *)(const void *)a->ifa_addr;
    const uint8_t *m = ll->sll_addr;
    char text[18];
    snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    json_object_set_new(entry, "hardware-address", json_string(text));
}

static json_t *do_interfaces(void)
{
    struct ifaddrs *all = NULL;
    json_t *list = json_array();
    if (getifaddrs(&all) != 0)
        return list;
    for (struct ifaddrs *a = all; a; a = a->ifa_next) {
        json_t *entry = interface_entry(list, a->ifa_name);
        if (!a->ifa_addr)
            continue;
        int family = a->ifa_addr->sa_family;
        if (family == AF_PACKET)
            add_hardware_address(entry, a);
        else if (family == AF_INET || family == AF_INET6)
            add_address(entry, a, family);
    }
    freeifaddrs(all);
    return list;
}

static json_t *do_osinfo(void)
{
    struct utsname u;
    uname(&u);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", "demo", "name", "xapid demo guest",
                     "pretty-name", "xapid demo guest " AGENT_VERSION, "version", AGENT_VERSION, "version-id",
                     AGENT_VERSION, "kernel-release", u.release, "kernel-version", u.version, "machine",
                     u.machine);
}

static json_t *do_hostname(void)
{
    char name[256] = "";
    gethostname(name, sizeof(name) - 1);
    return json_pack("{s:s}", "host-name", name);
}

static const char *const commands[] = {"guest-sync",
                                       "guest-sync-delimited",
                                       "guest-ping",
                                       "guest-info",
                                       "guest-network-get-interfaces",
                                       "guest-get-osinfo",
                                       "guest-get-host-name",
                                       "guest-set-vcpus",
                                       "guest-get-memory-blocks",
                                       "guest-set-memory-blocks",
                                       "guest-exec",
                                       "guest-exec-status",
                                       "guest-shutdown"};

static json_t *do_info(void)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:b, s:b}", "name", commands[i], "enabled", 1,
                                        "success-response", strcmp(commands[i], "guest-shutdown") != 0));
    return json_pack("{s:s, s:o}", "version", AGENT_VERSION, "supported_commands", list);
}

static void answer(json_t *reply, bool delimited)
{
    char *text = json_dumps(reply, JSON_COMPACT);
    size_t n = text ? strlen(text) : 0;
    char *line = malloc(n + 2);
    if (text && line) {
        size_t at = 0;
        if (delimited)
            line[at++] = (char)0xff;
        memcpy(line + at, text, n);
        line[at + n] = '\n';
        struct pollfd p = {.fd = agent_fd, .events = POLLOUT};
        for (size_t done = 0; done < at + n + 1;) {
            ssize_t w = write(agent_fd, line + done, at + n + 1 - done);
            if (w > 0)
                done += (size_t)w;
            else if (errno != EAGAIN || poll(&p, 1, 1000) <= 0)
                break; /* nobody reads */
        }
    }
    free(line);
    free(text);
    json_decref(reply);
}

static void answer_error(const char *kind, const char *text)
{
    answer(json_pack("{s:{s:s, s:s}}", "error", "class", kind, "desc", text), false);
}

/* A shutdown that succeeds is not answered, as the protocol has it. */
static void do_shutdown(const json_t *arguments)
{
    const char *mode = json_string_value(json_object_get(arguments, "mode"));
    if (!mode || strcmp(mode, "powerdown") == 0)
        leave(RB_POWER_OFF);
    else if (strcmp(mode, "reboot") == 0)
        leave(RB_AUTOBOOT);
    else if (strcmp(mode, "halt") == 0)
        leave(RB_HALT_SYSTEM);
    else
        answer_error("GenericError", "mode must be powerdown, reboot or halt");
}

static bool switch_processor(const json_t *entry)
{
    char path[100];
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online",
             (int)json_integer_value(json_object_get(entry, "logical-id")));
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, json_is_true(json_object_get(entry, "online")) ? "1" : "0", 1) == 1;
    if (fd >= 0)
        close(fd);
    return done;
}

/* How many were switched before one could not be. */
static json_t *do_set_vcpus(const json_t *arguments)
{
    const json_t *list = json_object_get(arguments, "vcpus");
    size_t n = 0;
    while (n < json_array_size(list) && switch_processor(json_array_get(list, n)))
        n++;
    return json_integer((json_int_t)n);
}

/* A block of memory's state: read it ("online", "offline"), or write this one. */
static bool memory_state(int block, const char *wanted, char state[16])
{
    char path[100];
    snprintf(path, sizeof(path), "/sys/devices/system/memory/memory%d/state", block);
    int fd = open(path, (wanted ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : wanted ? write(fd, wanted, strlen(wanted)) : read(fd, state, 15);
    if (fd >= 0)
        close(fd);
    if (!wanted && n >= 0)
        state[n] = '\0';
    return n > 0;
}

static json_t *do_get_memory_blocks(void)
{
    json_t *list = json_array();
    DIR *d = opendir("/sys/devices/system/memory");
    char state[16];
    int block;
    for (struct dirent *e; d && (e = readdir(d));)
        if (sscanf(e->d_name, "memory%d", &block) == 1 && memory_state(block, NULL, state))
            json_array_append_new(list, json_pack("{s:i, s:b, s:b}", "phys-index", block, "online",
                                                  strncmp(state, "offline", 7) != 0, "can-offline", 1));
    if (d)
        closedir(d);
    return list;
}

static json_t *do_set_memory_blocks(const json_t *arguments)
{
    json_t *list = json_array(), *entry;
    size_t i;
    json_array_foreach (json_object_get(arguments, "mem-blks"), i, entry) {
        int block = (int)json_integer_value(json_object_get(entry, "phys-index"));
        bool online = json_is_true(json_object_get(entry, "online"));
        bool done = memory_state(block, online ? "online" : "offline", NULL);
        json_array_append_new(list, json_pack("{s:i, s:s}", "phys-index", block, "response",
                                              done ? "success" : "operation-failed"));
    }
    return list;
}

/* ---- programs ---- */

static void name_file(char path[64], pid_t pid, const char *kind)
{
    snprintf(path, 64, "/tmp/exec.%d.%s", (int)pid, kind);
}

/* A file of what passes between the program and whoever runs it. */
static void attach(int fd, const char *kind, int flags)
{
    char path[64];
    name_file(path, getpid(), kind);
    int file = open(path, flags | O_CREAT, 0600);
    dup2(file, fd);
    close(file);
}

static int from_base64(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

static void write_input(const char *text)
{
    char path[64];
    unsigned bits = 0, n = 0;
    name_file(path, getpid(), "in");
    FILE *f = fopen(path, "we");
    for (; f && text && *text; text++) {
        if (from_base64(*text) < 0)
            continue;
        bits = bits << 6 | (unsigned)from_base64(*text);
        n += 6;
        if (n >= 8) {
            n -= 8;
            fputc((int)(bits >> n & 0xff), f);
        }
    }
    if (f)
        fclose(f);
}

static json_t *as_base64(pid_t pid, const char *kind)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static unsigned char bytes[48 * 1024 + 3];
    static char text[64 * 1024 + 8];
    char path[64];
    name_file(path, pid, kind);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(bytes, 1, sizeof(bytes) - 3, f) : 0, at = 0;
    if (f)
        fclose(f);
    memset(bytes + n, 0, 3);
    for (size_t i = 0; i < n; i += 3) {
        unsigned three = (unsigned)bytes[i] << 16 | (unsigned)bytes[i + 1] << 8 | bytes[i + 2];
        for (int k = 0; k < 4; k++)
            text[at++] = i + (size_t)k > n ? '=' : digits[three >> (18 - 6 * k) & 63];
    }
    text[at] = 0;
    return json_string(text);
}

/* Its own process, whose child is the program: what becomes of that is a file, too. */
static void run_program(const json_t *arguments)
{
    const char *path = json_string_value(json_object_get(arguments, "path"));
    const char *argument = json_string_value(json_array_get(json_object_get(arguments, "arg"), 0));
    json_t *entry;
    size_t i;
    char name[64], done[64];
    int status = -1;
    write_input(json_string_value(json_object_get(arguments, "input-data")));
    attach(0, "in", O_RDONLY);
    attach(1, "out", O_WRONLY);
    attach(2, "err", O_WRONLY);
    json_array_foreach (json_object_get(arguments, "env"), i, entry)
        putenv(strdup(json_string_value(entry)));
    signal(SIGCHLD, SIG_DFL);
    pid_t child = fork();
    if (child == 0) {
        execl(path, path, argument, (char *)NULL);
        _exit(127);
    }
    waitpid(child, &status, 0);
    name_file(name, getpid(), "half");
    name_file(done, getpid(), "status");
    FILE *f = fopen(name, "we");
    if (f) {
        fprintf(f, "%d %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                WIFSIGNALED(status) ? WTERMSIG(status) : 0);
        fclose(f);
        rename(name, done);
    }
    _exit(0);
}

/* NULL: there is no such program. */
static json_t *do_exec(const json_t *arguments)
{
    const char *path = json_string_value(json_object_get(arguments, "path"));
    mkdir("/tmp", 0700);
    if (!path || access(path, X_OK) < 0)
        return NULL;
    pid_t pid = fork();
    if (pid == 0)
        run_program(arguments);
    return json_pack("{s:i}", "pid", (int)pid);
}

static json_t *do_exec_status(const json_t *arguments)
{
    pid_t pid = (pid_t)json_integer_value(json_object_get(arguments, "pid"));
    char path[64];
    int code = 0, caught = 0;
    name_file(path, pid, "status");
    FILE *f = fopen(path, "re");
    if (!f)
        return json_pack("{s:b}", "exited", 0);
    if (fscanf(f, "%d %d", &code, &caught) != 2)
        code = -1;
    fclose(f);
    json_t *status = json_pack("{s:b, s:o, s:o}", "exited", 1, "out-data", as_base64(pid, "out"), "err-data",
                               as_base64(pid, "err"));
    json_object_set_new(status, caught ? "signal" : "exitcode", json_integer(caught ? caught : code));
    return status;
}

static void execute(const char *name, const json_t *arguments)
{
    bool delimited = strcmp(name, "guest-sync-delimited") == 0;
    json_t *value;
    if (delimited || strcmp(name, "guest-sync") == 0)
        value = json_integer(json_integer_value(json_object_get(arguments, "id")));
    else if (strcmp(name, "guest-ping") == 0)
        value = json_object();
    else if (strcmp(name, "guest-info") == 0)
        value = do_info();
    else if (strcmp(name, "guest-network-get-interfaces") == 0)
        value = do_interfaces();
    else if (strcmp(name, "guest-get-osinfo") == 0)
        value = do_osinfo();
    else if (strcmp(name, "guest-get-host-name") == 0)
        value = do_hostname();
    else if (strcmp(name, "guest-set-vcpus") == 0)
        value = do_set_vcpus(arguments);
    else if (strcmp(name, "guest-get-memory-blocks") == 0)
        value = do_get_memory_blocks();
    else if (strcmp(name, "guest-set-memory-blocks") == 0)
        value = do_set_memory_blocks(arguments);
    else if (strcmp(name, "guest-exec-status") == 0)
        value = do_exec_status(arguments);
    else if (strcmp(name, "guest-exec") == 0) {
        value = do_exec(arguments);
        if (!value) {
            answer_error("GenericError", "Failed to execute child process (No such file or directory)");
            return;
        }
    } else if (strcmp(name, "guest-shutdown") == 0) {
        do_shutdown(arguments);
        return;
    } else {
        answer_error("CommandNotFound", "this agent does not know the command");
        return;
    }
    answer(json_pack("{s:o}", "return", value), delimited);
}

static void agent_line(const char *line, size_t n)
{
    json_t *request = json_loadb(line, n, 0, NULL);
    const char *name = json_string_value(json_object_get(request, "execute"));
    if (name)
        execute(name, json_object_get(request, "arguments"));
    else
        answer_error("GenericError", "not a request");
    json_decref(request);
}

/* Requests are lines; a byte 0xFF throws away what came before it, a line that is too long is dropped. */
static void agent_byte(char c)
{
    static char line[LINE_MAX_BYTES];
    static size_t n;
    static bool too_long;
    if ((unsigned char)c == 0xff) {
        n = 0;
        too_long = false;
    } else if (c != '\n') {
        if (n < sizeof(line))
            line[n++] = c;
        else
            too_long = true;
    } else {
        if (n > 0 && !too_long)
            agent_line(line, n);
        n = 0;
        too_long = false;
    }
}

static void agent_read(void)
{
    char bytes[4096];
    ssize_t n;
    while ((n = read(agent_fd, bytes, sizeof(bytes))) > 0)
        for (ssize_t i = 0; i < n; i++)
            agent_byte(bytes[i]);
}

/* ---- power button and console ---- */

static bool has_power_key(int fd)
{
    unsigned long keys[KEY_MAX / (8 * sizeof(long)) + 1] = {0};

    return ioctl(fd, EVIOCGBIT(EV_KEY, sizeof(keys)), keys) >= 0 &&
           keys[KEY_POWER / (8 * sizeof(long))] >> (KEY_POWER % (8 * sizeof(long))) & 1;
}

/* Keyboards have a power key as well as the button, so all that have one are listened to. */
static void open_buttons(void)
{
    char path[64];
    for (int i = 0; i < BUTTONS; i++) {
        if (button_fds[i] >= 0)
            continue;
        snprintf(path, sizeof(path), "/dev/input/event%d", i);
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 && has_power_key(fd))
            button_fds[i] = fd;
        else if (fd >= 0)
            close(fd);
    }
}

static void read_buttons(void)
{
    struct input_event e;
    for (int i = 0; i < BUTTONS; i++)
        while (button_fds[i] >= 0 && read(button_fds[i], &e, sizeof(e)) == sizeof(e))
            if (e.type == EV_KEY && e.code == KEY_POWER && e.value == 1)
                leave(RB_POWER_OFF);
}

/* A shell's command, its output on the console; then "done <status>". */
static void run_command(const char *text)
{
    if (fork() != 0)
        return;
    signal(SIGCHLD, SIG_DFL);
    pid_t child = fork();
    if (child == 0) {
        for (int fd = 0; fd < 3; fd++)
            dup2(console_fd, fd);
        execl("/bin/busybox", "sh", "-c", text, (char *)NULL);
        _exit(127);
    }
    char line[32];
    int status = -1;
    waitpid(child, &status, 0);
    snprintf(line, sizeof(line), "done %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    say(line);
    _exit(0);
}

static void console_read(void)
{
    char line[1024];
    ssize_t n = read(console_fd, line, sizeof(line) - 1);
    if (n <= 0)
        return;
    line[n] = 0;
    line[strcspn(line, "\r\n")] = 0;
    if (strcmp(line, "poweroff") == 0)
        leave(RB_POWER_OFF);
    else if (strcmp(line, "reboot") == 0)
        leave(RB_AUTOBOOT);
    else if (strcmp(line, "crash") == 0)
        crash();
    else if (strncmp(line, "run ", 4) == 0)
        run_command(line + 4);
}

/* ---- the loop ---- */

static void tick(void)
{
    static unsigned long count;
    struct timespec t;
    char line[64];
    clock_gettime(CLOCK_MONOTONIC, &t);
    snprintf(line, sizeof(line), "tick %lu %ld.%06ld\n", ++count, (long)t.tv_sec, t.tv_nsec / 1000);
    say(line);
}

static bool told_no_agent(void)
{
    char line[2048];
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);

    if (fd >= 0)
        close(fd);
    line[n > 0 ? n : 0] = 0;
    return strstr(line, "demo.noagent") != NULL;
}

static void find_devices(void)
{
    static unsigned looks;
    if (agent_fd < 0 && with_agent)
        agent_fd = open_agent_port();
    if (looks++ % 16 == 0)
        open_buttons();
}

static void run(int timer_fd)
{
    bool agent_hung_up = false; /* the host is not connected: poll would return at once */
    for (;;) {
        struct pollfd p[3] = {
            {timer_fd, POLLIN, 0}, {console_fd, POLLIN, 0}, {agent_hung_up ? -1 : agent_fd, POLLIN, 0}};
        if (poll(p, 3, -1) < 0)
            continue;
        uint64_t ticks;
        if ((p[0].revents & POLLIN) && read(timer_fd, &ticks, sizeof(ticks)) == sizeof(ticks)) {
            tick();
            find_devices();
            read_buttons();
            agent_hung_up = false;
        }
        if (p[1].revents & POLLIN)
            console_read();
        if (p[2].revents & POLLIN)
            agent_read();
        if (p[2].revents & POLLHUP)
            agent_hung_up = true;
    }
}

static int open_console(void)
{
    struct termios t;
    int fd = open("/dev/ttyS0", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && tcgetattr(fd, &t) == 0) {
        t.c_lflag &= ~(tcflag_t)ECHO;
        t.c_oflag |= OPOST | ONLCR;
        tcsetattr(fd, TCSANOW, &t);
    }
    return fd;
}

int main(void)
{
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    console_fd = open_console();
    say("demo guest: hello\n");
    with_agent = !told_no_agent();
    sethostname("demo", 4);
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0) {
        set_up();
        _exit(0);
    }
    int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec every = {{0, TICK_NS}, {0, TICK_NS}};
    timerfd_settime(timer_fd, 0, &every, NULL);
    run(timer_fd);
}
