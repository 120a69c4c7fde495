if HAVE_CHECK
check_PROGRAMS += $(XE_TESTS)
TESTS += $(XE_TESTS)
endif
XE_TESTS = tests/xe/test_args tests/xe/test_text
XE_TEST_LIBS = xe/libxe.a rpc/librpc.a model/libmodel.a lib/libbase.a $(XE_LIBS) $(CHECK_LIBS)
tests_xe_test_args_SOURCES = tests/xe/test_args.c
tests_xe_test_args_LDADD = $(XE_TEST_LIBS)
tests_xe_test_text_SOURCES = tests/xe/test_text.c
tests_xe_test_text_LDADD = $(XE_TEST_LIBS)

# Scripts that run xe: against a server in memory, and against xapid.
XE_SCRIPT_TESTS = tests/xe/test_classes.py tests/xe/test_client.py tests/xe/test_hosts.py tests/xe/test_rare.py tests/xe/test_plain.py tests/xe/test_real.py tests/xe/test_verbs.py
TESTS += $(XE_SCRIPT_TESTS)
EXTRA_DIST += $(XE_SCRIPT_TESTS) tests/xe/fake_server.py tests/xe/plain-calls.txt \
	tests/xe/reference-commands.txt tests/xe/world.py
