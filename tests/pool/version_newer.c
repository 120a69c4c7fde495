#include "xapid/version.h"

const char xapid_version[] = "99.1.0";
