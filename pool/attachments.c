#include "pool/attachments.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <jansson.h>

static char *note_path(void *ctx, const char *state_dir, const char *vm_uuid)
{
    return talloc_asprintf(ctx, "%s/agent/%s.json", state_dir, vm_uuid);
}

static void cleanup_json(json_t **j)
{
    json_decref(*j);
}
#define CLEANUP_JSON CLEANUP(cleanup_json)

static json_t *json_of_map(const struct map *m)
{
    json_t *j = json_object();

    for (uint32_t i = 0; i < map_count(m); i++)
        json_object_set_new(j, m->e[i].k.s, json_string(m->e[i].v.s));
    return j;
}

static struct map *map_of_json(void *ctx, const json_t *j)
{
    struct map *m = NULL;
    const char *key;
    json_t *v;

    json_object_foreach ((json_t *)j, key, v)
        m = map_with(ctx, m, key, json_string_value(v));
    return m;
}

/* ---- the note ---- */

static json_t *load(const char *state_dir, const char *vm_uuid)
{
    CLEANUP_TALLOC char *path = note_path(NULL, state_dir, vm_uuid);

    return json_load_file(path, 0, NULL);
}

/* Write the note whole or not at all; its content is worthless after a crash of the machine, so no fsync. */
static int save(const char *state_dir, const char *vm_uuid, const json_t *note)
{
    CLEANUP_TALLOC char *path = note_path(NULL, state_dir, vm_uuid);
    CLEANUP_TALLOC char *temporary = talloc_asprintf(NULL, "%s.tmp", path);
    CLEANUP_TALLOC char *folder = talloc_asprintf(NULL, "%s/agent", state_dir);

    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return -errno;
    if (json_dump_file(note, temporary, JSON_COMPACT) < 0)
        return -EIO;
    return rename(temporary, path) < 0 ? -errno : 0;
}

/* Where the disk is. */
static const char *const of_medium[] = {"sr", "type", "device_config", "location", "changing"};
#define N_OF_MEDIUM (sizeof of_medium / sizeof *of_medium)

static void set_place(json_t *j, const struct agent_disk *d)
{
    json_object_set_new(j, "sr", json_string(d->sr.uuid));
    json_object_set_new(j, "type", json_string(d->sr.type));
    json_object_set_new(j, "device_config", json_of_map(d->sr.device_config));
    json_object_set_new(j, "location", json_string(d->location));
}

static json_t *json_of_disk(const struct agent_disk *d)
{
    json_t *j =
        json_pack("{s:s, s:s, s:i}", "kind", "disk", "uuid", d->vbd_uuid, "number", (int)d->userdevice);

    if (d->sr.type)
        set_place(j, d);
    return j;
}

static json_t *json_of_nic(const struct agent_nic *n)
{
    return json_pack("{s:s, s:s, s:i}", "kind", "nic", "uuid", n->vif_uuid, "number", (int)n->device);
}

int attachments_note(const char *state_dir, const struct agent_vm_spec *spec)
{
    json_t *devices = json_array();
    CLEANUP_JSON json_t *note = json_pack("{s:o}", "devices", devices);

    for (unsigned i = 0; i < spec->n_disks; i++)
        json_array_append_new(devices, json_of_disk(&spec->disks[i]));
    for (unsigned i = 0; i < spec->n_nics; i++)
        json_array_append_new(devices, json_of_nic(&spec->nics[i]));
    return save(state_dir, spec->vm.uuid, note);
}

/* ---- one device ---- */

static const char *text_member(const json_t *j, const char *name)
{
    return json_string_value(json_object_get(j, name));
}

/* Where the device stands in the note; -1 when it does not. */
static int find_device(const json_t *note, const char *device_uuid)
{
    json_t *item;
    size_t i;

    json_array_foreach (json_object_get(note, "devices"), i, item) {
        const char *uuid = text_member(item, "uuid");

        if (uuid && strcmp(uuid, device_uuid) == 0)
            return (int)i;
    }
    return -1;
}

/* Note a device, in place of what was noted of it, as changing. Takes item over. */
static int note_device(const char *state_dir, const char *vm_uuid, const char *device_uuid, json_t *item)
{
    CLEANUP_JSON json_t *note = load(state_dir, vm_uuid);
    json_t *devices = json_object_get(note, "devices");
    int at = find_device(note, device_uuid);

    json_object_set_new(item, "changing", json_true());
    if (!json_is_array(devices)) {
        json_decref(item);
        return -ENOENT;
    }
    if (at >= 0)
        json_array_set_new(devices, (size_t)at, item);
    else
        json_array_append_new(devices, item);
    return save(state_dir, vm_uuid, note);
}

