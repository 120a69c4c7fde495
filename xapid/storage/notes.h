#ifndef XAPID_STORAGE_NOTES_H
#define XAPID_STORAGE_NOTES_H
/*
 * The notes of disks in the making: STATE/making/<vdi uuid>, holding the SR's uuid. See xapid/storage/vdi.h.
 */
#include "model/value.h"

/* Write the note durably. 0 or -errno. */
int co_note_write(const char *state_dir, const char *vdi_uuid, const char *sr_uuid);

/* Drop it (also when there is none). Never yields. */
void note_drop(const char *state_dir, const char *vdi_uuid);

struct note {
    char vdi_uuid[UUID_TEXT_SIZE], sr_uuid[UUID_TEXT_SIZE];
};

/* All notes, a talloc'd array on ctx. */
struct note *notes_read(void *ctx, const char *state_dir, unsigned *ret_n);

#endif
