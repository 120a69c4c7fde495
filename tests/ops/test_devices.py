#!/usr/bin/env python3
"""Devices of a guest that runs: the guest itself shows what it has."""

import os
import pwd
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

import demo_guest
from daemon import Daemon, add_disk, fails, make_vdi, vbd, vif, wait_until
from demo_guest import as_nobody, wait_for_address
from invariants import check
from test_guest import Console, install


class Shell(Console):
    """Runs commands in the demo guest."""

    def run(self, command):
        """What the command prints, as lines."""
        return [line for line in super().run(command).splitlines() if line]


def isos(d, c):
    """Two CD images of different content."""
    sr = next(r for r, s in c.SR.get_all_records().items() if s["type"] == "iso")
    path = c.PBD.get_device_config(c.SR.get_PBDs(sr)[0])["location"]
    for name in ("one", "two"):
        with open(os.path.join(path, f"{name}.iso"), "wb") as f:
            f.write(f"this is {name}\n".encode().ljust(1 << 20))
    c.SR.scan(sr)
    return [c.VDI.get_by_name_label(f"{name}.iso")[0] for name in ("one", "two")]


def cd(d, c, vm, shell):
    one, two = isos(d, c)
    drive = next(b for b in c.VM.get_VBDs(vm) if c.VBD.get_type(b) == "CD")
    for module in ("scsi_common", "scsi_mod", "libata", "ata_piix", "cdrom", "sr_mod"):
        shell.run(f"insmod /modules/{module}.ko")
    for vdi, text in ((one, "this is one"), (two, "this is two"), (one, "this is one")):
        assert "insert" in c.VBD.get_allowed_operations(drive) and "eject" not in c.VBD.get_allowed_operations(drive)
        c.VBD.insert(drive, vdi)
        assert c.VBD.get_VDI(drive) == vdi and not c.VBD.get_empty(drive)
        assert "eject" in c.VBD.get_allowed_operations(drive) and "insert" not in c.VBD.get_allowed_operations(drive)
        fails("VBD_NOT_EMPTY", c.VBD.insert, drive, two)
        shown = []
        while text not in shown:  # a drive takes a moment to notice its medium
            shown = shell.run("head -n 1 /dev/sr0")
        check(d, c, f"inserting {text}")
        c.VBD.eject(drive)
        assert c.VBD.get_VDI(drive) == "OpaqueRef:NULL" and c.VBD.get_empty(drive)
        fails("VBD_IS_EMPTY", c.VBD.eject, drive)
        while any("this is" in line for line in shown):
            shown = shell.run("head -n 1 /dev/sr0")
        check(d, c, "ejecting it")
    c.VBD.insert(drive, two)
    d.kill()
    d.start()
    c = d.client()
    assert c.VBD.get_VDI(drive) == two, "a new daemon finds the medium"
    check(d, c, "a new daemon")
    c.VBD.eject(drive)
    return c


def size_of(shell, name):
    """Of the guest's disk, in bytes; None when it has none of this name."""
    lines = shell.run(f"cat /sys/block/{name}/size")
    return int(lines[0]) * 512 if lines and lines[0].isdigit() else None


def disks(d, c, vm, shell):
    size = 24 << 20
    for device, again in (("1", True), ("1", False), ("20", False)):
        vdi = make_vdi(c, f"disk {device}", size)
        b = add_disk(c, vm, vdi, device=device)
        assert not c.VBD.get_currently_attached(b) and "plug" in c.VBD.get_allowed_operations(b)
        fails("DEVICE_ALREADY_DETACHED", c.VBD.unplug, b)
        for _ in range(2 if again else 1):
            c.VBD.plug(b)
            assert c.VBD.get_currently_attached(b) and c.VBD.get_device(b) == ("xvdb" if device == "1" else "xvdu")
            assert "unplug" in c.VBD.get_allowed_operations(b) and "plug" not in c.VBD.get_allowed_operations(b)
            fails("DEVICE_ALREADY_ATTACHED", c.VBD.plug, b)
            fails("VDI_IN_USE", c.VDI.destroy, vdi)
            wait_until(lambda: size_of(shell, "vdb") == size, "the guest has the disk")
            for too_large in (1 << 50, (1 << 63) - 1):
                fails("SR_BACKEND_FAILURE_79", c.VDI.resize_online, vdi, too_large)
            c.VDI.resize_online(vdi, 2 * size)
            assert int(c.VDI.get_virtual_size(vdi)) == 2 * size
            wait_until(lambda: size_of(shell, "vdb") == 2 * size, "the guest sees the disk grow")
            shell.run("dd if=/dev/zero of=/dev/vdb bs=4096 count=16; sync")
            check(d, c, f"plugging disk {device}")
            (c.VBD.unplug if again else c.VBD.unplug_force)(b)
            wait_until(lambda: size_of(shell, "vdb") is None, "the guest has the disk no more")
            check(d, c, f"unplugging disk {device}")
            size *= 2
        c.VBD.destroy(b)
        c.VDI.destroy(vdi)
        size = 24 << 20