int attachments_note_disk(const char *state_dir, const char *vm_uuid, const struct agent_disk *d)
{
    return note_device(state_dir, vm_uuid, d->vbd_uuid, json_of_disk(d));
}

int attachments_note_nic(const char *state_dir, const char *vm_uuid, const struct agent_nic *n)
{
    return note_device(state_dir, vm_uuid, n->vif_uuid, json_of_nic(n));
}

int attachments_set_changing(const char *state_dir, const char *vm_uuid, const char *device_uuid,
                             bool changing)
{
    CLEANUP_JSON json_t *note = load(state_dir, vm_uuid);
    int at = find_device(note, device_uuid);
    json_t *item;

    if (at < 0)
        return -ENOENT;
    item = json_array_get(json_object_get(note, "devices"), (size_t)at);
    if (changing)
        json_object_set_new(item, "changing", json_true());
    else
        json_object_del(item, "changing");
    return save(state_dir, vm_uuid, note);
}

static bool read_attachment(void *ctx, const json_t *item, struct attachment *ret)
{
    const char *uuid = text_member(item, "uuid"), *kind = text_member(item, "kind"),
               *sr = text_member(item, "sr"), *location = text_member(item, "location");

    if (!uuid || !kind || !uuid_is_valid(uuid))
        return false;
    *ret = (struct attachment){.kind = strcmp(kind, "nic") == 0 ? HV_DEVICE_NIC : HV_DEVICE_DISK,
                               .number = (unsigned)json_integer_value(json_object_get(item, "number")),
                               .changing = json_is_true(json_object_get(item, "changing")),
                               .copying = json_object_get(item, "copy") != NULL,
                               .sr_uuid = sr ? talloc_strdup(ctx, sr) : NULL,
                               .location = location ? talloc_strdup(ctx, location) : NULL};
    memcpy(ret->uuid, uuid, sizeof ret->uuid);
    return true;
}

struct attachment *attachments_read(void *ctx, const char *state_dir, const char *vm_uuid, unsigned *ret_n)
{
    CLEANUP_JSON json_t *note = load(state_dir, vm_uuid);
    json_t *devices = json_object_get(note, "devices"), *item;
    struct attachment *all;
    size_t i;

    *ret_n = 0;
    if (!json_is_array(devices))
        return NULL;
    all = talloc_zero_array(ctx, struct attachment, (unsigned)json_array_size(devices) + 1);
    json_array_foreach (devices, i, item)
        if (read_attachment(all, item, &all[*ret_n]))
            ++*ret_n;
    return all;
}

/* ---- giving back ---- */

/* Give back one noted disk. */
static int co_release_disk(const json_t *disk, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct sm_sr sr = {.type = text_member(disk, "type")};
    const char *uuid = text_member(disk, "sr"), *location = text_member(disk, "location");
    const struct sm_driver *driver = sr.type ? sm_driver_by_type(sr.type) : NULL;

    if (!driver || !uuid || !location)
        return 0;
    snprintf(sr.uuid, sizeof sr.uuid, "%s", uuid);
    sr.device_config = map_of_json(mem, json_object_get(disk, "device_config"));
    return driver->co_vdi_detach(&sr, location, e);
}

static int co_release_one(const json_t *item, struct err *e)
{
    const char *uuid = text_member(item, "uuid"), *kind = text_member(item, "kind");

    if (uuid && kind && strcmp(kind, "nic") == 0)
        return co_net_tap_destroy(uuid, e);
    if (json_object_get(item, "copy") && co_release_disk(json_object_get(item, "copy"), e) < 0)
        return -1;
    return co_release_disk(item, e);
}

/* Take the device out of the note as it is now. */
static int forget(const char *state_dir, const char *vm_uuid, const char *device_uuid, bool only_medium)
{
    CLEANUP_JSON json_t *note = load(state_dir, vm_uuid);
    json_t *devices = json_object_get(note, "devices");
    int at = find_device(note, device_uuid);

    if (at < 0)
        return 0;
    for (unsigned i = 0; only_medium && i < N_OF_MEDIUM; i++)
        json_object_del(json_array_get(devices, (size_t)at), of_medium[i]);
    if (!only_medium)
        json_array_remove(devices, (size_t)at);
    return save(state_dir, vm_uuid, note);
}

