#!/usr/bin/env python3
"""Guests go from one host of a pool to another: simulated ones for what the pool does about it, then a real one whose
memory and disk are as they were."""

import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
import demo_guest  # noqa: E402
from daemon import BUILD, Lost, add_disk, fails, make_vdi, wait_until  # noqa: E402
from moves import Moves, checksums, demo, fill  # noqa: E402
from pool import PORT, Pool, is_live  # noqa: E402

MIB = 1 << 20


def xe(host, *words):
    """What xe prints when asked at a host, and how it ends."""
    done = subprocess.run([os.path.join(BUILD, "xe", "xe"), "-s", host.address, "-p", PORT, "-u", "root", "-pw", "secret",
                           *words], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def at_the_shell(m, vm):
    """Asked at the member, which has nothing to say itself."""
    uuids = [m.c.host.get_uuid(r) for r in m.refs]
    name = m.c.VM.get_name_label(vm)
    assert xe(m.hosts[1], "vm-migrate", f"vm={name}", f"host={uuids[1]}", "--live") == (0, "", "")
    m.check_at(vm, 1)
    assert xe(m.hosts[1], "host-evacuate", f"uuid={uuids[1]}")[0] == 0
    m.check_at(vm, 0)
    stuck = m.vm("stuck", m.local_sr(1))
    m.c.host.disable(m.refs[1])
    status, out, err = xe(m.hosts[1], "vm-start", "vm=stuck")
    assert status == 1 and "no suitable hosts" in out and "VM_REQUIRES_SR" not in err, (status, out, err)
    m.c.host.enable(m.refs[1])
    m.c.VM.destroy(stuck)


def placement(m):
    c = m.c
    vm, local = m.vm("anywhere"), m.vm("tied", m.local_sr(1))
    assert sorted(c.VM.get_possible_hosts(vm)) == sorted(m.refs)
    assert c.VM.get_possible_hosts(local) == [m.refs[1]]
    fails("VM_REQUIRES_SR", c.VM.assert_can_boot_here, local, m.refs[0])
    fails("VM_REQUIRES_SR", c.VM.start_on, local, m.refs[0], False, False)
    c.VM.start(local, False, False)
    m.check_at(local, 1)
    fails("VM_REQUIRES_SR", c.VM.pool_migrate, local, m.refs[0], {})
    free = [int(c.host.compute_free_memory(r)) for r in m.refs]
    assert free[0] > free[1], "the guest's memory is its host's"
    c.VM.start(vm, False, False)
    m.check_at(vm, 0)
    c.VM.hard_shutdown(local)
    c.VM.set_affinity(local, m.refs[0])
    c.VM.start(local, False, False)
    m.check_at(local, 1)
    c.host.disable(m.refs[1])
    c.VM.hard_shutdown(local)
    fails("NO_HOSTS_AVAILABLE", c.VM.start, local, False, False)
    c.host.enable(m.refs[1])
    return vm, local


def to_other_storage(m, vm):
    """A disk goes, its guest stays."""
    c, here = m.c, m.local_sr(0)
    m.check_at(vm, 0)
    before = m.disk(vm)
    for sr in (here, m.shared):
        made = c.VDI.pool_migrate(m.disk(vm), sr, {})
        assert made == m.disk(vm) and c.VDI.get_SR(made) == sr
        m.check_at(vm, 0)
    assert before not in c.VDI.get_all()
    c.VM.pause(vm)
    c.VDI.pool_migrate(m.disk(vm), here, {})
    assert c.VM.get_power_state(vm) == "Paused"
    c.VM.unpause(vm)
    c.VDI.pool_migrate(m.disk(vm), m.shared, {})
    m.check_at(vm, 0)
    fails("VM_REQUIRES_SR", c.VDI.pool_migrate, m.disk(vm), m.local_sr(1), {})


def to_and_fro(m, vm):
    """By the coordinator and by the member, whoever has the guest."""
    for c in (m.c, m.hosts[1].client()):
        c.VM.pool_migrate(vm, m.refs[1], {"live": "true"})
        m.check_at(vm, 1)
        c.VM.pool_migrate(vm, m.refs[0], {})
        m.check_at(vm, 0)
    fails("INVALID_VALUE", m.c.VM.pool_migrate, vm, m.refs[1], {"bandwidth": "much"})
    assert [x for x in m.c.message.get_all_records().values() if x["name"] == "VM_MIGRATED"]


def with_storage(m, local):
    """As Xen Orchestra does it: ask the destination, ask whether it can be, do it."""
    c = m.c
    c.VM.start(local, False, False)
    before = m.disk(local)
    loose, fixed = make_vdi(c, "loose", sr=m.local_sr(1)), make_vdi(c, "fixed", sr=m.local_sr(1))
    for i, disk in enumerate((loose, fixed)):
        image_tool("qemu-io", "-c", f"write -P {i + 1} 1M 1M", path_of(m, disk, 1))
    add_disk(c, local, loose)
    c.VBD.plug(add_disk(c, local, fixed, mode="RO"))
    network = c.PIF.get_network(c.host.get_management_interface(m.refs[0]))
    dest = c.host.migrate_receive(m.refs[0], network, {})
    assert sorted(dest) == ["SM", "host", "master", "session_id", "xenops"], dest
    assert dest["host"] == m.refs[0] and dest["master"] == f"http://{m.hosts[0].address}"
    assert dest["xenops"].startswith(f"http://{m.hosts[0].address}/services/xenops?session_id=")
    vdi_map = {d: m.local_sr(0) for d in (before, loose, fixed)}
    for disk in vdi_map:
        others = {d: sr for d, sr in vdi_map.items() if d != disk}
        assert fails("VDI_NOT_IN_MAP", c.VM.assert_can_migrate, local, dest, True, others, {}, {}) == [disk]
    nic = c.VM.get_VIFs(local)[0]
    fails("OPERATION_NOT_ALLOWED", c.VM.assert_can_migrate, local, dest, True, vdi_map, {nic: network}, {})
    c.VM.assert_can_migrate(local, dest, True, vdi_map, {}, {})
    assert c.VM.migrate_send(local, dest, True, vdi_map, {}, {}) == local
    m.check_at(local, 0)
    moved = {c.VDI.get_name_label(v): v for v in (c.VBD.get_VDI(b) for b in c.VM.get_VBDs(local))}
    assert {c.VDI.get_SR(v) for v in moved.values()} == {m.local_sr(0)} and not set(vdi_map) & set(c.VDI.get_all())
    c.VM.hard_shutdown(local)
    for i, name in enumerate(("loose", "fixed")):
        image_tool("qemu-io", "-c", f"read -P {i + 1} 1M 1M", "-c", "read -P 0 2M 1M", path_of(m, moved[name], 0))
    c.VM.destroy(local)


def path_of(m, vdi, i):
    """The image of a disk that only host i has."""
    folder = next(p["device_config"]["location"] for p in m.c.PBD.get_all_records().values()
                  if p["host"] == m.refs[i] and p["SR"] == m.c.VDI.get_SR(vdi))
    return os.path.join(folder, m.c.VDI.get_location(vdi))


def image_tool(*words):
    subprocess.run(words, check=True, timeout=60, stdout=subprocess.DEVNULL)


def between_hosts(m):
    """A disk's content goes from the storage of one host to that of the other, and back over what is there."""
    c = m.c
    there, back = make_vdi(c, "there", sr=m.local_sr(1)), make_vdi(c, "back", sr=m.local_sr(0))
    for path, pattern in ((path_of(m, there, 1), "write -P 7 1M 3000k"), (path_of(m, back, 0), "write -P 9 0 8M")):
        image_tool("qemu-io", "-c", pattern, path)
    here = c.VDI.copy(there, m.local_sr(0))
    image_tool("qemu-img", "compare", path_of(m, there, 1), path_of(m, here, 0))
    c.VDI.copy(here, "OpaqueRef:NULL", "OpaqueRef:NULL", back)
    image_tool("qemu-img", "compare", path_of(m, here, 0), path_of(m, back, 0))
    small = make_vdi(c, "small", sr=m.local_sr(0), size=4 * MIB)
    fails("VDI_TOO_SMALL", c.VDI.copy, there, "OpaqueRef:NULL", "OpaqueRef:NULL", small)
    vm = m.vm("halted", m.local_sr(1))
    image_tool("qemu-io", "-c", "write -P 5 2M 1M", path_of(m, m.disk(vm), 1))
    was = make_vdi(c, "was", sr=m.local_sr(1))
    c.VDI.copy(m.disk(vm), "OpaqueRef:NULL", "OpaqueRef:NULL", was)
    c.VM.migrate_send(vm, {"host": m.refs[0]}, True, {m.disk(vm): m.local_sr(0)}, {}, {})
    assert c.VDI.get_SR(m.disk(vm)) == m.local_sr(0)
    image_tool("qemu-img", "compare", path_of(m, was, 1), path_of(m, m.disk(vm), 0))
    c.VM.destroy(vm)


def evacuation(m, vm):
    c = m.c
    others = [m.vm(f"evacuee {i}") for i in range(3)]
    for o in others:
        c.VM.start_on(o, m.refs[0], False, False)
    tied = m.vm("stays", m.local_sr(0))
    c.VM.start(tied, False, False)
    why = c.host.get_vms_which_prevent_evacuation(m.refs[0])
    assert list(why) == [tied] and why[tied][0] == "VM_REQUIRES_SR", why
    assert fails("CANNOT_EVACUATE_HOST", c.host.evacuate, m.refs[0])[0].startswith("VM_REQUIRES_SR,")
    c.VM.hard_shutdown(tied)
    c.host.disable(m.refs[0])
    c.host.evacuate(m.refs[0])
    for v in (vm, *others):
        m.check_at(v, 1)
    c.host.enable(m.refs[0])
    for v in others:
        c.VM.hard_shutdown(v)


def suspended(m, vm):
    m.c.VM.set_suspend_SR(vm, m.shared)
    m.c.VM.suspend(vm)
    m.c.VM.resume_on(vm, m.refs[0], False, False)
    m.check_at(vm, 0)
    m.c.VM.pool_migrate(vm, m.refs[1], {})


def member_dies(m, vm):
    """The daemon only: its guest is found again. Until then nobody else may start it."""
    m.check_at(vm, 1)
    m.hosts[1].kill()
    wait_until(lambda: not is_live(*m.hosts), "the member is missed")
    assert m.c.VM.get_power_state(vm) == "Running"
    fails("HOST_OFFLINE", m.c.VM.pool_migrate, vm, m.refs[0], {})
    m.hosts[1].start()
    wait_until(lambda: is_live(*m.hosts), "the member is back")
    wait_until(lambda: m.c.PBD.get_record(pbd_of(m, 1))["currently_attached"], "its storage is attached")
    m.check_at(vm, 1)
    m.c.VM.pool_migrate(vm, m.refs[0], {})
    m.check_at(vm, 0)


def pbd_of(m, i):
    return next(r for r, p in m.c.PBD.get_all_records().items() if p["SR"] == m.shared and p["host"] == m.refs[i])


def simulated(folder):
    with Pool(2) as hosts:
        m = Moves(hosts, folder)
        vm, local = placement(m)
        to_and_fro(m, vm)
        to_other_storage(m, vm)
        at_the_shell(m, vm)
        with_storage(m, local)
        between_hosts(m)
        evacuation(m, vm)
        suspended(m, vm)
        member_dies(m, vm)


# ---- several at a time ----

def leaving(m):
    return sum("pool_migrate" in v["current_operations"].values() for v in m.c.VM.get_all_records().values())


def evacuate(m, i, size):
    """How many guests were under way at most, and the task, which has ended."""
    c, most = m.c, 0
    c.host.disable(m.refs[i])
    task = c.raw("Async.host.evacuate", [c.session, m.refs[i], "OpaqueRef:NULL", size])
    while c.task.get_status(task) == "pending":
        most = max(most, leaving(m))
    c.host.enable(m.refs[i])
    return most, task


def batches(folder):
    script = os.path.join(folder, "script")
    with open(script, "w") as f:
        f.write("move delay=400ms\n")
    with Pool(2, options=["--sim-script", script, "--evacuation-batch-size", "3"]) as hosts:
        m = Moves(hosts, folder)
        vms = [m.vm(f"guest {i}") for i in range(6)]
        for vm in vms:
            m.c.VM.start_on(vm, m.refs[0], False, False)
        fails("INVALID_VALUE", m.c.host.evacuate, m.refs[0], "OpaqueRef:NULL", -1)
        for at, size, at_most in ((0, 2, 2), (1, 0, 3), (0, 100, 6)):
            most, task = evacuate(m, at, size)
            assert m.c.task.get_status(task) == "success", m.c.task.get_error_info(task)
            assert most == at_most, (size, most)
            for vm in vms:
                m.check_at(vm, 1 - at)
        m.c.host.disable(m.refs[1])
        task = m.c.raw("Async.host.evacuate", [m.c.session, m.refs[1], "OpaqueRef:NULL", 2])
        wait_until(lambda: 0 < sum(m.at(vm) == 0 for vm in vms) < 5 and leaving(m), "some have left, others are leaving")
        assert 0 < m.c.task.get_progress(task) < 1
        m.c.task.cancel(task)
        wait_until(lambda: m.c.task.get_status(task) != "pending", "it is cancelled")
        assert m.c.task.get_status(task) == "cancelled", m.c.task.get_record(task)
        places = [m.at(vm) for vm in vms]
        assert 0 in places and 1 in places, places
        for vm, place in zip(vms, places):
            m.check_at(vm, place)


# ---- a real guest ----

def console(m, vm):
    return demo_guest.Console(m.hosts[m.at(vm)], m.c, vm)


def move(m, vm, i, step):
    guest = console(m, vm)
    wrote, before = fill(guest), guest.tick()
    guest.close()
    began = time.monotonic()
    step()
    took = time.monotonic() - began
    m.check_at(vm, i)
    guest = console(m, vm)
    after = guest.tick()
    assert after > before, "it was not started anew"
    assert checksums(guest) == wrote
    guest.close()
    print(f"moved in {took:.2f} s")


def check(done):
    assert done[0] == 0, done


def post_copy(m, vm, i):
    """QEMU has a user of its own here, and the kernel does not let every one receive memory late."""
    with open("/proc/sys/vm/unprivileged_userfaultfd") as f:
        allowed = f.read().strip() == "1"
    if not allowed:
        text = fails("VM_MIGRATE_FAILED", m.c.VM.pool_migrate, vm, m.refs[i], {"post_copy": "true"})[3]
        assert "ostcopy" in text, text
        m.check_at(vm, 1 - i)
        print("post-copy was refused by this kernel, and the guest stays")
    move(m, vm, i, lambda: m.c.VM.pool_migrate(vm, m.refs[i], {"post_copy": "true"} if allowed else {}))


def real(folder):
    path = demo_guest.folder()
    with Pool(2, "qemu", ["--demo-guest", path, *demo_guest.as_nobody()]) as hosts:
        m = Moves(hosts, folder)
        c, vm = m.c, demo(m.c, "real", m.shared)
        c.VM.start_on(vm, m.refs[0], False, False)
        demo_guest.wait_for_address(c, vm)
        move(m, vm, 1, lambda: c.VM.pool_migrate(vm, m.refs[1], {}))
        post_copy(m, vm, 0)
        dest = {"host": m.refs[1]}
        move(m, vm, 1, lambda: c.VM.migrate_send(vm, dest, True, {m.disk(vm): m.local_sr(1)}, {}, {}))
        assert c.VDI.get_SR(m.disk(vm)) == m.local_sr(1)
        before = m.disk(vm)
        uuids = [f"uuid={c.VDI.get_uuid(before)}", f"sr-uuid={c.SR.get_uuid(m.shared)}"]
        move(m, vm, 1, lambda: check(xe(hosts[0], "vdi-pool-migrate", *uuids)))
        assert c.VDI.get_SR(m.disk(vm)) == m.shared and before not in c.VDI.get_all()
        c.VM.clean_shutdown(vm)
        assert [len(h.guest_processes()) for h in hosts] == [0, 0]


def main():
    parts = {"simulated": simulated, "batches": batches, "real": real}
    for part in [parts[name] for name in sys.argv[1:]] or parts.values():
        with tempfile.TemporaryDirectory(prefix="xapid-move-") as folder:
            part(folder)


if __name__ == "__main__":
    try:
        main()
    except Lost as lost:
        sys.exit(f"a daemon was lost: {lost}")
