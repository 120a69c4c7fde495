#!/usr/bin/env python3
"""scripts/gdb/fibers.py lists parked fibers and shows the stack of one."""

import os
import re
import shutil
import subprocess
import sys

SOURCE = os.environ.get("srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SCRIPT = os.path.abspath(os.path.join(SOURCE, "scripts", "gdb", "fibers.py"))
PROGRAM = "tests/lib/test_waits"

# In this test two fibers wait for a condition while a third runs.
COMMANDS = ["set confirm off", f"source {SCRIPT}", "info fibers", "break co_cancel_then_signal", "run", "info fibers",
            "fiber 2", "bt", "fiber none", "bt 1", "fiber 3", "fiber 99", "fiber apply all bt", "kill"]

EXPECTED = [
    r"No fibers\.",
    r"  1 parked   first  +the condition\n +2 parked   second  +the condition\n +3 running  test",
    r"(?s)Breakpoint.*co_park_until .*co_cond_wait .*co_cond_waiter .*co_fiber_main",
    r"#0 +co_cancel_then_signal",
    r"Fiber 3 is running: it has no saved stack",
    r"There is no fiber '99'",
    r"(?s)Fiber 1 \(first\), parked: the condition\n.*co_cond_waiter .*\nFiber 2 \(second\)",
]


def main():
    if not shutil.which("gdb"):
        print("skipped: gdb is not installed")
        return 77
    command = ["gdb", "-nx", "-batch"]
    for text in COMMANDS:
        command += ["-ex", text]
    env = dict(os.environ, CK_FORK="no", ASAN_OPTIONS="detect_leaks=0", DEBUGINFOD_URLS="")
    run = subprocess.run(command + [PROGRAM], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
    if "Breakpoint 1, " not in run.stdout:
        print("skipped: gdb cannot run a program here\n" + run.stdout)
        return 77
    missing = [pattern for pattern in EXPECTED if not re.search(pattern, run.stdout)]
    for pattern in missing:
        print("not found:", pattern)
    if missing:
        print(run.stdout)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
