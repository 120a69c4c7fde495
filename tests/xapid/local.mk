if HAVE_CHECK
check_PROGRAMS += $(XAPID_UNIT_TESTS)
TESTS += $(XAPID_UNIT_TESTS)
endif
XAPID_UNIT_TESTS = \
	tests/xapid/test_events \
	tests/xapid/test_implicit \
	tests/xapid/test_limits \
	tests/xapid/test_move \
	tests/xapid/test_move_lost \
	tests/xapid/test_options \
	tests/xapid/test_passwd \
	tests/xapid/test_placement \
	tests/xapid/test_pool_db_text \
	tests/xapid/test_rfb \
	tests/xapid/test_rrd \
	tests/xapid/test_take_over \
	tests/xapid/test_tasks \
	tests/xapid/test_timetable \
	tests/xapid/test_where
XAPID_TWO_HOSTS = tests/xapid/two_hosts.c tests/xapid/two_hosts.h tests/xapid/hosts.c tests/xapid/hosts.h
XAPID_TEST_LIBS = $(xapid_libraries) $(CHECK_LIBS) $(xapid_system_libraries)
tests_xapid_test_events_SOURCES = tests/xapid/test_events.c
tests_xapid_test_events_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_implicit_SOURCES = tests/xapid/test_implicit.c
tests_xapid_test_implicit_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_limits_SOURCES = tests/xapid/test_limits.c
tests_xapid_test_limits_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_move_SOURCES = tests/xapid/test_move.c $(XAPID_TWO_HOSTS)
tests_xapid_test_move_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_move_lost_SOURCES = tests/xapid/test_move_lost.c $(XAPID_TWO_HOSTS)
tests_xapid_test_move_lost_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_options_SOURCES = tests/xapid/test_options.c
tests_xapid_test_options_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_passwd_SOURCES = tests/xapid/test_passwd.c
tests_xapid_test_passwd_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_placement_SOURCES = tests/xapid/test_placement.c tests/xapid/hosts.c tests/xapid/hosts.h
tests_xapid_test_placement_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_rfb_SOURCES = tests/xapid/test_rfb.c
tests_xapid_test_rfb_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_pool_db_text_SOURCES = tests/xapid/test_pool_db_text.c tests/db/random_value.c tests/db/random_value.h
tests_xapid_test_pool_db_text_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_take_over_SOURCES = tests/xapid/test_take_over.c tests/xapid/hosts.c tests/xapid/hosts.h
tests_xapid_test_take_over_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_tasks_SOURCES = tests/xapid/test_tasks.c
tests_xapid_test_tasks_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_timetable_SOURCES = tests/xapid/test_timetable.c
tests_xapid_test_timetable_LDADD = $(XAPID_TEST_LIBS)
tests_xapid_test_rrd_SOURCES = tests/xapid/test_rrd.c
tests_xapid_test_rrd_LDADD = $(XAPID_TEST_LIBS) -lm
tests_xapid_test_where_SOURCES = tests/xapid/test_where.c
tests_xapid_test_where_LDADD = $(XAPID_TEST_LIBS)
XAPID_SCRIPT_TESTS = \
	tests/xapid/test_async.py \
	tests/xapid/test_backup.py \
	tests/xapid/test_calls.py \
	tests/xapid/test_check_db.py \
	tests/xapid/test_conformance.sh \
	tests/xapid/test_crowd.py \
	tests/xapid/test_durability.py \
	tests/xapid/test_full_disk.py \
	tests/xapid/test_handover.py \
	tests/xapid/test_history.py \
	tests/xapid/test_host_backup.py \
	tests/xapid/test_host_itself.py \
	tests/xapid/test_log.py \
	tests/xapid/test_machine.py \
	tests/xapid/test_plugins.py \
	tests/xapid/test_pool_db.py \
	tests/xapid/test_reports.py \
	tests/xapid/test_service.py \
	tests/xapid/test_sessions.py \
	tests/xapid/test_settings.py \
	tests/xapid/test_thousand.py \
	tests/xapid/test_watching.py \
	tests/xapid/test_xen_api.sh
TESTS += $(XAPID_SCRIPT_TESTS)
EXTRA_DIST += $(XAPID_SCRIPT_TESTS) tests/xapid/daemon.py tests/clients/xen-api/client.mjs \
	tests/clients/xen-api/package.json tests/clients/xen-api/package-lock.json
EXTRA_PROGRAMS += tests/xapid/bench_calls
BENCHES += tests/xapid/bench_calls
tests_xapid_bench_calls_SOURCES = tests/xapid/bench_calls.c tests/db/sample_vms.c tests/db/sample_vms.h
tests_xapid_bench_calls_LDADD = $(xapid_libraries) $(xapid_system_libraries)

# What the client's test installed.
.PHONY: clean-xen-api
clean-local: clean-xen-api
clean-xen-api:
	rm -rf tests/clients/xen-api.run
