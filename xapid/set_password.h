#ifndef XAPID_SET_PASSWORD_H
#define XAPID_SET_PASSWORD_H
#include "xapid/server.h"

/* `xapid --state-dir DIR --set-password USER`: the first line of standard input becomes the password of USER
 * in DIR/passwd. Blocks. A running daemon notices by itself. */
int set_password(const struct xapid_options *o, struct err *e);

#endif
