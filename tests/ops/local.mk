# Operations against a daemon of their own: with the simulator, and with real guests where QEMU and a kernel are there.
OPS_SCRIPT_TESTS = \
	tests/ops/test_addresses.py \
	tests/ops/test_consoles.py \
	tests/ops/test_crash.py \
	tests/ops/test_devices.py \
	tests/ops/test_faults.py \
	tests/ops/test_grow.py \
	tests/ops/test_guest.py \
	tests/ops/test_guest_handover.py \
	tests/ops/test_hardware.py \
	tests/ops/test_lifecycle.py \
	tests/ops/test_rules.py \
	tests/ops/test_schedules.py \
	tests/ops/test_snapshot.py \
	tests/ops/test_squeeze.py \
	tests/ops/test_storage.py \
	tests/ops/test_uefi.py
TESTS += $(OPS_SCRIPT_TESTS)
EXTRA_DIST += $(OPS_SCRIPT_TESTS) tests/ops/daemon.py tests/ops/demo_guest.py tests/ops/invariants.py tests/ops/pool.py tests/ops/uefi_boots.c tests/ops/uefi_disk.py

if HAVE_CHECK
check_PROGRAMS += tests/ops/test_parsers
TESTS += tests/ops/test_parsers
endif
tests_ops_test_parsers_SOURCES = tests/ops/test_parsers.c
tests_ops_test_parsers_LDADD = $(xapid_libraries) $(CHECK_LIBS) $(xapid_system_libraries)

.PHONY: clean-demo-guest
clean-local: clean-demo-guest
clean-demo-guest:
	rm -rf tests/demo-guest