int co_attachments_release_device(const char *state_dir, const char *vm_uuid, const char *device_uuid,
                                  bool only_medium, struct err *e)
{
    CLEANUP_JSON json_t *note = load(state_dir, vm_uuid);
    int at = find_device(note, device_uuid), r;

    if (at < 0)
        return 0;
    if (co_release_one(json_array_get(json_object_get(note, "devices"), (size_t)at), e) < 0)
        return -1;
    r = forget(state_dir, vm_uuid, device_uuid, only_medium);
    return r < 0 ? err_errno(e, r, "the note of guest %s", vm_uuid) : 0;
}

/* ---- copies ---- */

int attachments_note_copy(const char *state_dir, const char *vm_uuid, const struct agent_disk *d)
{
    CLEANUP_JSON json_t *note = load(state_dir, vm_uuid);
    json_t *copy = json_object(), *item;
    int at = find_device(note, d->vbd_uuid);

    if (at < 0) {
        json_decref(copy);
        return -ENOENT;
    }
    item = json_array_get(json_object_get(note, "devices"), (size_t)at);
    set_place(copy, d);
    json_object_set_new(item, "copy", copy);
    return save(state_dir, vm_uuid, note);
}

static bool is_at(const json_t *place, const struct agent_disk *d)
{
    const char *sr = text_member(place, "sr"), *location = text_member(place, "location");

    return sr && location && strcmp(sr, d->sr.uuid) == 0 && strcmp(location, d->location) == 0;
}

static void change_over(json_t *item, json_t *copy)
{
    for (unsigned i = 0; i < N_OF_MEDIUM; i++) {
        json_t *was = json_incref(json_object_get(item, of_medium[i]));

        json_object_set(item, of_medium[i], json_object_get(copy, of_medium[i]));
        json_object_set_new(copy, of_medium[i], was);
    }
}

int co_attachments_settle_copy(const char *state_dir, const char *vm_uuid, const struct agent_disk *d,
                               struct err *e)
{
    CLEANUP_JSON json_t *note = load(state_dir, vm_uuid);
    int at = find_device(note, d->vbd_uuid), r = 0;
    json_t *item = json_array_get(json_object_get(note, "devices"), at < 0 ? 0 : (size_t)at);
    CLEANUP_JSON json_t *copy = at < 0 ? NULL : json_incref(json_object_get(item, "copy"));

    if (!copy)
        return 0;
    if (is_at(copy, d)) {
        change_over(item, copy);
        r = save(state_dir, vm_uuid, note);
    }
    if (r == 0 && co_release_disk(copy, e) < 0)
        return -1;
    json_object_del(item, "copy");
    if (r == 0)
        r = save(state_dir, vm_uuid, note);
    return r < 0 ? err_errno(e, r, "the note of guest %s", vm_uuid) : 0;
}

/* ---- all ---- */

int co_attachments_release(const char *state_dir, const char *vm_uuid, struct err *e)
{
    CLEANUP_TALLOC char *path = note_path(NULL, state_dir, vm_uuid);
    CLEANUP_JSON json_t *note = load(state_dir, vm_uuid);
    json_t *item;
    size_t i;
    int rc = 0;

    if (!note)
        return 0;
    json_array_foreach (json_object_get(note, "devices"), i, item)
        if (co_release_one(item, e) < 0)
            rc = -1;
    if (rc == 0)
        unlink(path);
    return rc;
}

/* A daemon was killed while it wrote the note: what it was about to do has not begun. */
static bool is_half_written(const char *name)
{
    size_t n = strlen(name);

    return n > 4 && strcmp(name + n - 4, ".tmp") == 0;
}

const char **attachments_guests(void *ctx, const char *state_dir, unsigned *ret_n)
{
    CLEANUP_TALLOC char *folder = talloc_asprintf(NULL, "%s/agent", state_dir);
    const char **guests = talloc_array(ctx, const char *, 0);
    DIR *dir = opendir(folder);

    *ret_n = 0;
    if (!dir)
        return guests;
    for (struct dirent *d; (d = readdir(dir));) {
        char *uuid = talloc_strndup(ctx, d->d_name, UUID_TEXT_SIZE - 1);
        if (is_half_written(d->d_name))
            unlinkat(dirfd(dir), d->d_name, 0);
        if (!uuid_is_valid(uuid) || strcmp(d->d_name + UUID_TEXT_SIZE - 1, ".json") != 0)
            continue;
        guests = talloc_realloc(ctx, guests, const char *, *ret_n + 1);
        guests[(*ret_n)++] = uuid;
    }
    closedir(dir);
    return guests;
}
