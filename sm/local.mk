noinst_LIBRARIES += sm/libsm.a
sm_libsm_a_SOURCES =
