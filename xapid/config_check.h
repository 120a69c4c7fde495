#ifndef XAPID_CONFIG_CHECK_H
#define XAPID_CONFIG_CHECK_H
#include "xapid/options.h"

/* Add a problem for everything that the settings name and that would not do: folders, files, the address,
 * the database's file, the certificate. Changes nothing, and may be asked while a daemon runs with the same
 * settings. Blocks. */
void config_check(struct options_reading *r);

/* xapid --check-config: all that is wrong goes to standard error, one problem a line. The exit status. */
int config_check_main(int argc, char **argv);

#endif
