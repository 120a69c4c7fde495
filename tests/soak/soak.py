#!/usr/bin/env python3
"""Start and stop VMs again and again: nothing that the daemon holds may grow.

    soak.py [--sim CYCLES] [--qemu CYCLES] [--warm-up CYCLES]

After the warm-up, and at the end, the daemon's memory, descriptors, threads, children and files are counted. What is
recorded on purpose — messages about VMs — is deleted before each count. Growth ends the soak with exit status 1.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "ops"))

import demo_guest
from daemon import Daemon, default_network, make_vm, template, vif

# Resident memory moves by some pages with the allocator's mood. A cycle deletes about ten rows, which event.from must
# be able to tell for an hour: 48 bytes each, bounded by 50,000 of them (db/db_private.h).
SLACK_KB = 512
SLACK_KB_A_CYCLE = 0.5
# The loop's, the database's and up to four workers', which come when they are first needed (lib/worker.c).
THREADS = 6
# The sanitizers keep what was freed.
MEASURE_MEMORY = os.environ.get("XAPID_SANITIZED") != "yes"


def status(pid, name):
    with open(f"/proc/{pid}/status") as f:
        return int(next(line for line in f if line.startswith(name + ":")).split()[1])


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return len(f.read().split())


def files_below(path):
    return sum(len(names) for _, _, names in os.walk(path))


def forget_messages(c):
    for ref in c.message.get_all():
        c.message.destroy(ref)


def count(d, c):
    forget_messages(c)
    pid = d.process.pid
    return {"memory": status(pid, "VmRSS"), "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
            "threads": status(pid, "Threads"), "children": children(pid), "files": files_below(d.state),
            "rows": sum(len(c.call(f"{name}.get_all")) for name in ("VM", "VBD", "VIF", "VDI", "console", "task",
                                                                    "VM_metrics", "VM_guest_metrics"))}


def grown(before, after, cycles):
    """The names of what there is more of."""
    allowed = {**before, "threads": max(before["threads"], THREADS)}
    found = [name for name in before if name != "memory" and after[name] > allowed[name]]
    if MEASURE_MEMORY and after["memory"] > before["memory"] + SLACK_KB + cycles * SLACK_KB_A_CYCLE:
        found.append("memory")
    return found


def show(what, cycles, counts):
    print(f"{what} after {cycles:5} cycles: " + ", ".join(f"{name} {n}" for name, n in counts.items()), flush=True)


def soak(what, d, c, cycle, cycles, warm_up):
    """True when nothing grew."""
    for _ in range(warm_up):
        cycle(c)
    before = count(d, c)
    show(what, warm_up, before)
    for _ in range(cycles - warm_up):
        cycle(c)
    after = count(d, c)
    show(what, cycles, after)
    more = grown(before, after, cycles - warm_up)
    for name in more:
        print(f"{what}: {name} grew from {before[name]} to {after[name]}")
    return not more


def destroy(c, vm):
    """With its disks."""
    disks = [c.VBD.get_VDI(vbd) for vbd in c.VM.get_VBDs(vm)]
    c.VM.destroy(vm)
    for vdi in disks:
        c.VDI.destroy(vdi)


def simulated(cycles, warm_up):
    with Daemon("sim") as d:
        c = d.client()
        vms = [make_vm(c, f"soak {i}") for i in range(10)]
        turn = iter(vms * (cycles // len(vms) + 1))

        def cycle(c):
            vm = next(turn)
            c.VM.start(vm, False, False)
            c.VM.hard_shutdown(vm)
            destroy(c, c.VM.clone(vm, "copy"))

        return soak("simulator", d, c, cycle, cycles, warm_up)


def real(cycles, warm_up):
    guest = demo_guest.folder()
    with Daemon("qemu", options=["--demo-guest", guest]) as d:
        c = d.client()
        vm = c.VM.clone(template(c, "Demo guest"), "soak")
        c.VM.provision(vm)
        c.VIF.create(vif(c, vm, "0", network=default_network(c)))

        def cycle(c):
            c.VM.start(vm, False, False)
            demo_guest.wait_for_address(c, vm)
            c.VM.clean_shutdown(vm)

        return soak("QEMU", d, c, cycle, cycles, warm_up)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--sim", type=int, default=1500)
    p.add_argument("--qemu", type=int, default=50)
    p.add_argument("--warm-up", type=int, default=100)
    a = p.parse_args()
    flat = not a.sim or simulated(a.sim, min(a.warm_up, a.sim // 2))
    flat = (not a.qemu or real(a.qemu, min(a.warm_up, a.qemu // 5))) and flat
    sys.exit(0 if flat else 1)


if __name__ == "__main__":
    main()
