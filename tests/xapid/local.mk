if HAVE_CHECK
check_PROGRAMS += $(XAPID_UNIT_TESTS)
TESTS += $(XAPID_UNIT_TESTS)
endif
XAPID_UNIT_TESTS = tests/xapid/test_events tests/xapid/test_implicit tests/xapid/test_passwd tests/xapid/test_where
XAPID_TEST_LIBS = $(xapid_libraries) $(CHECK_LIBS) $(xapid_system_libraries)
tests_xapid_test_events_SOURCES = tests/xapid/test_events.c
tests_xapid_test_events_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_implicit_SOURCES = tests/xapid/test_implicit.c
tests_xapid_test_implicit_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_passwd_SOURCES = tests/xapid/test_passwd.c
tests_xapid_test_passwd_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_where_SOURCES = tests/xapid/test_where.c
tests_xapid_test_where_LDADD = $(XAPID_TEST_LIBS)
