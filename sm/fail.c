#include "sm/fail.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The storage manager's own short text of a code. */
static const char *describe(enum sm_fail_code code)
{
    switch (code) {
    case SM_FAIL_VDI_IN_USE:
        return "The VDI is currently in use";
    case SM_FAIL_NO_SPACE:
        return "There is insufficient space";
    case SM_FAIL_VDI_UNAVAILABLE:
        return "The VDI is not available";
    case SM_FAIL_SR_UNAVAILABLE:
        return "The SR is not available";
    case SM_FAIL_UNKNOWN:
        break;
    case SM_FAIL_VDI_SIZE:
        return "VDI size out of range";
    case SM_FAIL_VDI_CREATE:
        return "VDI creation failed";
    case SM_FAIL_VDI_DELETE:
        return "VDI deletion failed";
    case SM_FAIL_MISSING_LOCATION:
        return "The device configuration has no location";
    case SM_FAIL_BAD_LOCATION:
        return "The location is not usable";
    case SM_FAIL_SR_CREATE:
        return "SR creation failed";
    case SM_FAIL_VDI_CLONE:
        return "Clone operation failed";
    case SM_FAIL_VDI_RESIZE:
        return "Resize operation failed";
    }
    return "General storage error";
}

/* Fill e with SR_BACKEND_FAILURE_<code> and a formatted detail. */
int sm_fail(struct err *e, enum sm_fail_code code, const char *fmt, ...)
{
    char name[40], detail[512], message[640];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    snprintf(name, sizeof name, "SR_BACKEND_FAILURE_%d", code);
    snprintf(message, sizeof message, "%s [opterr=%s]", describe(code), detail);
    return err_set(e, name, 3, "", message, "");
}

/* Fill e from an errno, telling a full disk apart. */
int sm_fail_errno(struct err *e, enum sm_fail_code code, int negative_errno, const char *what)
{
    if (negative_errno == -ENOSPC || negative_errno == -EDQUOT)
        code = SM_FAIL_NO_SPACE;
    return sm_fail(e, code, "%s: %s", what, strerror(-negative_errno));
}
