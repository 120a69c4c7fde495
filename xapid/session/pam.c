#include "xapid/session/pam.h"
#include <errno.h>
#include <security/pam_appl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "lib/cleanup.h"

/* Answer whatever is asked without echo with the password, the rest with nothing. */
static int converse(int n, const struct pam_message **messages, struct pam_response **ret, void *password)
{
    if (n <= 0 || n > PAM_MAX_NUM_MSG)
        return PAM_CONV_ERR;
    struct pam_response *responses = calloc((size_t)n, sizeof *responses);
    if (!responses)
        return PAM_BUF_ERR;
    for (int i = 0; i < n; i++) {
        bool secret = messages[i]->msg_style == PAM_PROMPT_ECHO_OFF;
        responses[i].resp = secret ? strdup(password) : NULL;
    }
    *ret = responses;
    return PAM_SUCCESS;
}

/* A worker is too precious to sleep in. */
static void no_delay(int status, unsigned microseconds, void *arg)
{
}

/* Modules that fail for reasons of their own do so with any code, so whatever is no success is a refusal. */
static int to_errno(int status)
{
    return status == PAM_SUCCESS ? 0 : status == PAM_BUF_ERR ? -ENOMEM : -EACCES;
}

static int start(const char *dir, const char *user, const struct pam_conv *conv, pam_handle_t **ret)
{
    void (*delay)(int, unsigned, void *) = no_delay;
    void *delay_item;
    memcpy(&delay_item, &delay, sizeof delay_item);
    int r = dir ? pam_start_confdir("xapid", user, conv, dir, ret) : pam_start("xapid", user, conv, ret);
    if (r == PAM_SUCCESS)
        r = pam_set_item(*ret, PAM_FAIL_DELAY, delay_item);
    return r;
}

int pam_check(const char *dir, const char *user, const char *password, const char *address)
{
    CLEANUP_FREE char *secret = strdup(password);
    struct pam_conv conv = {converse, secret};
    pam_handle_t *pam = NULL;
    int r = secret ? start(dir, user, &conv, &pam) : PAM_BUF_ERR;
    if (r == PAM_SUCCESS && *address)
        r = pam_set_item(pam, PAM_RHOST, address);
    if (r == PAM_SUCCESS)
        r = pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
    if (r == PAM_SUCCESS)
        r = pam_acct_mgmt(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
    if (pam)
        pam_end(pam, r);
    if (secret)
        explicit_bzero(secret, strlen(secret));
    return to_errno(r);
}

int pam_set(const char *dir, const char *user, const char *password)
{
    CLEANUP_FREE char *secret = strdup(password);
    struct pam_conv conv = {converse, secret};
    pam_handle_t *pam = NULL;
    int r = secret ? start(dir, user, &conv, &pam) : PAM_BUF_ERR;
    if (r == PAM_SUCCESS)
        r = pam_chauthtok(pam, PAM_SILENT);
    if (pam)
        pam_end(pam, r);
    if (secret)
        explicit_bzero(secret, strlen(secret));
    return to_errno(r);
}
