/*
 * SR type "file": a folder of qcow2 images, <uuid>.qcow2 a disk.
 *
 * A clone shares blocks through a base image, <uuid>.base.qcow2, which nobody writes: the source's file
 * becomes the base and source and clone become overlays of it. The switch is a link and two renames without a
 * yield between, each of which leaves the source usable, so a crash at any moment leaves at most a base
 * without overlays or a temporary file; both are swept when the SR is attached.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/cleanup.h"
#include "lib/fault.h"
#include "sm/drivers.h"
#include "sm/folder.h"
#include "sm/image.h"
#include "sm/sm.h"

#define SUFFIX ".qcow2"
#define BASE_SUFFIX ".base.qcow2"
/* A qcow2 image of up to 4 TiB without data: header, refcount table, refcount block, L1 table, 64 KiB each.
 */
enum { EMPTY_IMAGE_MAX = 4 * 65536 };

static bool is_base(const char *name)
{
    size_t n = strlen(name), m = strlen(BASE_SUFFIX);
    return n > m && strcmp(name + n - m, BASE_SUFFIX) == 0;
}

/* "<folder>/<location>" on ctx; NULL with an error when the location could leave the folder. */
static char *image_path(void *ctx, const struct sm_sr *sr, const char *location, struct err *e)
{
    const char *folder = folder_of_sr(sr, e);

    if (!folder)
        return NULL;
    if (strchr(location, '/') || location[0] == '.' || location[0] == '\0') {
        sm_fail(e, SM_FAIL_VDI_UNAVAILABLE, "%s is not a disk of this SR", location);
        return NULL;
    }
    return talloc_asprintf(ctx, "%s/%s", folder, location);
}

