# Operations against a daemon of their own: with the simulator, and with real guests where QEMU and a kernel are there.
OPS_SCRIPT_TESTS = tests/ops/test_crash.py tests/ops/test_faults.py tests/ops/test_guest.py tests/ops/test_rules.py
TESTS += $(OPS_SCRIPT_TESTS)
EXTRA_DIST += $(OPS_SCRIPT_TESTS) tests/ops/daemon.py tests/ops/demo_guest.py tests/ops/invariants.py

.PHONY: clean-demo-guest
clean-local: clean-demo-guest
clean-demo-guest:
	rm -rf tests/ops/demo-guest
