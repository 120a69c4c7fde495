/* Who may move guests to whom: certificates of the pool, or of a visitor to it, both sides verified, each by
 * the name of its host. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "hv/qemu/access.h"
#include "hv/qemu/move.h"
#include "hv/qemu/vm_dir.h"
#include "lib/cleanup.h"
#include "lib/fd.h"
#include "model/value.h"

#define DH_FILE "dh-params.pem"

/* ffdhe2048 of RFC 7919. QEMU wants parameters though TLS 1.3 has no use for a file of them, and makes its
 * own when there is none, which takes it a second. */
static const char dh_params[] = "-----BEGIN DH PARAMETERS-----\n"
                                "MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz\n"
                                "+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a\n"
                                "87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7\n"
                                "YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi\n"
                                "7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD\n"
                                "ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==\n"
                                "-----END DH PARAMETERS-----\n";

/* A wish: without the file it only takes longer. */
static void write_dh_params(const char *pool_dir)
{
    CLEANUP_FD int dir_fd = open(pool_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_FD int fd = -1;

    if (dir_fd < 0 || faccessat(dir_fd, DH_FILE, F_OK, 0) == 0)
        return;
    fd = openat(dir_fd, DH_FILE ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0 && fd_write_all(fd, dh_params, sizeof dh_params - 1) == 0)
        renameat(dir_fd, DH_FILE ".new", dir_fd, DH_FILE);
}

/* Certificates may have changed since the last move: an object that is there is replaced. */
static int co_replace_object(struct qemu_vm *vm, const char *id, json_t *arguments, struct err *e)
{
    CLEANUP_ERR struct err none = {0};
    int r = co_qemu_ask(vm, "object-del", json_pack("{s:s}", "id", id), NULL, &none);

    if (r == 0 || r == -EREMOTEIO)
        return co_qemu_ask(vm, "object-add", arguments, NULL, e);
    json_decref(arguments);
    err_move(e, &none);
    return r;
}

/* QEMU reads the files here and now. */
static int co_add_credentials(struct qemu_vm *vm, const char *id, const char *dir, const char *endpoint,
                              struct err *e)
{
    int r = qemu_access_certificates(vm, dir, true, e);

    if (r == 0)
        r = co_replace_object(vm, id,
                              json_pack("{s:s, s:s, s:s, s:s, s:b}", "qom-type", "tls-creds-x509", "id", id,
                                        "dir", dir, "endpoint", endpoint, "verify-peer", true),
                              e);
    qemu_access_certificates(vm, dir, false, e);
    return r;
}

/* The order of a certificate's names is its issuer's choice; that one puts no host's uuid but its own into a
 * CN is what membership of the pool means. */
static int co_add_authz(struct qemu_vm *vm, const char *host, struct err *e)
{
    char match[UUID_TEXT_SIZE + 8];

    if (!uuid_is_valid(host)) {
        err_internal(e, "not a host's uuid: %s", host);
        return -EINVAL;
    }
    snprintf(match, sizeof match, "*CN=%s*", host);
    return co_replace_object(vm, QEMU_AUTHZ_IN,
                             json_pack("{s:s, s:s, s:s, s:[{s:s, s:s, s:s}]}", "qom-type", "authz-list", "id",
                                       QEMU_AUTHZ_IN, "policy", "deny", "rules", "match", match, "policy",
                                       "allow", "format", "glob"),
                             e);
}

int co_qemu_trust_source(struct qemu_vm *vm, const char *host, struct err *e)
{
    int r;

    write_dh_params(vm->hv->pool_dir);
    r = co_add_credentials(vm, QEMU_CREDS_IN, vm->hv->pool_dir, "server", e);
    return r < 0 ? r : co_add_authz(vm, host, e);
}

/* Those of another pool lie with the guest only until QEMU has read them. */
static const char *const visitor_files[] = {"ca-cert.pem", "client-cert.pem", "client-key.pem"};

static int write_visitor_files(const struct qemu_vm *vm, const struct hv_credentials *c)
{
    const char *const texts[] = {c->authority, c->certificate, c->key};
    int r = 0;

    for (unsigned i = 0; r == 0 && i < sizeof texts / sizeof *texts; i++)
        r = vm_dir_write(vm->dir_fd, visitor_files[i], texts[i]);
    return r;
}

/* QEMU works in its guest's folder. */
static int co_trust_other_pool(struct qemu_vm *vm, const struct hv_credentials *c, struct err *e)
{
    int r = write_visitor_files(vm, c);

    if (r < 0)
        err_errno(e, r, "the credentials of %s", vm->uuid);
    else
        r = co_add_credentials(vm, QEMU_CREDS_OUT, ".", "client", e);
    for (unsigned i = 0; i < sizeof visitor_files / sizeof *visitor_files; i++)
        unlinkat(vm->dir_fd, visitor_files[i], 0);
    return r;
}

int co_qemu_trust_destination(struct qemu_vm *vm, const struct hv_passage *p, struct err *e)
{
    return p->credentials ? co_trust_other_pool(vm, p->credentials, e)
                          : co_add_credentials(vm, QEMU_CREDS_OUT, vm->hv->pool_dir, "client", e);
}
