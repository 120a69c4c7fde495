#!/usr/bin/env python3
"""VMs go from one pool of several hosts to another, from a member to a member: guests that run, suspended and halted ones,
all with a snapshot, not paused ones; and while one of the four daemons is killed."""

import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from crossings import Pools, is_tidy, where  # noqa: E402
from daemon import Failure, Lost, fails, wait_until  # noqa: E402
from moves import guests  # noqa: E402
from pool import Pool, is_live  # noqa: E402


class Members(Pools):
    """Two pools of two hosts; what moves is on their members."""

    def __init__(self, one, two):
        super().__init__([one[1], two[1]], [one[0], two[0]])

    def daemons(self):
        return [self.leads[0], self.hosts[0], self.leads[1], self.hosts[1]]


# ---- in each state ----

def bring(p, i, vm, state):
    """A VM that is halted into a state, on the member."""
    c = p.c[i]
    if state != "Halted":
        c.VM.start_on(vm, p.me[i], False, False)
    if state == "Suspended":
        c.VM.suspend(vm)


def send(p, state, **options):
    """To the other pool and back."""
    vm = p.vm(0, state)
    uuid = p.c[0].VM.get_uuid(vm)
    bring(p, 0, vm, state)
    p.c[0].VM.snapshot(vm, "before")
    for i in (0, 1):
        vm = p.send(i, vm, **options)
        p.check_gone(i, uuid)
        # The answer does not wait for what the new pool has still to put down.
        wait_until(lambda: p.c[1 - i].VM.get_current_operations(vm) == {}, "the new pool is done")
        record = p.c[1 - i].VM.get_record(vm)
        up = state == "Running"
        assert record["power_state"] == state, record
        assert record["resident_on"] == (p.me[1 - i] if up else "OpaqueRef:NULL"), record
        assert guests(p.hosts[1 - i], uuid) == up and not guests(p.leads[1 - i], uuid)
        assert [p.c[1 - i].VM.get_name_label(s) for s in record["snapshots"]] == ["before"]
        p.check_storage(1 - i)
    assert is_tidy(p)
    if state == "Suspended":
        p.c[0].VM.resume_on(vm, p.me[0], False, False)
    elif state == "Halted":
        p.c[0].VM.start_on(vm, p.me[0], False, False)
    assert p.c[0].VM.get_power_state(vm) == "Running" and guests(p.hosts[0], uuid)
    p.c[0].VM.hard_shutdown(vm)
    for victim in (vm, *p.c[0].VM.get_snapshots(vm)):
        disks = p.disks(0, victim)
        p.c[0].VM.destroy(victim)
        for d in disks:
            p.c[0].VDI.destroy(d)


def paused(p):
    """As XenServer has it."""
    vm = p.vm(0, "Paused")
    bring(p, 0, vm, "Running")
    p.c[0].VM.pause(vm)
    fails("VM_BAD_POWER_STATE", p.send, 0, vm)
    p.c[0].VM.unpause(vm)
    p.c[0].VM.hard_shutdown(vm)
    assert is_tidy(p)


def states():
    with Pool(2) as one, Pool(2) as two:
        p = Members(one, two)
        for state in ("Running", "Suspended", "Halted"):
            send(p, state)
            print(f"{state}: to and fro", flush=True)
        paused(p)
        for name in ("bandwidth", "downtime", "auto_converge", "post_copy", "channels", "compress"):
            send(p, "Running", **{name: "2" if name in ("bandwidth", "downtime", "channels") else "true"})


# ---- killed ----

def settle(p, uuid):
    for h in p.daemons():
        if h.process.poll() is not None:
            h.start()
    for lead, member in zip(p.leads, p.hosts):
        wait_until(lambda: is_live(lead, member), "the member is there")
    p.reconnect()
    return wait_until(lambda: where(p, uuid, "Running"), "one guest, in one of the pools", 60)[0]


def ended(p, i, task):
    try:
        return p.c[i].task.get_status(task) != "pending"
    except (Lost, Failure):
        return True


def killed():
    """While memory is under way: each of the four."""
    with tempfile.NamedTemporaryFile("w", prefix="xapid-script-") as script:
        script.write("move delay=1s\n")
        script.flush()
        with Pool(2, options=["--sim-script", script.name]) as one, Pool(2, options=["--sim-script", script.name]) as two:
            p = Members(one, two)
            vm = p.vm(0, "hunted")
            uuid = p.c[0].VM.get_uuid(vm)
            p.c[0].VM.start_on(vm, p.me[0], False, False)
            for n in range(4):
                victim, vm = p.daemons()[n], p.find(0, uuid)
                disks, nics = p.maps(0, vm)
                task = p.c[0].call("Async.VM.migrate_send", vm, p.dest(1), True, disks, nics, {})
                wait_until(lambda: guests(p.hosts[1], uuid), "the guest is awaited")
                victim.kill()
                wait_until(lambda: ended(p, 0, task), "the attempt has ended")
                now = settle(p, uuid)
                wait_until(lambda: is_tidy(p), "nothing is left over")
                print(f"daemon {n} killed: now {now}", flush=True)
                assert now == 0
            p.send(0, p.find(0, uuid))
            p.check_gone(0, uuid)
            assert where(p, uuid, "Running") == [1]


def main():
    parts = {"states": states, "killed": killed}
    for part in [parts[name] for name in sys.argv[1:]] or parts.values():
        part()


if __name__ == "__main__":
    main()
