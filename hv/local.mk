noinst_LIBRARIES += hv/libhv.a
hv_libhv_a_SOURCES =
EXTRA_DIST += scripts/demo-guest guest/demo-agent.c guest/udhcpc-script guest/README.md
