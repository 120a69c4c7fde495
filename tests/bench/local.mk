# Measuring a daemon against the floor; scripts/bench runs it.
EXTRA_PROGRAMS += tests/bench/bench
BENCHES += tests/bench/bench
tests_bench_bench_SOURCES = tests/bench/main.c tests/bench/bench.h tests/bench/report.c \
	tests/bench/by_hand.c tests/bench/by_hand.h tests/bench/part_devices.c \
	tests/bench/api.c tests/bench/api.h tests/bench/vms.c \
	tests/bench/events.c tests/bench/events.h \
	tests/bench/floor_http.c tests/bench/floor_http.h \
	tests/bench/floor_sqlite.c tests/bench/floor_sqlite.h \
	tests/bench/guest.c tests/bench/guest.h \
	tests/bench/https.c tests/bench/https.h \
	tests/bench/host.c tests/bench/host.h \
	tests/bench/large_reply.c tests/bench/large_reply.h \
	tests/bench/load.c tests/bench/load.h \
	tests/bench/many_vms.c tests/bench/many_vms.h \
	tests/bench/part_start.c tests/bench/part_calls.c tests/bench/part_bulk.c \
	tests/bench/part_writes.c tests/bench/part_event.c tests/bench/part_killed.c \
	tests/bench/part_pool.c tests/bench/part_size.c tests/db/sample_vms.c tests/db/sample_vms.h
tests_bench_bench_LDADD = $(DB_LIBS) $(MICROHTTPD_LIBS) $(OPENSSL_LIBS)
EXTRA_DIST += tests/bench/README.md scripts/bench doc/performance.md
