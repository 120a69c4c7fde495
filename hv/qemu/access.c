#include "hv/qemu/access.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include "hv/qemu/acl.h"
#include "hv/qemu/nvram.h"
#include "hv/qemu/vm_dir.h"
#include "lib/log.h"
#include "lib/mem.h"

#define SUBUID "/etc/subuid"
#define SUBUID_MAX 65536

/* ---- the user ---- */

bool qemu_user_range(const char *text, const char *name, uid_t *ret_first, unsigned *ret_count)
{
    size_t n = strlen(name);

    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        unsigned first, count;

        line += *line == '\n';
        if (strncmp(line, name, n) == 0 && line[n] == ':' &&
            sscanf(line + n, ":%u:%u", &first, &count) == 2 && first > 0 && count > 0 && first <= INT32_MAX &&
            count <= INT32_MAX - first) {
            *ret_first = first;
            *ret_count = count;
            return true;
        }
    }
    return false;
}

int qemu_user_find(const char *name, struct qemu_user *ret)
{
    const struct passwd *user = name && name[0] && geteuid() == 0 ? getpwnam(name) : NULL;
    CLEANUP_FREE char *ranges = NULL;
    const struct group *kvm;

    *ret = (struct qemu_user){0};
    if (!name || !name[0] || geteuid() != 0)
        return 0;
    if (!user || user->pw_uid == 0)
        return user ? 0 : -ENOENT;
    *ret = (struct qemu_user){.first = user->pw_uid, .count = 1, .group = user->pw_gid};
    ranges = vm_dir_read(AT_FDCWD, SUBUID, SUBUID_MAX);
    qemu_user_range(ranges ? ranges : "", name, &ret->first, &ret->count);
    kvm = getgrnam("kvm");
    ret->kvm = kvm ? kvm->gr_gid : 0;
    return 0;
}

static bool is_taken(const struct qemu_hv *hv, uid_t uid)
{
    const struct qemu_vm *vm;

    TAILQ_FOREACH (vm, &hv->vms, link)
        if (vm->uid == uid)
            return true;
    return false;
}

/* Each start has another number, so that one comes again as late as can be. */
uid_t qemu_user_pick(const struct qemu_hv *hv, int64_t domid)
{
    const struct qemu_user *u = &hv->user;

    for (unsigned i = 0; i < u->count; i++) {
        uid_t uid = u->first + (uid_t)((uint64_t)(domid + i) % u->count);

        if (u->count == 1 || !is_taken(hv, uid))
            return uid;
    }
    return u->first;
}

/* ---- files ---- */

#define PRIVATE 8 /* beside perms: not for anybody else, as qemu-img leaves its files */

static int fail(struct err *e, int r, const char *path)
{
    err_errno(e, r, "opening %s to QEMU's user", path);
    return r;
}

/* Folders on the way to a file may be passed through. */
static int open_way(const struct qemu_vm *vm, const char *path, struct err *e)
{
    CLEANUP_FREE char *folder = mem_strdup(path);

    for (char *at = strchr(folder + 1, '/'); at; at = strchr(at + 1, '/')) {
        struct stat st;
        int r;

        *at = '\0';
        r = stat(folder, &st) < 0  ? -errno
            : st.st_mode & S_IXOTH ? 0
                                   : qemu_acl_set(folder, ACL_GROUP, vm->hv->user.group, ACL_EXECUTE);
        if (r < 0)
            return fail(e, r, folder);
        *at = '/';
    }
    return 0;
}

