#include "xapid/console/jpeg.h"
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <jpeglib.h>

enum { QUALITY = 85 };

/* libjpeg would end the process at an error. */
struct error_exit {
    struct jpeg_error_mgr manager;
    jmp_buf back;
};

static void leave(j_common_ptr j)
{
    longjmp(((struct error_exit *)(void *)j->err)->back, 1);
}

static void say_nothing(j_common_ptr j)
{
    (void)j;
}

static void compress(struct jpeg_compress_struct *j, const struct screen *s)
{
    j->image_width = s->width;
    j->image_height = s->height;
    j->input_components = 3;
    j->in_color_space = JCS_RGB;
    jpeg_set_defaults(j);
    jpeg_set_quality(j, QUALITY, TRUE);
    jpeg_start_compress(j, TRUE);
    while (j->next_scanline < j->image_height) {
        JSAMPROW row = s->rgb + 3 * (size_t)j->next_scanline * s->width;
        jpeg_write_scanlines(j, &row, 1);
    }
    jpeg_finish_compress(j);
}

struct work {
    struct jpeg_compress_struct j;
    struct error_exit error;
    unsigned char *file; /* malloc'ed by libjpeg */
    unsigned long size;
};

/* Everything that changes lies in the caller's frame, so that it is good after a jump back here. */
static int try(struct work *w, const struct screen *s)
{
    w->j.err = jpeg_std_error(&w->error.manager);
    w->error.manager.error_exit = leave;
    w->error.manager.output_message = say_nothing;
    if (setjmp(w->error.back) != 0)
        return -EINVAL;
    jpeg_create_compress(&w->j);
    jpeg_mem_dest(&w->j, &w->file, &w->size);
    compress(&w->j, s);
    return 0;
}

int jpeg_write(const struct screen *s, struct buf *out)
{
    struct work w = {.file = NULL};
    int rc = try(&w, s);

    if (rc == 0)
        buf_add(out, w.file, w.size);
    jpeg_destroy_compress(&w.j);
    free(w.file);
    return rc;
}
