#!/usr/bin/env python3
"""Start and stop VMs again and again: nothing that the daemon holds may grow.

    soak.py [--sim CYCLES] [--qemu CYCLES] [--warm-up CYCLES] [--no-backup]

After the warm-up, and at the end, the daemon's memory, descriptors, threads, children and files are counted. What is
recorded on purpose — messages about VMs — is deleted every 100 cycles. Growth ends the soak with exit status 1.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "ops"))

import demo_guest
from daemon import Daemon, default_network, make_vm, template, vif, wait_until

# Resident memory moves by some pages with the allocator's mood, however many cycles there were.
SLACK_KB = 512
MESSAGES_STAY = 100  # cycles
# The loop's, the database's and up to four workers', which come when they are first needed (lib/worker.c).
THREADS = 6
VMS = 10
# Files of history: of each VM from the first time that it was measured, every 5 s while it runs, and of what is there now.
HISTORIES = VMS + 1
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
    histories = files_below(os.path.join(d.state, "rrd"))
    return {"memory": status(pid, "VmRSS"), "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
            "threads": status(pid, "Threads"), "children": children(pid),
            "files": files_below(d.state) - histories, "histories": histories,
            "rows": sum(len(c.call(f"{name}.get_all")) for name in ("VM", "VBD", "VIF", "VDI", "console", "task",
                                                                    "VM_metrics", "VM_guest_metrics"))}


def grown(before, after):
    """The names of what there is more of."""
    allowed = {**before, "threads": max(before["threads"], THREADS), "histories": max(before["histories"], HISTORIES)}
    found = [name for name in before if name != "memory" and after[name] > allowed[name]]
    if MEASURE_MEMORY and after["memory"] > before["memory"] + SLACK_KB:
        found.append("memory")
    return found


def show(what, cycles, counts):
    print(f"{what} after {cycles:5} cycles: " + ", ".join(f"{name} {n}" for name, n in counts.items()), flush=True)


def run(c, cycle, times):
    for n in range(times):
        if n % MESSAGES_STAY == 0:
            forget_messages(c)
        cycle(c)


def await_backup(d):
    """The first one, a minute after the start, is a file more, and a descriptor that SQLite keeps for the next."""
    folder = os.path.join(d.state, "backups")
    wait_until(lambda: os.path.isdir(folder) and [n for n in os.listdir(folder) if n.endswith(".db")], "a backup is made")


def soak(what, d, c, cycle, cycles, warm_up):
    """True when nothing grew."""
    run(c, cycle, warm_up)
    before = count(d, c)
    show(what, warm_up, before)
    run(c, cycle, cycles - warm_up)
    after = count(d, c)
    show(what, cycles, after)
    more = grown(before, after)
    for name in more:
        print(f"{what}: {name} grew from {before[name]} to {after[name]}")
    return not more


def destroy(c, vm):
    """With its disks."""
    disks = [c.VBD.get_VDI(vbd) for vbd in c.VM.get_VBDs(vm)]
    c.VM.destroy(vm)
    for vdi in disks:
        c.VDI.destroy(vdi)


def simulated(cycles, warm_up, backup):
    with Daemon("sim", options=[] if backup else ["--backup-interval", "0"]) as d:
        c = d.client()
        if backup:
            await_backup(d)
        vms = [make_vm(c, f"soak {i}") for i in range(VMS)]
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
        await_backup(d)

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
    p.add_argument("--no-backup", action="store_true", help="make none, so that the first need not be awaited")
    a = p.parse_args()
    flat = not a.sim or simulated(a.sim, min(a.warm_up, a.sim // 2), not a.no_backup)
    flat = (not a.qemu or real(a.qemu, min(a.warm_up, a.qemu // 5))) and flat
    sys.exit(0 if flat else 1)


if __name__ == "__main__":
    main()
