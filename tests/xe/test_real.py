#!/usr/bin/env -S python3 -B
"""xe against a real xapid with simulated guests: a day's work, with every output word for word."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

from world import XE

XAPID = Path(os.environ.get("XAPID", "xapid/xapid")).resolve()
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Daemon:
    """An xapid of its own in a temporary folder."""

    def __init__(self, address="127.0.28.4"):
        self.folder = tempfile.TemporaryDirectory()
        state = self.folder.name
        subprocess.run([XAPID, "--state-dir", state, "--set-password", "root"], input=b"secret\n", check=True,
                       stderr=subprocess.DEVNULL)
        self.process = subprocess.Popen([XAPID, "--state-dir", state, "--address", address, "--port", "0", "--hypervisor",
                                         "sim", "--login-delay-ms", "1", "--foreground"], stderr=subprocess.PIPE)
        for line in self.process.stderr:
            served = re.search(rb"serving https://([\d.]+):(\d+)", line)
            if served:
                self.address, self.port = served[1].decode(), served[2].decode()
                break
        else:
            raise RuntimeError("xapid did not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


class Day(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon()
        cls.addClassCleanup(cls.daemon.close)

    def run_xe(self, *args, stdin=""):
        done = subprocess.run([XE, "-s", self.daemon.address, "-p", self.daemon.port, "-u", "root", "-pw", "secret", *args],
                              input=stdin.encode(), capture_output=True, timeout=300)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def xe(self, *args, **more):
        code, out, err = self.run_xe(*args, **more)
        self.assertEqual((code, err), (0, ""), f"{args}: {out}")
        return out

    def one(self, *args):
        out = self.xe(*args).strip()
        self.assertRegex(out, f"^{UUID}$")
        return out

    def install(self, name):
        return self.one("vm-install", "template=Other install media", "new-name-label=" + name)

    def state(self, vm):
        return self.xe("vm-param-get", "uuid=" + vm, "param-name=power-state").strip()

    def test_a_vm_lives_from_its_template_to_its_end(self):
        vm = self.install("web1")
        self.assertEqual(self.xe("vm-list", "uuid=" + vm),
                         f"uuid ( RO)           : {vm}\n     name-label ( RW): web1\n    power-state ( RO): halted\n\n\n")
        self.assertEqual(self.xe("vm-start", "vm=web1"), "")
        self.assertEqual(self.state(vm), "running")
        self.xe("vm-pause", "vm=web1")
        self.assertEqual(self.state(vm), "paused")
        self.xe("vm-unpause", "vm=web1")
        self.xe("vm-shutdown", "vm=web1", "--force")
        self.assertEqual(self.state(vm), "halted")
        self.assertEqual(self.xe("vm-uninstall", "vm=web1", stdin="yes\n"),
                         f"The following items are about to be destroyed\nVM : {vm} (web1)\nType 'yes' to continue\n"
                         "All objects destroyed\n")
        self.assertEqual(self.run_xe("vm-destroy", "uuid=" + vm),
                         (1, "", f"The uuid you supplied was invalid.\ntype: VM\nuuid: {vm}\n"))

    def test_disks_and_nics_come_and_go(self):
        vm = self.install("disks")
        self.xe("vm-disk-add", "vm=disks", "disk-size=1GiB", "device=0")
        out = self.xe("vm-disk-list", "vm=disks")
        vbd, vdi = re.findall(UUID, out)
        self.assertEqual(out, f"Disk 0 VBD:\nuuid ( RO)             : {vbd}\n    vm-name-label ( RO): disks\n"
                              "       userdevice ( RW): 0\n\n\n"
                              f"Disk 0 VDI:\nuuid ( RO)             : {vdi}\n       name-label ( RW): Created by xe\n"
                              "    sr-name-label ( RO): Local storage\n     virtual-size ( RO): 1073741824\n\n\n")
        network = self.xe("network-list", "--minimal").strip().split(",")[0]
        vif = self.one("vif-create", "vm-uuid=" + vm, "network-uuid=" + network, "device=0")
        self.assertEqual(self.xe("vm-vif-list", "vm=disks", "--minimal"), vif + "\n")
        self.xe("vif-destroy", "uuid=" + vif)
        self.assertIn(f"VDI: {vdi} (Created by xe) \n", self.xe("vm-uninstall", "vm=disks", "--force"))
        self.assertEqual(self.xe("vdi-list", "uuid=" + vdi), "")

    def test_parameters_are_changed_and_filtered(self):
        vm = self.install("params")
        where = "uuid=" + vm
        self.xe("vm-param-set", where, "name-label=renamed, with\\care", "other-config:folder=/a", "memory-dynamic-min=1073741824")
        self.xe("vm-param-add", where, "param-name=tags", "param-key=blue")
        self.assertEqual(self.xe("vm-list", "tags:contains=blue", "params=name-label", "--minimal"),
                         "renamed\\, with\\\\care\n")
        self.assertEqual(self.xe("vm-list", "other-config:folder=/a", "--minimal"), vm + "\n")
        self.xe("vm-param-remove", where, "param-name=other-config", "param-key=folder")
        self.assertEqual(self.run_xe("vm-param-get", where, "param-name=other-config", "param-key=folder"),
                         (1, "", "Error: Key folder not found in map\n"))
        self.xe("vm-param-clear", where, "param-name=tags")
        self.assertEqual(self.xe("vm-param-get", where, "param-name=tags"), "\n")
        self.xe("vm-destroy", where)

    def test_a_wrong_state_is_explained_with_names(self):
        vm = self.install("halted")
        code, out, err = self.run_xe("vm-pause", "vm=halted")
        self.assertEqual((code, out), (1, ""))
        self.assertEqual(err.splitlines()[1:], [f"vm: {vm} (halted)", "expected: running", "actual: halted"])
        self.xe("vm-destroy", "uuid=" + vm)

    def test_event_wait_ends_with_the_change(self):
        vm = self.install("waited")
        waiter = subprocess.Popen([XE, "-s", self.daemon.address, "-p", self.daemon.port, "-u", "root", "-pw", "secret",
                                   "event-wait", "class=vm", "uuid=" + vm, "power-state=running"])
        self.xe("vm-start", "uuid=" + vm)
        self.assertEqual(waiter.wait(timeout=300), 0)
        self.xe("vm-uninstall", "uuid=" + vm, "--force")

    def test_a_console_carries_both_ways_until_the_quit_key(self):
        vm = self.install("talker")
        self.xe("vm-start", "uuid=" + vm)
        console = subprocess.Popen([XE, "-s", self.daemon.address, "-p", self.daemon.port, "-u", "root", "-pw", "secret",
                                    "console", "uuid=" + vm], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        console.stdin.write(b"ping\r")
        console.stdin.flush()
        seen = b""
        while b"ping" not in seen:
            byte = console.stdout.read(1)
            self.assertTrue(byte, seen)
            seen += byte
        console.communicate(b"\x1d", timeout=300)
        self.assertEqual(console.returncode, 0)
        self.assertTrue(seen.startswith(b"Connecting to the console of VM 'talker'. Press Ctrl-] to leave.\n"), seen)
        self.xe("vm-uninstall", "uuid=" + vm, "--force")

    def test_every_class_lists_and_shows_what_is_there(self):
        for name in self.xe("help", "--all", "--minimal").strip().split(","):
            if not name.endswith("-param-list"):
                continue
            cls = name.removesuffix("-param-list")
            self.xe(cls + "-list", "params=all")
            for uuid in self.xe(cls + "-list", "params=uuid", "--minimal").strip().split(",")[:2]:
                if uuid:
                    self.assertTrue(self.xe(name, "uuid=" + uuid).startswith("uuid ( RO)"))

    def test_the_daemon_is_well(self):
        self.assertEqual(self.xe("host-ha-xapi-healthcheck"), "xapi is healthy.\n")

    def test_the_local_socket_needs_no_password(self):
        done = subprocess.run([XE, "-s", self.daemon.folder.name + "/xapi.sock", "host-list", "--minimal"],
                              capture_output=True, timeout=300)
        self.assertRegex(done.stdout.decode(), f"^{UUID}\n$")

    def test_a_wrong_password_is_refused(self):
        done = subprocess.run([XE, "-s", self.daemon.address, "-p", self.daemon.port, "-u", "root", "-pw", "wrong", "vm-list"],
                              capture_output=True, timeout=300)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (1, b"", b"Authentication failed\nFor usage run: 'xe help'\n"))


if __name__ == "__main__":
    if not XAPID.exists():
        print(f"no xapid at {XAPID}")
        sys.exit(77)
    unittest.main()
