#include "xapid/config_check.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <openssl/x509.h>
#include "lib/fault.h"
#include "lib/mem.h"
#include "rpc/tls.h"

/* ---- files and folders ---- */

static void want_file(struct options_reading *r, const char *setting, const char *path)
{
    struct stat st;
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        options_problem(r, setting, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        options_problem(r, setting, "%s is no file", path);
}

static void want_folder(struct options_reading *r, const char *setting, const char *path, int access_mode)
{
    struct stat st;
    if (stat(path, &st) < 0)
        options_problem(r, setting, "%s: %s", path, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        options_problem(r, setting, "%s is no folder", path);
    else if (access(path, access_mode) < 0)
        options_problem(r, setting, "%s: %s", path, strerror(errno));
}

static void want_parent(struct options_reading *r, const char *setting, const char *path)
{
    CLEANUP_FREE char *copy = mem_strdup(path);
    want_folder(r, setting, dirname(copy), W_OK | X_OK);
}

/* ---- the state directory ---- */

static void check_database(struct options_reading *r)
{
    static const char magic[16] = "SQLite format 3";
    char head[sizeof magic];
    CLEANUP_BUF struct buf path = {0};
    buf_printf(&path, "%s/xapid.db", r->options.state_dir);
    CLEANUP_FD int fd = open(buf_cstr(&path), O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return;
    ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof head);
    if (n < 0)
        options_problem(r, "state-dir", "%s: %s", buf_cstr(&path), strerror(errno));
    else if (n > 0 && (n < (ssize_t)sizeof head || memcmp(head, magic, sizeof head) != 0))
        options_problem(r, "state-dir", "%s is no database", buf_cstr(&path));
}

static void check_validity(struct options_reading *r, const char *folder, const X509 *certificate)
{
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        options_problem(r, "state-dir", "the certificate in %s has expired", folder);
    else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        options_problem(r, "state-dir", "the certificate in %s is not valid yet", folder);
}

/* One that is not there is made at the start. */
static void check_certificate(struct options_reading *r)
{
    CLEANUP_ERR struct err e = {0};
    CLEANUP_BUF struct buf folder = {0}, file = {0};
    struct tls_server *tls;
    buf_printf(&folder, "%s/tls", r->options.state_dir);
    buf_printf(&file, "%s/server.pem", buf_cstr(&folder));
    if (access(buf_cstr(&file), F_OK) < 0)
        return;
    if (tls_server_open(buf_cstr(&folder), "", "", &tls, &e) < 0) {
        options_problem(r, "state-dir", "%s: %s", buf_cstr(&file), e.n_params > 0 ? e.params[0] : e.code);
        return;
    }
    check_validity(r, buf_cstr(&folder), SSL_CTX_get0_certificate(tls_server_context(tls)));
    tls_server_free(tls);
}

static void check_state_dir(struct options_reading *r)
{
    const char *dir = r->options.state_dir;
    if (!dir)
        return;
    if (access(dir, F_OK) < 0 && errno == ENOENT) {
        want_parent(r, "state-dir", dir);
        return;
    }
    want_folder(r, "state-dir", dir, R_OK | W_OK | X_OK);
    check_database(r);
    check_certificate(r);
}

/* ---- listening ---- */

/* Can a socket have this address? On a port of its own, for a running daemon has the one that is meant. */
static int try_address(const struct addrinfo *a)
{
    CLEANUP_FD int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 || bind(fd, a->ai_addr, a->ai_addrlen) < 0 ? errno : 0;
}

static void check_address(struct options_reading *r)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found;
    const char *address = r->options.address;
    if (getaddrinfo(address, "0", &hints, &found) != 0) {
        options_problem(r, "address", "'%s' is no numeric address", address);
        return;
    }
    int error = try_address(found);
    freeaddrinfo(found);
    if (error)
        options_problem(r, "address", "%s: %s", address, strerror(error));
}

static void check_sockets(struct options_reading *r)
{
    const struct xapid_options *o = &r->options;
    const size_t longest = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    check_address(r);
    if (o->http_port > 0 && o->http_port == o->port)
        options_problem(r, "http-port", "%d is the HTTPS port already", o->port);
    if (!o->unix_socket)
        return;
    if (strlen(o->unix_socket) > longest)
        options_problem(r, "unix-socket", "a socket's path has at most %zu bytes", longest);
    else
        want_parent(r, "unix-socket", o->unix_socket);
}

/* ---- the rest ---- */

static bool in_path(const char *program)
{
    const char *path = getenv("PATH");
    CLEANUP_FREE char *copy = mem_strdup(path ? path : "/usr/bin:/bin");
    char *rest = copy, *folder;
    bool found = false;
    while (!found && (folder = strsep(&rest, ":"))) {
        CLEANUP_BUF struct buf file = {0};
        buf_printf(&file, "%s/%s", folder, program);
        found = access(buf_cstr(&file), X_OK) == 0;
    }
    return found;
}

static void check_hypervisor(struct options_reading *r)
{
    const struct xapid_options *o = &r->options;
    bool is_qemu = strcmp(o->hypervisor, "qemu") == 0;
    if (!is_qemu && strcmp(o->hypervisor, "sim") != 0)
        options_problem(r, "hypervisor", "this is qemu or sim, not '%s'", o->hypervisor);
    if (is_qemu && !in_path("qemu-system-x86_64"))
        options_problem(r, "hypervisor", "there is no qemu-system-x86_64 in PATH");
    if (o->sim_script)
        want_file(r, "sim-script", o->sim_script);
}

static void check_authentication(struct options_reading *r)
{
    const struct xapid_options *o = &r->options;
    CLEANUP_BUF struct buf file = {0};
    if (o->pam_dir)
        want_folder(r, "pam-dir", o->pam_dir, R_OK | X_OK);
    if (!o->authentication || !o->state_dir || strcmp(o->authentication, "passwd") != 0)
        return;
    buf_printf(&file, "%s/passwd", o->state_dir);
    want_file(r, "authentication", buf_cstr(&file));
}

static void check_fault(struct options_reading *r)
{
    const char *text = r->options.fault_at;
    if (!text || strcmp(text, "control") == 0)
        return;
    if (fault_arm_text(text) < 0)
        options_problem(r, "fault-at", "there is no fault '%s'", text);
    fault_disarm();
}

void config_check(struct options_reading *r)
{
    const struct xapid_options *o = &r->options;
    check_state_dir(r);
    check_sockets(r);
    check_hypervisor(r);
    check_authentication(r);
    if (o->demo_guest)
        want_folder(r, "demo-guest", o->demo_guest, R_OK | X_OK);
    if (o->backup_dir && access(o->backup_dir, F_OK) < 0)
        want_parent(r, "backup-dir", o->backup_dir);
    else if (o->backup_dir)
        want_folder(r, "backup-dir", o->backup_dir, R_OK | W_OK | X_OK);
    if (o->extension_dir)
        want_folder(r, "extension-dir", o->extension_dir, R_OK | X_OK);
    if (o->machine_root)
        want_folder(r, "machine-root", o->machine_root, R_OK | X_OK);
    if (o->plugin_dir)
        want_folder(r, "plugin-dir", o->plugin_dir, R_OK | X_OK);
    if (o->power_command)
        want_file(r, "power-command", o->power_command);
    check_fault(r);
}

int config_check_main(int argc, char **argv)
{
    struct options_reading r;
    options_parse(argc, argv, &r);
    config_check(&r);
    if (r.n_problems == 0)
        puts("xapid: the configuration is good");
    else
        fwrite(r.problems.data, 1, r.problems.len, stderr);
    int status = r.n_problems > 0;
    options_reading_fini(&r);
    return status;
}
