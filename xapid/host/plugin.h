#ifndef XAPID_HOST_PLUGIN_H
#define XAPID_HOST_PLUGIN_H
/*
 * Where the administrator's programs are (pool/plugin.h).
 */
#include "xapid/server.h"

const char *host_plugin_dir(const struct xapid *x);

#endif
