if HAVE_CHECK
check_PROGRAMS += $(SM_TESTS)
TESTS += $(SM_TESTS)
endif
SM_TESTS = tests/sm/test_qcow2 tests/sm/test_file_sr
SM_TEST_LIBS = sm/libsm.a model/libmodel.a lib/libbase.a $(CHECK_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS) $(TALLOC_LIBS) \
	$(EV_LIBS) -lpthread
tests_sm_test_qcow2_SOURCES = tests/sm/test_qcow2.c
tests_sm_test_qcow2_LDADD = $(SM_TEST_LIBS)
tests_sm_test_file_sr_SOURCES = tests/sm/test_file_sr.c
tests_sm_test_file_sr_LDADD = $(SM_TEST_LIBS)
