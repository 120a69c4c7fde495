EXTRA_DIST += tests/README.md
# Tests begin in this order. Those that take minutes come first, so that no processor idles while the last of them ends.
include tests/hv/local.mk
include tests/ops/local.mk
include tests/pool/local.mk
include tests/transfer/local.mk
include tests/soak/local.mk
include tests/xapid/local.mk
include tests/auth/local.mk
include tests/xe/local.mk
include tests/rpc/local.mk
include tests/lib/local.mk
include tests/model/local.mk
include tests/sm/local.mk
include tests/net/local.mk
include tests/db/local.mk
include tests/bench/local.mk
include tests/fuzz/local.mk
