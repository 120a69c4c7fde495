noinst_LIBRARIES += pool/libpool.a
pool_libpool_a_SOURCES =
