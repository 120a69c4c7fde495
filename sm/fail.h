#ifndef SM_FAIL_H
#define SM_FAIL_H
/*
 * Storage errors as XenServer's drivers number them: SR_BACKEND_FAILURE_nn [reason, message, trace]. Each
 * returns -1. Numbers: the storage manager's XE_SR_ERRORCODES list.
 */
#include "lib/err.h"

enum sm_fail_code {
    SM_FAIL_VDI_IN_USE = 24,
    SM_FAIL_NO_SPACE = 44,
    SM_FAIL_VDI_UNAVAILABLE = 46,
    SM_FAIL_SR_UNAVAILABLE = 47,
    SM_FAIL_UNKNOWN = 48,
    SM_FAIL_VDI_SIZE = 79,
    SM_FAIL_VDI_CREATE = 78,
    SM_FAIL_VDI_DELETE = 80,
    SM_FAIL_MISSING_LOCATION = 85,
    SM_FAIL_BAD_LOCATION = 86,
    SM_FAIL_SR_CREATE = 95,
    SM_FAIL_VDI_CLONE = 109,
    SM_FAIL_VDI_RESIZE = 110,
};

int sm_fail(struct err *e, enum sm_fail_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a negative errno; out of space becomes SM_FAIL_NO_SPACE whatever the code given. */
int sm_fail_errno(struct err *e, enum sm_fail_code code, int negative_errno, const char *what);

#endif
