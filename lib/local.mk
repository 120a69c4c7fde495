noinst_LIBRARIES += lib/libbase.a
lib_libbase_a_SOURCES =
