if HAVE_CHECK
check_PROGRAMS += $(DB_TESTS)
TESTS += $(DB_TESTS)
endif
DB_TESTS = tests/db/test_rows tests/db/test_random tests/db/test_replica tests/db/test_store tests/db/test_failures tests/db/test_crash \
	tests/db/test_backup
DB_LIBS = db/libdb.a model/libmodel.a lib/libbase.a $(SQLITE_LIBS) $(JANSSON_LIBS) $(TALLOC_LIBS) $(EV_LIBS) -lpthread
DB_TEST_LIBS = $(DB_LIBS) $(CHECK_LIBS)
DB_TEST_COMMON = tests/db/random_value.c tests/db/random_value.h tests/db/fixture.h tests/in_fiber.h
tests_db_test_rows_SOURCES = tests/db/test_rows.c $(DB_TEST_COMMON)
tests_db_test_rows_LDADD = $(DB_TEST_LIBS)
tests_db_test_random_SOURCES = tests/db/test_random.c tests/db/naive.c tests/db/naive.h $(DB_TEST_COMMON)
tests_db_test_random_LDADD = $(DB_TEST_LIBS)
tests_db_test_replica_SOURCES = tests/db/test_replica.c $(DB_TEST_COMMON)
tests_db_test_replica_LDADD = $(DB_TEST_LIBS)
tests_db_test_store_SOURCES = tests/db/test_store.c $(DB_TEST_COMMON)
tests_db_test_store_LDADD = $(DB_TEST_LIBS)
tests_db_test_failures_SOURCES = tests/db/test_failures.c $(DB_TEST_COMMON)
tests_db_test_failures_LDADD = $(DB_TEST_LIBS)
tests_db_test_crash_SOURCES = tests/db/test_crash.c $(DB_TEST_COMMON)
tests_db_test_crash_LDADD = $(DB_TEST_LIBS)
tests_db_test_backup_SOURCES = tests/db/test_backup.c $(DB_TEST_COMMON)
tests_db_test_backup_LDADD = $(DB_TEST_LIBS)
EXTRA_PROGRAMS += tests/db/bench_db
BENCHES += tests/db/bench_db
tests_db_bench_db_SOURCES = tests/db/bench_db.c tests/db/sample_vms.c tests/db/sample_vms.h
tests_db_bench_db_LDADD = $(DB_LIBS)
