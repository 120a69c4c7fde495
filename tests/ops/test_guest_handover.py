#!/usr/bin/env python3
"""A daemon that becomes another process keeps its guests, which stay its children: it hears of their end and leaves no
zombies."""

import os
import signal
import sys

from daemon import Daemon, make_vm, wait_until
from invariants import check


def children(pid):
    """Pid and state of each child."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = open(f"/proc/{entry}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append((int(entry), fields[0]))
    return found


def start_anew(d):
    served = d.log().count("serving https://")
    d.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: d.log().count("serving https://") > served, "the next process serves")


def main():
    with Daemon("qemu") as d:
        c = d.client()
        vms = [make_vm(c, f"guest {i}", nics=0) for i in range(2)]
        for vm in vms:
            c.VM.start(vm, False, False)
        guests = sorted(d.guest_processes())
        assert len(guests) == 2, guests
        start_anew(d)
        c.connection = None
        assert [c.VM.get_power_state(vm) for vm in vms] == ["Running", "Running"]
        assert sorted(d.guest_processes()) == guests
        # The daemon that starts runs commands, too, which end.
        wait_until(lambda: sorted(pid for pid, _ in children(d.process.pid)) == guests, "its children are the guests")
        c.VM.hard_shutdown(vms[0])
        left = d.guest_processes()
        os.kill(left[0], signal.SIGKILL)
        wait_until(lambda: c.VM.get_power_state(vms[1]) == "Halted", "the death of a guest is noticed")
        wait_until(lambda: children(d.process.pid) == [], "guests that ended are reaped")
        c.VM.start(vms[1], False, False)
        start_anew(d)
        c.connection = None
        c.VM.hard_shutdown(vms[1])
        check(d, c, "two handovers")


if __name__ == "__main__":
    sys.exit(main())