/* Where there are no access lists, a file that only one guest writes can be its own. */
static int open_file(const struct qemu_vm *vm, const char *path, unsigned perms, struct err *e)
{
    CLEANUP_FREE char *real = realpath(path, NULL);
    struct stat st;
    int r;

    if (!real || stat(real, &st) < 0)
        return 0; /* QEMU says what it thinks of it */
    if (path[0] != '/' || open_way(vm, path, e) < 0 || open_way(vm, real, e) < 0)
        return path[0] != '/' ? fail(e, -EINVAL, path) : -EACCES;
    if (perms & PRIVATE && st.st_mode & S_IRWXO && chmod(real, st.st_mode & ~(mode_t)S_IRWXO) < 0)
        return fail(e, -errno, real);
    if (!(perms & PRIVATE) && (st.st_mode & perms) == perms) /* as anybody */
        return 0;
    perms &= ~(unsigned)PRIVATE;
    r = qemu_acl_set(real, ACL_USER, vm->uid, perms);
    if ((r == -E2BIG || r == -ENOSPC) && perms == ACL_READ) /* a base of very many guests */
        r = qemu_acl_set(real, ACL_GROUP, vm->hv->user.group, perms);
    if (r == -EOPNOTSUPP && perms & ACL_WRITE)
        r = chown(real, vm->uid, (gid_t)-1) < 0 ? -errno : 0;
    return r < 0 ? fail(e, r, real) : 0;
}

static void close_file(uid_t uid, const char *path)
{
    int r = qemu_acl_set(path, ACL_USER, uid, 0);

    if (r < 0 && r != -ENOENT && r != -EOPNOTSUPP)
        log_warning("%s stays open to user %u: %s", path, (unsigned)uid, strerror(-r));
}

/* ---- what is written down ---- */

static int note(struct qemu_vm *vm, int number, const char *path, struct err *e)
{
    int r;

    if (!vm->grants)
        vm->grants = json_array();
    json_array_append_new(vm->grants, json_pack("{s:i, s:s}", "disk", number, "path", path));
    r = qemu_spec_save(vm);
    if (r < 0)
        err_errno(e, r, "the notes of guest %s", vm->uuid);
    return r;
}

static int give(struct qemu_vm *vm, int number, const char *path, unsigned perms, struct err *e)
{
    int r = note(vm, number, path, e);

    return r < 0 ? r : open_file(vm, path, perms, e);
}

int qemu_access_disk(struct qemu_vm *vm, const struct hv_disk *d, struct err *e)
{
    bool readonly = d->readonly || d->cdrom;
    int r = 0;

    if (vm->uid == 0 || !d->path)
        return 0;
    for (const char *const *base = d->bases; r == 0 && base && *base; base++)
        r = give(vm, (int)d->userdevice, *base, PRIVATE | ACL_READ, e);
    return r < 0 ? r
                 : give(vm, (int)d->userdevice, d->path,
                        ACL_READ | (d->cdrom ? 0 : PRIVATE) | (readonly ? 0 : ACL_WRITE), e);
}

int qemu_access_all(struct qemu_vm *vm, const struct hv_vm_spec *spec, struct err *e)
{
    const char *const kernels[] = {spec->kernel, spec->ramdisk};
    int r = 0;

    for (unsigned i = 0; r == 0 && i < 2 && vm->uid && spec->boot == HV_BOOT_KERNEL; i++)
        if (kernels[i] && kernels[i][0])
            r = give(vm, ACCESS_KERNEL, kernels[i], ACL_READ, e);
    for (unsigned i = 0; r == 0 && i < spec->n_disks; i++)
        r = qemu_access_disk(vm, &spec->disks[i], e);
    return r;
}

int qemu_access_follow(struct qemu_vm *vm, unsigned userdevice, const char *path, const char *base,
                       struct err *e)
{
    int r;

    if (!vm->uid)
        return 0;
    close_file(vm->uid, base); /* to writing */
    r = give(vm, (int)userdevice, base, PRIVATE | ACL_READ, e);
    return r < 0 ? r : give(vm, (int)userdevice, path, PRIVATE | ACL_READ | ACL_WRITE, e);
}

/* ---- and closed again ---- */

static const char *path_of(const json_t *grant)
{
    return json_string_value(json_object_get(grant, "path"));
}

