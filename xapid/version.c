#include "xapid/version.h"
#include "config.h"

const char xapid_version[] = PACKAGE_VERSION;
