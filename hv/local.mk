noinst_LIBRARIES += hv/libhv.a
hv_libhv_a_SOURCES =
