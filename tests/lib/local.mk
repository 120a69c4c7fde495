if HAVE_CHECK
check_PROGRAMS += $(LIB_TESTS)
TESTS += $(LIB_TESTS)
endif
LIB_TESTS = tests/lib/test_fiber tests/lib/test_waits tests/lib/test_undo tests/lib/test_text tests/lib/test_proc
LIB_TEST_LIBS = lib/libbase.a $(CHECK_LIBS) $(TALLOC_LIBS) $(EV_LIBS) -lpthread
tests_lib_test_fiber_SOURCES = tests/lib/test_fiber.c tests/lib/forked.h tests/in_fiber.h
tests_lib_test_fiber_LDADD = $(LIB_TEST_LIBS)
tests_lib_test_waits_SOURCES = tests/lib/test_waits.c
tests_lib_test_waits_LDADD = $(LIB_TEST_LIBS)
tests_lib_test_undo_SOURCES = tests/lib/test_undo.c
tests_lib_test_undo_LDADD = $(LIB_TEST_LIBS)
tests_lib_test_text_SOURCES = tests/lib/test_text.c
tests_lib_test_text_LDADD = $(LIB_TEST_LIBS)
tests_lib_test_proc_SOURCES = tests/lib/test_proc.c
tests_lib_test_proc_LDADD = $(LIB_TEST_LIBS)
TESTS += tests/lib/test_lint.py tests/lib/test_gdb.py
EXTRA_DIST += tests/lib/test_lint.py tests/lib/test_gdb.py
EXTRA_PROGRAMS += tests/lib/bench_fiber
tests_lib_bench_fiber_SOURCES = tests/lib/bench_fiber.c
tests_lib_bench_fiber_LDADD = $(LIB_TEST_LIBS)
