#!/usr/bin/env python3
"""kill -9 of the daemon, again and again, under a load of writes and starts: what was acknowledged is there afterwards,
guests that were up are still the same, and nothing is left of what was under way.

    test_crash.py [ROUNDS [sim|qemu]]"""

import random
import sys
import threading
import time

from daemon import Daemon, Lost, make_vdi, make_vm
from invariants import check


class Worker(threading.Thread):
    """Does one thing after the other until the daemon goes away; `steps` yields calls."""

    def __init__(self, d, seed):
        super().__init__()
        self.c, self.random, self.failure = None, random.Random(seed), None
        self.d, self.calls = d, 0

    def run(self):
        try:
            self.c = self.d.client()
            while True:
                self.step()
                self.calls += 1
        except (Lost, OSError):
            pass
        except Exception as problem:  # shown by the main thread
            self.failure = problem


class Writer(Worker):
    """Writes numbers to a VM's other_config: after an answer, that number or the one under way must be there."""

    def __init__(self, d, seed, vm):
        super().__init__(d, seed)
        self.vm, self.key = vm, f"number-{seed}"
        self.number = self.acknowledged = 0

    def step(self):
        self.number += 1
        self.c.VM.remove_from_other_config(self.vm, self.key)
        self.c.VM.add_to_other_config(self.vm, self.key, str(self.number))
        self.acknowledged = self.number

    def verify(self, c):
        # A removal may have gone through without the addition that was to follow.
        value = c.VM.get_other_config(self.vm).get(self.key)
        fine = {str(self.acknowledged), str(self.acknowledged + 1), None if self.number > self.acknowledged else ""}
        assert value in fine or self.acknowledged == 0, f"{self.key} is {value}, acknowledged {self.acknowledged}"


class Maker(Worker):
    """Makes and removes disks."""

    def __init__(self, d, seed):
        super().__init__(d, seed)
        self.there, self.unsure = set(), set()

    def step(self):
        if self.there and self.random.random() < 0.4:
            vdi = self.random.choice(sorted(self.there))
            self.unsure = {vdi}
            self.c.VDI.destroy(vdi)
            self.there.discard(vdi)
        else:
            source = self.random.choice(sorted(self.there)) if self.there and self.random.random() < 0.4 else None
            self.there.add(self.c.VDI.clone(source) if source else make_vdi(self.c, "made", 1 << 20))
        self.unsure = set()

    def verify(self, c):
        lost = self.there - self.unsure - set(c.VDI.get_all())
        assert not lost, f"acknowledged disks are lost: {lost}"


class Starter(Worker):
    """Starts and stops one VM: a start that was answered leaves it running, a stop halted."""

    def __init__(self, d, seed, vm):
        super().__init__(d, seed)
        self.vm, self.state, self.under_way, self.domid = vm, None, False, None

    def step(self):
        if self.state is None:
            self.state = self.c.VM.get_power_state(self.vm)
        self.under_way = True
        if self.state == "Halted":
            self.c.VM.start(self.vm, False, False)
            self.domid = None
            self.state, self.under_way = "Running", False
            self.domid = self.c.VM.get_domid(self.vm)
            time.sleep(self.random.random() * 0.05)  # so that kills find it up, too
        else:
            self.c.VM.hard_shutdown(self.vm)
            self.state, self.under_way = "Halted", False

    def verify(self, c):
        if self.under_way or self.state is None:
            return
        state, domid = c.VM.get_power_state(self.vm), c.VM.get_domid(self.vm)
        assert state == self.state, f"{self.vm} is {state}, acknowledged {self.state}"
        assert state != "Running" or self.domid in (None, domid), "the guest is another one"


def round_of(d, vms, written, seed):
    workers = [Writer(d, i, written[i]) for i in range(len(written))]
    workers += [Maker(d, seed * 100 + i) for i in range(2)]
    workers += [Starter(d, seed * 100 + 50 + i, vm) for i, vm in enumerate(vms)]
    for w in workers:
        w.start()
    time.sleep(random.Random(seed).uniform(0.05, 0.8))  # the moment of the kill is the point of the test
    d.kill()
    for w in workers:
        w.join()
        if w.failure:
            raise w.failure
    d.start()
    c = d.client()
    for w in workers:
        w.verify(c)
    check(d, c, f"kill {seed}")
    for vdi, r in c.VDI.get_all_records().items():
        if r["name_label"] == "made":
            c.VDI.destroy(vdi)
    return sum(w.calls for w in workers)


def crash(hypervisor, rounds):
    with Daemon(hypervisor) as d:
        c = d.client()
        vms = [make_vm(c, f"vm {i}") for i in range(4)]
        written = [make_vm(c, f"written {i}", disks=0, nics=0) for i in range(2)]
        calls = sum(round_of(d, vms, written, i) for i in range(rounds))
        print(f"ok {hypervisor}: {rounds} kills, {calls} answered calls", flush=True)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    for hypervisor in sys.argv[2:] or ("sim", "qemu"):
        crash(hypervisor, rounds)


if __name__ == "__main__":
    main()
