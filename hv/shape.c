#include "hv/shape.h"
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/ioctl.h>
#include <talloc.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/cleanup.h"
#include "lib/fd.h"
#include "lib/fiber.h"
#include "lib/mem.h"

#define MAGIC "xapidhw1"
enum { MAGIC_SIZE = 8, HEAD_SIZE = 12 }; /* with the length */
#define READ_MS 60000                    /* for storage to come up with the bytes */
#define MORE_MS 1000                     /* for the rest of a word of which some is there */
#define LOOK_MS 2

bool hv_shape_has(const char *shape, enum hv_device_kind kind, unsigned number)
{
    json_t *all = shape ? json_loads(shape, 0, NULL) : NULL, *entry;
    const json_t *list = json_object_get(all, kind == HV_DEVICE_NIC ? "nics" : "disks");
    bool found = !json_is_array(list);
    size_t i;

    json_array_foreach (list, i, entry)
        found = found || (json_is_integer(entry) && json_integer_value(entry) == (json_int_t)number);
    json_decref(all);
    return found;
}

int hv_shape_write(int fd, const char *shape)
{
    size_t n = strlen(shape);
    char head[HEAD_SIZE] = MAGIC;
    int r;

    if (n > HV_SHAPE_MAX)
        return -E2BIG;
    for (unsigned i = 0; i < 4; i++)
        head[MAGIC_SIZE + i] = (char)(n >> (24 - 8 * i));
    r = fd_write_all(fd, head, sizeof head);
    return r < 0 ? r : fd_write_all(fd, shape, n);
}

/* ---- reading ---- */

/* How many bytes lie in the pipe: enough for the magic word, or all that there are. -errno. */
static int co_wait_bytes(int fd)
{
    int64_t deadline = clock_in_ms(READ_MS);
    int n = 0, r = co_wait_fd(fd, EV_READ, deadline, "the beginning of a state");

    for (int64_t until = clock_in_ms(MORE_MS); r >= 0 && n < MAGIC_SIZE && clock_now() < until;) {
        r = ioctl(fd, FIONREAD, &n) < 0 ? -errno : 0;
        if (r == 0 && n == 0)
            break; /* its end */
        if (r == 0 && n < MAGIC_SIZE)
            r = co_sleep_until(clock_in_ms(LOOK_MS), "more of the beginning of a state");
    }
    return r < 0 ? r : n;
}

/* 1 when the pipe or file goes on with the magic word, which stays in it; 0; -errno. */
static int co_has_magic(int fd)
{
    char seen[MAGIC_SIZE];
    off_t at = lseek(fd, 0, SEEK_CUR);
    int copy[2], r;

    if (at >= 0)
        return pread(fd, seen, MAGIC_SIZE, at) == MAGIC_SIZE && memcmp(seen, MAGIC, MAGIC_SIZE) == 0;
    r = co_wait_bytes(fd);
    if (r < MAGIC_SIZE)
        return r < 0 ? r : 0;
    if (pipe2(copy, O_CLOEXEC) < 0)
        return -errno;
    r = tee(fd, copy[1], MAGIC_SIZE, SPLICE_F_NONBLOCK) == MAGIC_SIZE &&
        read(copy[0], seen, MAGIC_SIZE) == MAGIC_SIZE && memcmp(seen, MAGIC, MAGIC_SIZE) == 0;
    close(copy[0]);
    close(copy[1]);
    return r;
}

static int co_read_all(int fd, void *to, size_t n)
{
    int64_t deadline = clock_in_ms(READ_MS);

    for (size_t done = 0; done < n;) {
        int r = co_wait_fd(fd, EV_READ, deadline, "the shape of a state");
        ssize_t got = r < 0 ? 0 : read(fd, (char *)to + done, n - done);

        if (r < 0)
            return r;
        if (got < 0 && errno != EINTR && errno != EAGAIN)
            return -errno;
        if (got == 0)
            return -ENODATA;
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

static int co_read_text(int fd, void *ctx, char **ret)
{
    unsigned char head[HEAD_SIZE];
    size_t n = 0;
    int r = co_read_all(fd, head, sizeof head);

    if (r < 0)
        return r;
    for (unsigned i = MAGIC_SIZE; i < HEAD_SIZE; i++)
        n = n << 8 | head[i];
    if (n > HV_SHAPE_MAX)
        return -EBADMSG;
    *ret = talloc_zero_array(ctx, char, n + 1);
    if (!*ret)
        mem_abort();
    return co_read_all(fd, *ret, n);
}

int co_hv_shape_read(int fd, void *ctx, const char **ret, struct err *e)
{
    char *text = NULL;
    int r = co_has_magic(fd);

    if (r > 0)
        r = co_read_text(fd, ctx, &text);
    if (r < 0)
        return err_errno(e, r, "the beginning of a guest's state");
    *ret = text;
    return 0;
}