def nics(d, c, vm, shell):
    v = c.VIF.create(vif(c, vm, "3"))
    assert "plug" in c.VIF.get_allowed_operations(v)
    for _ in range(2):
        c.VIF.plug(v)
        assert c.VIF.get_currently_attached(v) and "unplug" in c.VIF.get_allowed_operations(v)
        mac = c.VIF.get_MAC(v)
        wait_until(lambda: mac in shell.run("cat /sys/class/net/*/address"), "the guest has the NIC")
        check(d, c, "plugging a NIC")
        c.VIF.unplug(v)
        wait_until(lambda: mac not in shell.run("cat /sys/class/net/*/address"), "the guest has the NIC no more")
        check(d, c, "unplugging a NIC")
    c.VIF.destroy(v)


def filters(taps):
    """Those of these taps that have rules."""
    tables = subprocess.run(["nft", "list", "tables", "bridge"], capture_output=True, text=True, check=True).stdout
    return [tap for tap in taps if f"xapid_{tap}" in tables.split()]


def locking(d, c, vm, shell):
    """The guest reaches its gateway with the addresses that it is allowed, and on the network that it is on."""
    if os.geteuid() != 0:
        print("not root: NICs have no taps that could be locked")
        return
    v, = c.VM.get_VIFs(vm)
    network = c.VIF.get_network(v)
    gateway = c.network.get_other_config(network)["nat_subnet"].split("/")[0]
    address = wait_for_address(c, vm)

    def reaches():
        return any(" 1 packets received" in line for line in shell.run(f"ping -c 1 -W 1 {gateway}"))

    taps = os.listdir(os.path.join(d.state, "net", "taps"))
    assert reaches() and filters(taps) == []
    c.VIF.set_locking_mode(v, "locked")
    assert not reaches(), "a locked NIC without addresses is silent"
    c.VIF.add_ipv4_allowed(v, address)
    assert reaches()
    c.VIF.set_ipv4_allowed(v, ["10.0.0.1"])
    assert not reaches()
    d.kill()
    for tap in filters(taps):  # as a firewall does that is started anew
        subprocess.run(["nft", "delete", "table", "bridge", f"xapid_{tap}"], check=True)
    d.start()
    c = d.client()
    shell = Shell(d, c, vm)
    wait_until(lambda: filters(taps), "the next daemon locks it again")
    c.VIF.set_locking_mode(v, "disabled")
    assert not reaches()
    c.VIF.set_locking_mode(v, "unlocked")
    wait_until(reaches, "the network is up", 20)
    assert filters(taps) == []
    other = c.network.create({"name_label": "other", "name_description": "", "other_config": {}})
    c.VIF.set_locking_mode(v, "locked")
    c.VIF.set_ipv4_allowed(v, [address])
    c.VIF.move(v, other)
    assert not reaches(), "the gateway is on the other network"
    c.VIF.move(v, network)
    wait_until(reaches, "it is back", 20)
    check(d, c, "a NIC that was moved")
    shell.close()


def changed_guest(d, c, vm, shell):
    """A guest that has other devices than at its start is suspended and checkpointed as any other."""
    late, never = (add_disk(c, vm, make_vdi(c, f"disk {n}", 8 << 20), device=n) for n in ("1", "5"))
    nic = c.VIF.create(vif(c, vm, "3"))
    first = c.VM.get_VIFs(vm)[0] if c.VM.get_VIFs(vm)[0] != nic else c.VM.get_VIFs(vm)[1]
    macs = [c.VIF.get_MAC(v) for v in (nic, first)]
    c.VBD.plug(late)
    c.VIF.plug(nic)
    c.VIF.unplug(first)

    def attached():
        return ([c.VBD.get_currently_attached(b) for b in (late, never)] +
                [c.VIF.get_currently_attached(v) for v in (nic, first)])

    def look(text):
        assert attached() == [True, False, True, False], attached()
        assert shell.run("head -n 1 /dev/vdb") == [text], shell.run("head -n 1 /dev/vdb")
        seen = shell.run("cat /sys/class/net/*/address")
        assert macs[0] in seen and macs[1] not in seen, (macs, seen)

    wait_until(lambda: size_of(shell, "vdb") == 8 << 20, "the guest has the disk")
    shell.run("echo before > /dev/vdb; sync")
    shell.close()
    c.VM.suspend(vm)
    check(d, c, "a suspended guest whose devices have changed")
    c.VM.resume(vm, False, False)
    shell = Shell(d, c, vm)
    look("before")
    check(d, c, "its resumption")
    kept = c.VM.checkpoint(vm, "kept")
    shell.run("echo after > /dev/vdb; sync")
    look("after")
    c.VBD.unplug(late)
    shell.close()
    c.VM.revert(kept)
    c.VM.resume(vm, False, False)
    late, never = (next(b for b in c.VM.get_VBDs(vm) if c.VBD.get_userdevice(b) == n) for n in ("1", "5"))
    nic, first = (next(v for v in c.VM.get_VIFs(vm) if c.VIF.get_MAC(v) == mac) for mac in macs)
    shell = Shell(d, c, vm)
    look("before")
    c.VBD.unplug(late)
    c.VIF.plug(first)
    wait_until(lambda: macs[1] in shell.run("cat /sys/class/net/*/address"), "the guest has its first NIC again")
    check(d, c, "a revert to the checkpoint of such a guest")


