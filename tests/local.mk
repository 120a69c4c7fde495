include tests/lib/local.mk
include tests/model/local.mk
include tests/sm/local.mk
include tests/net/local.mk
include tests/rpc/local.mk
include tests/xapid/local.mk
include tests/db/local.mk
include tests/hv/local.mk
