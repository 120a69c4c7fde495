#include "pool/attachments.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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

/* Write the note whole or not at all; its content is worthless after a crash of the machine, so no fsync. */
int attachments_note(const char *state_dir, const struct agent_vm_spec *spec)
{
    CLEANUP_TALLOC char *path = note_path(NULL, state_dir, spec->vm.uuid);
    CLEANUP_TALLOC char *temporary = talloc_asprintf(NULL, "%s.tmp", path);
    CLEANUP_TALLOC char *folder = talloc_asprintf(NULL, "%s/agent", state_dir);
    json_t *disks = json_array(), *vifs = json_array();
    CLEANUP_JSON json_t *note = json_pack("{s:o, s:o}", "disks", disks, "vifs", vifs);

    for (unsigned i = 0; i < spec->n_disks; i++)
        if (spec->disks[i].sr.type)
            json_array_append_new(disks, json_pack("{s:s, s:s, s:o, s:s}", "sr", spec->disks[i].sr.uuid,
                                                   "type", spec->disks[i].sr.type, "device_config",
                                                   json_of_map(spec->disks[i].sr.device_config), "location",
                                                   spec->disks[i].location));
    for (unsigned i = 0; i < spec->n_nics; i++)
        json_array_append_new(vifs, json_string(spec->nics[i].vif_uuid));
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return -errno;
    if (json_dump_file(note, temporary, JSON_COMPACT) < 0)
        return -EIO;
    return rename(temporary, path) < 0 ? -errno : 0;
}

/* Give back one noted disk. */
static int co_release_disk(const json_t *disk, struct err *e)
{
    CLEANUP_TALLOC void *mem = talloc_new(NULL);
    struct sm_sr sr = {.type = json_string_value(json_object_get(disk, "type"))};
    const char *uuid = json_string_value(json_object_get(disk, "sr"));
    const char *location = json_string_value(json_object_get(disk, "location"));
    const struct sm_driver *driver = sr.type ? sm_driver_by_type(sr.type) : NULL;

    if (!driver || !uuid || !location)
        return 0;
    snprintf(sr.uuid, sizeof sr.uuid, "%s", uuid);
    sr.device_config = map_of_json(mem, json_object_get(disk, "device_config"));
    return driver->co_vdi_detach(&sr, location, e);
}

int co_attachments_release(const char *state_dir, const char *vm_uuid, struct err *e)
{
    CLEANUP_TALLOC char *path = note_path(NULL, state_dir, vm_uuid);
    CLEANUP_JSON json_t *note = json_load_file(path, 0, NULL);
    json_t *item;
    size_t i;
    int rc = 0;

    if (!note)
        return 0;
    json_array_foreach (json_object_get(note, "vifs"), i, item)
        if (json_is_string(item) && co_net_tap_destroy(json_string_value(item), e) < 0)
            rc = -1;
    json_array_foreach (json_object_get(note, "disks"), i, item)
        if (co_release_disk(item, e) < 0)
            rc = -1;
    if (rc == 0)
        unlink(path);
    return rc;
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
        if (!uuid_is_valid(uuid) || strcmp(d->d_name + UUID_TEXT_SIZE - 1, ".json") != 0)
            continue;
        guests = talloc_realloc(ctx, guests, const char *, *ret_n + 1);
        guests[(*ret_n)++] = uuid;
    }
    closedir(dir);
    return guests;
}

void attachments_add_vifs(void *ctx, const char *state_dir, const char *vm_uuid, const char ***vifs,
                          unsigned *n)
{
    CLEANUP_TALLOC char *path = note_path(NULL, state_dir, vm_uuid);
    CLEANUP_JSON json_t *note = json_load_file(path, 0, NULL);
    json_t *item;
    size_t i;

    json_array_foreach (json_object_get(note, "vifs"), i, item) {
        if (!json_is_string(item))
            continue;
        *vifs = talloc_realloc(ctx, *vifs, const char *, *n + 1);
        (*vifs)[(*n)++] = talloc_strdup(ctx, json_string_value(item));
    }
}
