#include "xapid/set_password.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/buf.h"
#include "xapid/session/passwd.h"
#include "xapid/state_dir.h"

int set_password(const struct xapid_options *o, struct err *e)
{
    char password[1024];
    CLEANUP_BUF struct buf path = {0};
    if (state_dir_make(o->state_dir, e) < 0)
        return -1;
    if (!fgets(password, sizeof password, stdin))
        return err_internal(e, "there is no password on standard input");
    password[strcspn(password, "\r\n")] = '\0';
    buf_printf(&path, "%s/passwd", o->state_dir);
    int r = passwd_set(buf_cstr(&path), o->password_user, password);
    return r < 0 ? err_errno(e, r, "setting the password of %s", o->password_user) : 0;
}
