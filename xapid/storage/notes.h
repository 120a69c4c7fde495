#ifndef XAPID_STORAGE_NOTES_H
#define XAPID_STORAGE_NOTES_H
/*
 * The notes of disks in the making: STATE/making/<vdi uuid>, holding the SR's uuid. See xapid/storage/vdi.h.
 */
#include <stdbool.h>
#include "model/value.h"

/* Write the note durably. 0 or -errno. */
int co_note_write(const char *state_dir, const char *vdi_uuid, const char *sr_uuid);

/* Drop it (also when there is none). Never yields. */
void note_drop(const char *state_dir, const char *vdi_uuid);

/* The operation that wrote the note comes to its end and leaves it for somebody to settle. Never yields. */
void note_give_up(const char *vdi_uuid);

/* Is an operation of this process still at work on the disk? Never yields. */
bool note_is_at_work(const char *vdi_uuid);

struct note {
    char vdi_uuid[UUID_TEXT_SIZE], sr_uuid[UUID_TEXT_SIZE];
};

/* All notes, a talloc'd array on ctx. */
struct note *notes_read(void *ctx, const char *state_dir, unsigned *ret_n);

#endif
