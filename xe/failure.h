#ifndef XE_FAILURE_H
#define XE_FAILURE_H
/*
 * What can go wrong in xe besides an error of the API: private codes in a struct err, which xe/report.h knows
 * how to show. A verb returns -1 with one of these or with an API error as it came. Never yields.
 */
#include "lib/err.h"

#define FAIL_TEXT "xe:text"         /* [text]: shown as "Error: text" */
#define FAIL_SYNTAX "xe:syntax"     /* the command line cannot be read */
#define FAIL_COMMAND "xe:command"   /* [name]: no such command */
#define FAIL_REQUIRED "xe:required" /* [name]: a parameter that must be given */
#define FAIL_LOGIN "xe:login"       /* user and password were refused */
#define FAIL_NO_USER "xe:no-user"   /* the user name is empty */
#define FAIL_PARAM "xe:param"       /* [name]: no such parameter of the class */
#define FAIL_CONTACT "xe:contact"   /* [text]: the server cannot be reached; shown as it is */
#define FAIL_EXIT "xe:exit"         /* [code]: end with this code; all has been said */

/* FAIL_TEXT with a formatted text. Always returns -1. */
int fail_text(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* FAIL_EXIT. Always returns -1. */
int fail_exit(struct err *e, int code);

#endif