def torn_out(d, c, vm):
    """From a guest that hears nothing any more."""
    disk = next(b for b in c.VM.get_VBDs(vm) if c.VBD.get_userdevice(b) == "1")
    nic = next(v for v in c.VM.get_VIFs(vm) if c.VIF.get_currently_attached(v))
    c.VBD.plug(disk)
    shell = Shell(d, c, vm)
    wait_until(lambda: size_of(shell, "vdb") == 8 << 20, "the guest has the disk")
    shell.socket.sendall(b"run (while dd if=/dev/zero of=/dev/vdb bs=4096 count=16; do true; done) > /dev/null 2>&1 & "
                         b"sleep 0.2; halt -f\n")
    wait_until(lambda: b"reboot: System halted" in console_log(d, c, vm), "the guest halts")
    with ThreadPoolExecutor() as both:
        for done in (both.submit(d.client().VIF.unplug_force, nic), both.submit(d.client().VBD.unplug_force, disk)):
            done.result()
    assert not c.VBD.get_currently_attached(disk) and not c.VIF.get_currently_attached(nic)
    assert c.VM.get_power_state(vm) == "Running"
    check(d, c, "tearing devices out")
    c.VBD.destroy(disk)
    shell.close()


def console_log(d, c, vm):
    with open(os.path.join(d.state, "vm", c.VM.get_uuid(vm), "console.log"), "rb") as f:
        return f.read()


def user_entries(folder):
    """Files that some user was given beside their owner."""
    found = []
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                acl = os.getxattr(os.path.join(where, name), "system.posix_acl_access")
            except OSError:
                continue
            if any(tag == 2 for tag, _, _ in struct.iter_unpack("<HHI", acl[4:])):
                found.append(name)
    return found


def confined(d, c):
    """QEMU has no rights of root; of what the daemon keeps it finds the guest's disk only."""
    if os.geteuid() != 0:
        return
    other = make_vdi(c, "another's")
    pid, = d.guest_processes()
    status = dict(line.split(":\t") for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
    user = pwd.getpwnam("nobody")
    assert status["Uid"].split() == [str(user.pw_uid)] * 4 and "0" not in status["Groups"].split(), status
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0, status
    disk, = (name for name in user_entries(os.path.join(d.state, "sr")) if name.endswith(".qcow2"))
    paths = subprocess.check_output(["find", d.state, "-type", "f"], text=True).split()
    readable = [path for path in paths if subprocess.run(
        ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "test", "-r", path]
    ).returncode == 0]
    own = [path for path in readable if os.path.basename(path) not in (disk, "console.log", "port")]
    assert len(readable) > len(own) == 0, own
    c.VDI.destroy(other)


def main():
    with Daemon("qemu", options=["--demo-guest", demo_guest.folder(), *as_nobody()]) as d:
        c = d.client()
        vm = install(c, "guest")
        c.VBD.create(vbd(vm, "OpaqueRef:NULL", device="3", type="CD", mode="RO", empty=True))
        c.VM.start(vm, False, False)
        confined(d, c)
        wait_for_address(c, vm)
        shell = Shell(d, c, vm)  # from here on it is read, or the guest would stand still
        c = cd(d, c, vm, shell)
        print("ok the medium of a CD drive changes", flush=True)
        shell.close()
        shell = Shell(d, c, vm)
        for test in (disks, nics, locking):
            test(d, c, vm, shell)
            print(f"ok {test.__name__}", flush=True)
        shell.close()
        c = d.client()
        changed_guest(d, c, vm, Shell(d, c, vm))
        print("ok changed_guest", flush=True)
        torn_out(d, c, vm)
        print("ok torn_out", flush=True)
        taps = os.listdir(os.path.join(d.state, "net", "taps"))
        c.VM.hard_shutdown(vm)
        assert user_entries(d.state) == [], "what QEMU's user was given is taken back"
        check(d, c, "the end")
        assert filters(taps) == [], "rules end with their tap"


if __name__ == "__main__":
    main()
