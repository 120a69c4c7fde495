if HAVE_CHECK
check_PROGRAMS += $(MODEL_TESTS)
TESTS += $(MODEL_TESTS)
endif
MODEL_TESTS = tests/model/test_values tests/model/test_text_form tests/model/test_tables
MODEL_TEST_LIBS = model/libmodel.a lib/libbase.a $(CHECK_LIBS) $(TALLOC_LIBS) $(JANSSON_LIBS) $(EV_LIBS) -lpthread -lm
tests_model_test_values_SOURCES = tests/model/test_values.c tests/model/suite.h
tests_model_test_values_LDADD = $(MODEL_TEST_LIBS)
tests_model_test_text_form_SOURCES = tests/model/test_text_form.c tests/model/suite.h
tests_model_test_text_form_LDADD = $(MODEL_TEST_LIBS)
tests_model_test_tables_SOURCES = tests/model/test_tables.c tests/model/suite.h
tests_model_test_tables_LDADD = $(MODEL_TEST_LIBS)

TESTS += tests/model/test_generator.py
EXTRA_DIST += tests/model/test_generator.py
