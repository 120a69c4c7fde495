if HAVE_CHECK
check_PROGRAMS += $(HV_TESTS) tests/hv/fake_qemu
TESTS += $(HV_TESTS)
endif
HV_TESTS = tests/hv/test_sim tests/hv/test_qmp tests/hv/test_qemu
HV_LIBS = hv/libhv.a model/libmodel.a lib/libbase.a $(JANSSON_LIBS) $(TALLOC_LIBS) $(OPENSSL_LIBS) $(EV_LIBS) -lpthread
HV_FIXTURE = tests/hv/fixture.c tests/hv/fixture.h
HV_DEMO = $(HV_FIXTURE) tests/hv/demo.c tests/hv/demo.h
tests_hv_test_sim_SOURCES = tests/hv/test_sim.c $(HV_FIXTURE)
tests_hv_test_sim_LDADD = $(HV_LIBS) $(CHECK_LIBS)
tests_hv_test_qmp_SOURCES = tests/hv/test_qmp.c $(HV_FIXTURE)
tests_hv_test_qmp_LDADD = $(HV_LIBS) $(CHECK_LIBS)
tests_hv_fake_qemu_SOURCES = tests/hv/fake_qemu.c
tests_hv_fake_qemu_LDADD = $(JANSSON_LIBS)
tests_hv_test_qemu_SOURCES = tests/hv/test_qemu.c $(HV_DEMO)
tests_hv_test_qemu_LDADD = $(HV_LIBS) $(CHECK_LIBS)
EXTRA_PROGRAMS += tests/hv/bench_start
BENCHES += tests/hv/bench_start
tests_hv_bench_start_SOURCES = tests/hv/bench_start.c $(HV_DEMO)
tests_hv_bench_start_LDADD = $(HV_LIBS) $(CHECK_LIBS)
