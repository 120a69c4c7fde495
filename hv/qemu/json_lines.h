#ifndef HV_QEMU_JSON_LINES_H
#define HV_QEMU_JSON_LINES_H
/*
 * Bytes in, JSON objects out: the framing that QMP and the guest agent share. Sans I/O, never yields.
 *
 * A message is a line holding one JSON object. Both ends may be hostile (a guest, or a QEMU that a guest took
 * over), so lines longer than `max` bytes are dropped whole, nesting is limited before anything recursive
 * sees it, and a line that is no object costs only itself. A byte 0xFF throws away what stands before it on
 * its line: guest agents send one to mark a fresh start.
 */
#include <jansson.h>
#include <stdbool.h>
#include "lib/buf.h"

struct json_lines {
    struct buf in;
    size_t at;      /* where the next line begins */
    size_t scanned; /* no newline stands before this */
    size_t max;
    bool dropping; /* in the middle of a line that is too long */
};

void json_lines_init(struct json_lines *j, size_t max);
void json_lines_fini(struct json_lines *j);

/* Forget what was fed and not taken yet. */
void json_lines_reset(struct json_lines *j);

/* Take n bytes in. Call json_lines_next until it answers 0 after each, so that memory stays bounded by max +
 * n. */
void json_lines_feed(struct json_lines *j, const char *bytes, size_t n);

/* 1: *ret is the next object, the caller's to json_decref. 0: none is complete. -EMSGSIZE: a line was too
 * long and is dropped. -EBADMSG: a line was no JSON object, or nested too deep, and is dropped. */
int json_lines_next(struct json_lines *j, json_t **ret);

#endif