/* Make renames and removals in the folder durable. */
static int sync_folder(const char *folder)
{
    CLEANUP_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* Describe one image that was just made or read. */
static int fill_vdi(void *ctx, const char *path, const char *location, struct sm_vdi *ret, struct err *e)
{
    struct qcow2_info info;
    struct stat st;
    int rc = qcow2_read_info(path, &info);

    if (rc < 0 || stat(path, &st) < 0)
        return sm_fail_errno(e, SM_FAIL_VDI_UNAVAILABLE, rc < 0 ? rc : -errno, location);
    *ret = (struct sm_vdi){.location = talloc_strdup(ctx, location),
                           .virtual_size = info.virtual_size,
                           .physical_utilisation = (int64_t)st.st_blocks * 512,
                           .parent = info.backing[0] ? talloc_strndup(ctx, info.backing, UUID_TEXT_SIZE - 1)
                                                     : NULL};
    snprintf(ret->uuid, sizeof ret->uuid, "%.*s", (int)UUID_TEXT_SIZE - 1, location);
    return 0;
}

static int co_file_sr_create(const struct sm_sr *sr, int64_t physical_size, struct err *e)
{
    const char *folder = folder_of_sr(sr, e);

    (void)physical_size;
    if (!folder)
        return -1;
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return sm_fail_errno(e, SM_FAIL_SR_CREATE, -errno, folder);
    return 0;
}

/* Remove what a crash left: temporary files, and bases that no image uses. */
static void co_sweep(const char *folder)
{
    struct folder all;
    char path[4096 / 2];

    if (co_folder_list(folder, SUFFIX, &all) == 0)
        for (unsigned i = 0; i < all.n; i++) {
            bool used = !is_base(all.entries[i].name);
            for (unsigned k = 0; k < all.n && !used; k++)
                used = strcmp(all.entries[k].qcow2.backing, all.entries[i].name) == 0;
            if (!used && snprintf(path, sizeof path, "%s/%s", folder, all.entries[i].name) < (int)sizeof path)
                unlink(path);
        }
    folder_free(&all);
    if (co_folder_list(folder, ".tmp", &all) == 0)
        for (unsigned i = 0; i < all.n; i++)
            if (snprintf(path, sizeof path, "%s/%s", folder, all.entries[i].name) < (int)sizeof path)
                unlink(path);
    folder_free(&all);
}

static int co_file_sr_attach(const struct sm_sr *sr, struct err *e)
{
    const char *folder = folder_of_sr(sr, e);

    if (!folder)
        return -1;
    if (access(folder, R_OK | W_OK | X_OK) < 0)
        return sm_fail_errno(e, SM_FAIL_SR_UNAVAILABLE, -errno, folder);
    co_sweep(folder);
    return 0;
}

static int co_file_sr_detach(const struct sm_sr *sr, struct err *e)
{
    (void)sr;
    (void)e;
    return 0;
}

/* Remove all images and, when nothing else is in it, the folder. */
static int co_file_sr_destroy(const struct sm_sr *sr, struct err *e)
{
    const char *folder = folder_of_sr(sr, e);
    struct folder all;

    if (!folder)
        return -1;
    int rc = co_folder_list(folder, SUFFIX, &all);
    for (unsigned i = 0; rc == 0 && i < all.n; i++) {
        CLEANUP_TALLOC char *path = talloc_asprintf(NULL, "%s/%s", folder, all.entries[i].name);
        if (unlink(path) < 0 && errno != ENOENT)
            rc = -errno;
    }
    folder_free(&all);
    if (rc < 0 && rc != -ENOENT)
        return sm_fail_errno(e, SM_FAIL_VDI_DELETE, rc, folder);
    rmdir(folder);
    return 0;
}

static int co_file_sr_stat(const struct sm_sr *sr, struct sm_sr_stat *ret, struct err *e)
{
    const char *folder = folder_of_sr(sr, e);
    struct folder all;

    if (!folder)
        return -1;
    *ret = (struct sm_sr_stat){0};
    int rc = co_folder_space(folder, &ret->physical_size, &ret->physical_utilisation);
    if (rc == 0) {
        rc = co_folder_list(folder, SUFFIX, &all);
        for (unsigned i = 0; rc == 0 && i < all.n; i++)
            ret->virtual_allocation += is_base(all.entries[i].name) ? 0 : all.entries[i].qcow2.virtual_size;
        folder_free(&all);
    }
    return rc < 0 ? sm_fail_errno(e, SM_FAIL_SR_UNAVAILABLE, rc, folder) : 0;
}

/* Is this the name of a disk of ours: a uuid and the suffix? */
static bool is_disk_name(const char *name)
{
    char uuid[UUID_TEXT_SIZE];

    if (strlen(name) != UUID_TEXT_SIZE - 1 + strlen(SUFFIX))
        return false;
    memcpy(uuid, name, sizeof uuid - 1);
    uuid[sizeof uuid - 1] = '\0';
    return uuid_is_valid(uuid);
}

/* List the disks; bases are our own affair and damaged images are left for the administrator. */
static int co_file_sr_scan(const struct sm_sr *sr, void *ctx, struct sm_vdi **ret, unsigned *ret_n,
                           struct err *e)
{
    const char *folder = folder_of_sr(sr, e);
    struct folder all;

    if (!folder)
        return -1;
    int rc = co_folder_list(folder, SUFFIX, &all);
    struct sm_vdi *vdis = talloc_array(ctx, struct sm_vdi, all.n + 1);
    unsigned n = 0;
    for (unsigned i = 0; i < all.n; i++) {
        const struct folder_entry *f = &all.entries[i];
        if (!f->readable || !is_disk_name(f->name))
            continue;
        vdis[n] = (struct sm_vdi){
            .location = talloc_strdup(vdis, f->name),
            .virtual_size = f->qcow2.virtual_size,
            .physical_utilisation = f->used,
            .parent = f->qcow2.backing[0] ? talloc_strndup(vdis, f->qcow2.backing, UUID_TEXT_SIZE - 1) : NULL,
        };
        snprintf(vdis[n].uuid, sizeof vdis[n].uuid, "%.*s", (int)UUID_TEXT_SIZE - 1, f->name);
        n++;
    }
    folder_free(&all);
    if (rc < 0)
        return sm_fail_errno(e, SM_FAIL_SR_UNAVAILABLE, rc, folder);
    *ret = vdis;
    *ret_n = n;
    return 0;
}

static int co_file_vdi_create(const struct sm_sr *sr, void *ctx, const char *uuid, int64_t size,
                              const struct map *sm_config, struct sm_vdi *ret, struct err *e)
{
    const char *folder = folder_of_sr(sr, e);

    (void)sm_config;
    if (!folder)
        return -1;
    if (sm_disk_size(size, &size, e) < 0)
        return -1;
    CLEANUP_TALLOC char *temporary = talloc_asprintf(NULL, "%s/%s.tmp", folder, uuid);
    CLEANUP_TALLOC char *location = talloc_asprintf(NULL, "%s" SUFFIX, uuid);
    CLEANUP_TALLOC char *path = talloc_asprintf(NULL, "%s/%s", folder, location);
    int rc = co_image_create(temporary, size, NULL, e);
    if (rc == 0 && rename(temporary, path) < 0)
        rc = sm_fail_errno(e, SM_FAIL_VDI_CREATE, -errno, location);
    if (rc == 0 && sync_folder(folder) < 0)
        rc = sm_fail(e, SM_FAIL_VDI_CREATE, "%s", folder);
    if (rc == 0)
        rc = fill_vdi(ctx, path, location, ret, e);
    if (rc < 0)
        unlink(temporary);
    return rc;
}

/* Remove bases from `name` up the chain for as long as nothing else uses them. */
static int co_drop_unused_bases(const char *folder, const char *name)
{
    char next[QCOW2_BACKING_MAX + 1], base[QCOW2_BACKING_MAX + 1];

    snprintf(base, sizeof base, "%s", name);
    while (base[0] && is_base(base)) {
        struct folder all;
        bool used = false;
        int rc = co_folder_list(folder, SUFFIX, &all);
        next[0] = '\0';
        for (unsigned i = 0; rc == 0 && i < all.n; i++) {
            used = used || strcmp(all.entries[i].qcow2.backing, base) == 0;
            if (strcmp(all.entries[i].name, base) == 0)
                snprintf(next, sizeof next, "%s", all.entries[i].qcow2.backing);
        }
        folder_free(&all);
        if (rc < 0 || used)
            return rc;
        CLEANUP_TALLOC char *path = talloc_asprintf(NULL, "%s/%s", folder, base);
        if (unlink(path) < 0 && errno != ENOENT)
            return -errno;
        memcpy(base, next, sizeof base);
    }
    return 0;
}

/* Remove a disk; one that is gone already counts as removed. */
static int co_file_vdi_destroy(const struct sm_sr *sr, const char *location, struct err *e)
{
    CLEANUP_TALLOC char *path = image_path(NULL, sr, location, e);
    struct qcow2_info info = {0};

    if (!path)
        return -1;
    if (fault_point(FAULT_STORAGE, "vdi destroy") < 0)
        return sm_fail(e, SM_FAIL_VDI_DELETE, "%s", location);
    qcow2_read_info(path, &info);
    if (unlink(path) < 0 && errno != ENOENT)
        return sm_fail_errno(e, SM_FAIL_VDI_DELETE, -errno, location);
    int rc = co_drop_unused_bases(folder_of_sr(sr, e), info.backing);
    if (rc == 0)
        rc = sync_folder(folder_of_sr(sr, e));
    return rc < 0 ? sm_fail_errno(e, SM_FAIL_VDI_DELETE, rc, location) : 0;
}

/* Does the image hold nothing of its own, so that a clone may simply sit on the same base? */
static bool is_untouched(const char *path, const struct qcow2_info *info)
{
    struct stat st;
    return info->backing[0] && stat(path, &st) == 0 && st.st_size <= EMPTY_IMAGE_MAX;
}

struct clone {
    const char *folder, *source;   /* paths */
    char *target, *base_path;      /* paths to be */
    char *new_source, *new_target; /* temporary overlays */
};

/* Put source and clone on the base. No yield between the steps; each leaves the source usable. */
static int switch_to_base(const struct clone *c)
{
    if (link(c->source, c->base_path) < 0)
        return -errno;
    if (rename(c->new_source, c->source) < 0) {
        int rc = -errno;
        unlink(c->base_path);
        return rc;
    }
    return rename(c->new_target, c->target) < 0 ? -errno : sync_folder(c->folder);
}

/* Clone by a new base: both become overlays of what the source held. */
static int co_clone_by_base(struct clone *c, void *mem, int64_t size, const char *new_uuid, struct err *e)
{
    char uuid[UUID_TEXT_SIZE];

    uuid_new(uuid);
    char *base = talloc_asprintf(mem, "%s" BASE_SUFFIX, uuid);
    c->base_path = talloc_asprintf(mem, "%s/%s", c->folder, base);
    c->new_source = talloc_asprintf(mem, "%s/%s.tmp", c->folder, uuid);
    c->new_target = talloc_asprintf(mem, "%s/%s.tmp", c->folder, new_uuid);
    int rc = co_image_create(c->new_source, size, base, e);
    if (rc == 0)
        rc = co_image_create(c->new_target, size, base, e);
    if (rc == 0 && (rc = switch_to_base(c)) < 0)
        rc = sm_fail_errno(e, SM_FAIL_VDI_CLONE, rc, c->source);
    if (rc < 0) {
        unlink(c->new_source);
        unlink(c->new_target);
    }
    return rc;
}

static int co_file_vdi_clone(const struct sm_sr *sr, void *ctx, const char *location, const char *new_uuid,
                             struct sm_vdi *ret, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct clone c = {.folder = folder_of_sr(sr, e), .source = image_path(mem, sr, location, e)};
    struct qcow2_info info;

    if (!c.source)
        return -1;
    int rc = qcow2_read_info(c.source, &info);
    if (rc < 0)
        return sm_fail_errno(e, SM_FAIL_VDI_UNAVAILABLE, rc, location);
    char *target_name = talloc_asprintf(mem, "%s" SUFFIX, new_uuid);
    c.target = talloc_asprintf(mem, "%s/%s", c.folder, target_name);
    if (is_untouched(c.source, &info))
        rc = co_image_create(c.target, info.virtual_size, info.backing, e);
    else
        rc = co_clone_by_base(&c, mem, info.virtual_size, new_uuid, e);
    return rc < 0 ? rc : fill_vdi(ctx, c.target, target_name, ret, e);
}

/* Put a new overlay of a base in the place of an image. */
static int co_replace_by_overlay(const struct clone *c, void *mem, const struct qcow2_info *base,
                                 struct err *e)
{
    char uuid[UUID_TEXT_SIZE];

    uuid_new(uuid);
    const char *temporary = talloc_asprintf(mem, "%s/%s.tmp", c->folder, uuid);
    int rc = co_image_create(temporary, base->virtual_size, base->backing, e);
    if (rc == 0 && (rename(temporary, c->target) < 0 || sync_folder(c->folder) < 0))
        rc = sm_fail_errno(e, SM_FAIL_VDI_CLONE, -errno, c->target);
    if (rc < 0)
        unlink(temporary);
    return rc;
}

/* A clone of the snapshot takes the place of the disk's image by a rename. */
static int co_file_vdi_revert(const struct sm_sr *sr, void *ctx, const char *location, const char *snapshot,
                              struct sm_vdi *ret, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct clone c = {.folder = folder_of_sr(sr, e),
                      .source = image_path(mem, sr, snapshot, e),
                      .target = image_path(mem, sr, location, e)};
    struct qcow2_info info, old;
    char uuid[UUID_TEXT_SIZE];

    if (!c.source || !c.target)
        return -1;
    int rc = fault_point(FAULT_STORAGE, "vdi revert");
    if (rc == 0 && (rc = qcow2_read_info(c.source, &info)) == 0)
        rc = qcow2_read_info(c.target, &old);
    if (rc < 0)
        return sm_fail_errno(e, SM_FAIL_VDI_UNAVAILABLE, rc, location);
    uuid_new(uuid);
    rc = is_untouched(c.source, &info) ? co_replace_by_overlay(&c, mem, &info, e)
                                       : co_clone_by_base(&c, mem, info.virtual_size, uuid, e);
    if (rc < 0)
        return rc;
    co_drop_unused_bases(c.folder, old.backing); /* what stays is swept when the SR is attached next */
    return fill_vdi(ctx, c.target, location, ret, e);
}

static int co_file_vdi_resize(const struct sm_sr *sr, void *ctx, const char *location, int64_t size,
                              struct sm_vdi *ret, struct err *e)
{
    CLEANUP_TALLOC char *path = image_path(NULL, sr, location, e);

    if (!path)
        return -1;
    if (sm_disk_size(size, &size, e) < 0)
        return -1;
    if (co_image_resize(path, size, e) < 0)
        return -1;
    return fill_vdi(ctx, path, location, ret, e);
}

static int co_file_vdi_attach(const struct sm_sr *sr, void *ctx, const char *location, bool writable,
                              struct sm_attachment *ret, struct err *e)
{
    char *path = image_path(ctx, sr, location, e);

    if (!path)
        return -1;
    if (fault_point(FAULT_STORAGE, "vdi attach") < 0 || access(path, writable ? R_OK | W_OK : R_OK) < 0)
        return sm_fail(e, SM_FAIL_VDI_UNAVAILABLE, "%s", location);
    *ret = (struct sm_attachment){
        .path = path, .format = "qcow2", .folder = talloc_strdup(ctx, folder_of_sr(sr, e))};
    return 0;
}

static int co_file_vdi_detach(const struct sm_sr *sr, const char *location, struct err *e)
{
    (void)sr;
    (void)location;
    (void)e;
    return 0;
}

static const char *const device_config[] = {"location", "absolute path of the folder that holds the images",
                                            NULL};
static const char *const capabilities[] = {
    "SR_PROBE",   "SR_UPDATE",         "VDI_CREATE", "VDI_INTRODUCE",       "VDI_MIRROR",
    "VDI_DELETE", "VDI_ATTACH",        "VDI_DETACH", "VDI_CLONE",           "VDI_SNAPSHOT",
    "VDI_RESIZE", "VDI_RESIZE_ONLINE", "VDI_UPDATE", "VDI_GENERATE_CONFIG", NULL};

const struct sm_driver sm_file_driver = {
    .type = "file",
    .name = "Folder of disk images",
    .description = "Keeps each disk as a qcow2 file in a folder of this host",
    .content_type = "user",
    .device_config = device_config,
    .capabilities = capabilities,
    .co_sr_create = co_file_sr_create,
    .co_sr_attach = co_file_sr_attach,
    .co_sr_detach = co_file_sr_detach,
    .co_sr_destroy = co_file_sr_destroy,
    .co_sr_stat = co_file_sr_stat,
    .co_sr_scan = co_file_sr_scan,
    .co_vdi_create = co_file_vdi_create,
    .co_vdi_destroy = co_file_vdi_destroy,
    .co_vdi_clone = co_file_vdi_clone,
    .co_vdi_snapshot = co_file_vdi_clone,
    .co_vdi_revert = co_file_vdi_revert,
    .co_vdi_resize = co_file_vdi_resize,
    .co_vdi_attach = co_file_vdi_attach,
    .co_vdi_detach = co_file_vdi_detach,
};
