#ifndef XAPID_CONSOLE_JPEG_H
#define XAPID_CONSOLE_JPEG_H
/*
 * A screen's picture as a JPEG file, which is what /vncsnapshot answers (protocol.md section 8). Never
 * yields.
 */
#include "lib/buf.h"
#include "xapid/console/rfb.h"

/* Append the file to out. 0, or -EINVAL for what libjpeg does not take. */
int jpeg_write(const struct screen *s, struct buf *out);

#endif
