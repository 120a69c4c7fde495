"""The demo guest's files, built once for all tests of a build."""

import os
import subprocess
import sys

from daemon import BUILD, SOURCE, wait_until

SKIP = 77


def folder():
    """Where they are; ends the test as skipped when they cannot be built here."""
    path = os.path.join(BUILD, "tests", "demo-guest")
    done = subprocess.run([os.path.join(SOURCE, "scripts", "demo-guest"), path], capture_output=True, text=True)
    if done.returncode != 0:
        print(f"skipped: {done.stderr.strip()}")
        sys.exit(SKIP)
    return path


def metrics(c, vm):
    """The record of the VM's guest metrics, or None."""
    ref = c.VM.get_guest_metrics(vm)
    return None if ref == "OpaqueRef:NULL" else c.VM_guest_metrics.get_record(ref)


def wait_for_address(c, vm):
    """The guest's address, once it has told it."""

    def address():
        m = metrics(c, vm)
        return m and m["networks"].get("0/ip")

    return wait_until(address, "the guest tells its address", 300)
