include tests/lib/local.mk
include tests/sm/local.mk
