#include "sm/image.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/proc.h"
#include "sm/sm.h"

enum { SMALL_WORK_MS = 60 * 1000, COPY_MS = 24 * 3600 * 1000 };

/* Run qemu-img to its end; a failure carries the first line that it wrote to standard error. */
static int co_run_qemu_img(const char *const *argv, enum sm_fail_code code, int64_t deadline, struct err *e)
{
    struct proc_result r = {0};
    int rc = fault_point(FAULT_STORAGE, argv[1]);

    if (rc == 0)
        rc = co_proc_run(argv, &r, deadline);
    if (rc < 0) {
        sm_fail_errno(e, code, rc, "qemu-img");
    } else if (r.status != 0) {
        const char *text = buf_cstr(&r.err);
        if (strstr(text, "No space left"))
            code = SM_FAIL_NO_SPACE;
        rc = sm_fail(e, code, "%.*s", (int)strcspn(text, "\n"), text);
    }
    proc_result_free(&r);
    return rc < 0 ? -1 : 0;
}

/* Make a qcow2 image. The backing file need not be there yet (-u): clones are put in place in an order that
 * keeps the source usable at every step. */
int co_image_create(const char *path, int64_t size, const char *backing, struct err *e)
{
    char bytes[24];
    const char *argv[16] = {"qemu-img", "create", "-q", "-f", "qcow2"};
    unsigned n = 5;

    snprintf(bytes, sizeof bytes, "%lld", (long long)size);
    if (backing) {
        argv[n++] = "-u";
        argv[n++] = "-b";
        argv[n++] = backing;
        argv[n++] = "-F";
        argv[n++] = "qcow2";
    }
    argv[n++] = path;
    argv[n++] = bytes;
    if (co_run_qemu_img(argv, SM_FAIL_VDI_CREATE, clock_in_ms(SMALL_WORK_MS), e) < 0)
        return -1;
    /* QEMUs of other guests may pass through the folder (hv/qemu/access.h). */
    return chmod(path, 0600) < 0 ? sm_fail_errno(e, SM_FAIL_VDI_CREATE, -errno, path) : 0;
}

int co_image_create_contiguous(const char *path, int64_t size, struct err *e)
{
    /* One table of these clusters speaks of 32 GiB, so that none lies between the clusters. */
    const char *large = size > (INT64_C(32) << 30) ? "preallocation=metadata,cluster_size=2M"
                                                   : "preallocation=metadata,cluster_size=512K";
    char bytes[24];
    const char *argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", "-o", large, path, bytes, NULL};

    snprintf(bytes, sizeof bytes, "%lld", (long long)size);
    return co_run_qemu_img(argv, SM_FAIL_VDI_CREATE, clock_in_ms(SMALL_WORK_MS), e);
}

/* Grow an image (the caller has refused to shrink). */
int co_image_resize(const char *path, int64_t size, struct err *e)
{
    char bytes[24];

    snprintf(bytes, sizeof bytes, "%lld", (long long)size);
    const char *argv[] = {"qemu-img", "resize", "-q", "-f", "qcow2", path, bytes, NULL};
    return co_run_qemu_img(argv, SM_FAIL_VDI_RESIZE, clock_in_ms(SMALL_WORK_MS), e);
}

int co_image_check(const char *path, struct err *e)
{
    enum { SOUND = 0, LEAKS = 3 }; /* of qemu-img's exit codes */
    const char *argv[] = {"qemu-img", "check", "-q", "-f", "qcow2", path, NULL};
    struct proc_result r = {0};
    int rc = co_proc_run(argv, &r, clock_in_ms(COPY_MS));

    if (rc < 0)
        sm_fail_errno(e, SM_FAIL_VDI_UNAVAILABLE, rc, "qemu-img");
    else if (r.status != SOUND && r.status != LEAKS)
        rc = sm_fail(e, SM_FAIL_VDI_UNAVAILABLE, "the image is damaged");
    proc_result_free(&r);
    return rc < 0 ? -1 : 0;
}

/* Copy into an existing target of at least the same size. */
int co_sm_copy(const struct sm_attachment *from, const struct sm_attachment *to, struct err *e)
{
    const char *argv[] = {"qemu-img", "convert",  "-n",       "-f",     from->format,
                          "-O",       to->format, from->path, to->path, NULL};
    return co_run_qemu_img(argv, SM_FAIL_UNKNOWN, clock_in_ms(COPY_MS), e);
}
