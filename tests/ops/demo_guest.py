"""The demo guest's files, built once for all tests of a build."""

import os
import re
import socket
import ssl
import subprocess
import sys
import time

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


def as_nobody():
    """Options with which QEMU runs as another user, where we are root."""
    return ["--qemu-user", "nobody"] if os.geteuid() == 0 else []


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


class Console:
    """The guest's serial console over HTTPS CONNECT, as xe console opens it."""

    def __init__(self, d, c, vm):
        vt100 = [r for r in c.console.get_all_records().values() if r["VM"] == vm and r["protocol"] == "vt100"]
        assert len(vt100) == 1, vt100
        path = re.sub(r"^https://[^/]*", "", vt100[0]["location"])
        port = int(open(os.path.join(d.state, "port")).read())
        context = ssl._create_unverified_context()
        self.socket = context.wrap_socket(socket.create_connection((d.address, port)))
        self.socket.settimeout(120)
        self.socket.sendall(f"CONNECT {path}&session_id={c.session} HTTP/1.0\r\n\r\n".encode())
        self.text = b""
        while b"\r\n\r\n" not in self.text:
            self.read()
        head, self.text = self.text.split(b"\r\n\r\n", 1)
        assert b" 200 " in head.split(b"\r\n")[0], head

    def read(self):
        data = self.socket.recv(4096)
        assert data, "the console ended"
        self.text += data

    def tick(self):
        """The number of the next tick."""
        self.text = b""
        while True:
            self.read()
            found = re.search(rb"\ntick (\d+) [\d.]+\r?\n", self.text)
            if found:
                return int(found[1])

    def read_to_end(self):
        """Keep all that comes until the guest is gone."""
        try:
            while True:
                data = self.socket.recv(4096)
                self.text += data
                if not data:
                    return
        except OSError:
            return

    def close(self):
        self.socket.close()

    def run(self, command):
        """What a shell command of the guest prints; what the guest says by itself between its lines is left out."""
        self.tick()  # before it ticks nobody listens
        self.text = b""
        self.socket.sendall(f"run echo begin; {command}\n".encode())
        guard = time.monotonic() + 120
        while not re.search(rb"\ndone -?\d+\r?\n", self.text):
            assert time.monotonic() < guard, f"the guest does not end: {command}"
            self.read()
        output = re.search(r"begin\r?\n(.*?)^done -?\d+\r?\n", self.text.decode(), re.DOTALL | re.MULTILINE)[1]
        return re.sub(r"(?m)^(tick \d+ [\d.]+|demo guest: .*)\r?\n?", "", output).strip()
