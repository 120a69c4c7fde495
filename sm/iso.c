/*
 * SR type "iso": a folder of CD images (*.iso), read only. A disk's location is its file name; its uuid is
 * derived from the SR's uuid and that name, so that a scan after a restart finds the same disks.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <openssl/evp.h>
#include "lib/cleanup.h"
#include "lib/fault.h"
#include "sm/drivers.h"
#include "sm/fail.h"
#include "sm/folder.h"
#include "sm/sm.h"

/* A name-based uuid (RFC 4122, version 5) in the SR's name space. */
static void derive_uuid(const struct sm_sr *sr, const char *name, char text[UUID_TEXT_SIZE])
{
    unsigned char d[EVP_MAX_MD_SIZE] = {0};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx) {
        EVP_DigestInit_ex(ctx, EVP_sha1(), NULL);
        EVP_DigestUpdate(ctx, sr->uuid, strlen(sr->uuid));
        EVP_DigestUpdate(ctx, name, strlen(name));
        EVP_DigestFinal_ex(ctx, d, NULL);
    }
    EVP_MD_CTX_free(ctx);
    d[6] = (unsigned char)((d[6] & 0x0f) | 0x50);
    d[8] = (unsigned char)((d[8] & 0x3f) | 0x80);
    snprintf(text, UUID_TEXT_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12], d[13], d[14],
             d[15]);
}

static int co_iso_sr_create(const struct sm_sr *sr, int64_t physical_size, struct err *e)
{
    const char *folder = folder_of_sr(sr, e);

    (void)physical_size;
    if (!folder)
        return -1;
    return access(folder, R_OK | X_OK) < 0 ? sm_fail_errno(e, SM_FAIL_SR_UNAVAILABLE, -errno, folder) : 0;
}

static int co_iso_sr_attach(const struct sm_sr *sr, struct err *e)
{
    return co_iso_sr_create(sr, 0, e);
}

/* Detach and destroy leave the administrator's files alone. */
static int co_iso_sr_release(const struct sm_sr *sr, struct err *e)
{
    (void)sr;
    (void)e;
    return 0;
}

static int co_iso_sr_stat(const struct sm_sr *sr, struct sm_sr_stat *ret, struct err *e)
{
    const char *folder = folder_of_sr(sr, e);
    struct folder all;

    if (!folder)
        return -1;
    int rc = co_folder_list(folder, ".iso", &all);
    *ret = (struct sm_sr_stat){0};
    for (unsigned i = 0; i < all.n; i++)
        ret->physical_utilisation += all.entries[i].size;
    ret->physical_size = ret->virtual_allocation = ret->physical_utilisation;
    folder_free(&all);
    return rc < 0 ? sm_fail_errno(e, SM_FAIL_SR_UNAVAILABLE, rc, folder) : 0;
}

static int co_iso_sr_scan(const struct sm_sr *sr, void *ctx, struct sm_vdi **ret, unsigned *ret_n,
                          struct err *e)
{
    const char *folder = folder_of_sr(sr, e);
    struct folder all;

    if (!folder)
        return -1;
    int rc = co_folder_list(folder, ".iso", &all);
    struct sm_vdi *vdis = talloc_zero_array(ctx, struct sm_vdi, all.n + 1);
    for (unsigned i = 0; i < all.n; i++) {
        derive_uuid(sr, all.entries[i].name, vdis[i].uuid);
        vdis[i].location = vdis[i].name_label = talloc_strdup(vdis, all.entries[i].name);
        vdis[i].virtual_size = vdis[i].physical_utilisation = all.entries[i].size;
        vdis[i].read_only = true;
    }
    *ret_n = all.n;
    folder_free(&all);
    if (rc < 0)
        return sm_fail_errno(e, SM_FAIL_SR_UNAVAILABLE, rc, folder);
    *ret = vdis;
    return 0;
}

static int co_iso_vdi_attach(const struct sm_sr *sr, void *ctx, const char *location, bool writable,
                             struct sm_attachment *ret, struct err *e)
{
    const char *folder = folder_of_sr(sr, e);

    if (!folder)
        return -1;
    char *path = talloc_asprintf(ctx, "%s/%s", folder, location);
    if (writable || strchr(location, '/') || fault_point(FAULT_STORAGE, "iso attach") < 0 ||
        access(path, R_OK) < 0)
        return sm_fail(e, SM_FAIL_VDI_UNAVAILABLE, "%s", location);
    *ret = (struct sm_attachment){.path = path, .format = "raw"};
    return 0;
}

static int co_iso_vdi_detach(const struct sm_sr *sr, const char *location, struct err *e)
{
    (void)sr;
    (void)location;
    (void)e;
    return 0;
}

static const char *const device_config[] = {"location",
                                            "absolute path of the folder that holds the .iso files", NULL};
static const char *const capabilities[] = {"SR_PROBE", "SR_UPDATE", "VDI_ATTACH", "VDI_DETACH", NULL};

const struct sm_driver sm_iso_driver = {
    .type = "iso",
    .name = "Folder of CD images",
    .description = "Offers the .iso files of a folder as read-only disks",
    .content_type = "iso",
    .device_config = device_config,
    .capabilities = capabilities,
    .co_sr_create = co_iso_sr_create,
    .co_sr_attach = co_iso_sr_attach,
    .co_sr_detach = co_iso_sr_release,
    .co_sr_destroy = co_iso_sr_release,
    .co_sr_stat = co_iso_sr_stat,
    .co_sr_scan = co_iso_sr_scan,
    .co_vdi_attach = co_iso_vdi_attach,
    .co_vdi_detach = co_iso_vdi_detach,
};