/* May another drive, or a guest that is the same user, have it? */
static bool has_path(const json_t *grants, const char *path, int but_number)
{
    json_t *grant;
    size_t i;

    json_array_foreach (grants, i, grant)
        if (json_integer_value(json_object_get(grant, "disk")) != but_number && path_of(grant) &&
            strcmp(path_of(grant), path) == 0)
            return true;
    return false;
}

static bool is_used(const struct qemu_hv *hv, const struct qemu_vm *but, uid_t uid, const char *path)
{
    const struct qemu_vm *vm;

    TAILQ_FOREACH (vm, &hv->vms, link)
        if (vm != but && vm->uid == uid && has_path(vm->grants, path, INT32_MIN))
            return true;
    return false;
}

void qemu_access_revoke(struct qemu_vm *vm, int userdevice)
{
    for (size_t i = json_array_size(vm->grants); i-- > 0;) {
        const json_t *grant = json_array_get(vm->grants, i);
        const char *path = path_of(grant);

        if (json_integer_value(json_object_get(grant, "disk")) != userdevice)
            continue;
        if (path && !has_path(vm->grants, path, userdevice) && !is_used(vm->hv, vm, vm->uid, path))
            close_file(vm->uid, path);
        json_array_remove(vm->grants, i);
    }
    if (vm->grants && qemu_spec_save(vm) < 0)
        log_warning("the notes of guest %s cannot be written", vm->uuid);
}

void qemu_access_revoke_all(struct qemu_hv *hv, const char *uuid, int dir_fd)
{
    const struct qemu_vm *self = qemu_vm_find(hv, uuid);
    json_t *grants, *grant;
    size_t i;
    uid_t uid = qemu_spec_grants(dir_fd, &grants);

    json_array_foreach (grants, i, grant)
        if (uid && path_of(grant) && !is_used(hv, self, uid, path_of(grant)))
            close_file(uid, path_of(grant));
    json_decref(grants);
}

/* ---- certificates ---- */

static int set_certificate(struct qemu_vm *vm, const char *folder, const char *name, bool open, struct err *e)
{
    CLEANUP_TALLOC char *path = talloc_asprintf(NULL, "%s/%s", folder, name);

    if (open)
        return open_file(vm, path, ACL_READ, e);
    close_file(vm->uid, path);
    return 0;
}

int qemu_access_certificates(struct qemu_vm *vm, const char *dir, bool open, struct err *e)
{
    static const char *const files[] = {"ca-cert.pem",     "server-cert.pem", "server-key.pem",
                                        "client-cert.pem", "client-key.pem",  "dh-params.pem"};
    CLEANUP_FREE char *folder = NULL;
    char own[64];
    int r = 0;

    snprintf(own, sizeof own, "/proc/self/fd/%d", vm->dir_fd);
    if (vm->uid)
        folder = realpath(strcmp(dir, ".") == 0 ? own : dir, NULL);
    for (size_t i = 0; r == 0 && folder && i < sizeof files / sizeof *files; i++)
        r = set_certificate(vm, folder, files[i], open, e);
    return r;
}

/* ---- its folder ---- */

/* Files that it will find there, and no others may be put in their places afterwards. */
static int own_file(const struct qemu_vm *vm, const char *name, int flags)
{
    int fd = openat(vm->dir_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    int r = fd < 0 || fchown(fd, vm->uid, (gid_t)-1) < 0 ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return r == -ENOENT ? 0 : r;
}

int qemu_access_folder(const struct qemu_vm *vm, bool open)
{
    int r = vm->uid && open ? own_file(vm, VM_DIR_CONSOLE_LOG, O_CREAT) : 0;

    if (r == 0 && vm->uid && open)
        r = own_file(vm, NVRAM_FILE, 0);
    if (r < 0 || !vm->uid)
        return r;
    return fchown(vm->dir_fd, open ? vm->uid : geteuid(), (gid_t)-1) < 0 ? -errno : 0;
}
