"""A private xapid in a private directory, and a small XenAPI client for it (JSON-RPC over its unix socket)."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BUILD = os.environ.get("XAPID_BUILD", os.getcwd())
SOURCE = os.environ.get("XAPID_SRC", os.path.join(os.path.dirname(__file__), "..", ".."))
XAPID = os.environ.get("XAPID_PROGRAM", os.path.join(BUILD, "xapid", "xapid"))


class Failure(Exception):
    """An API error: code and parameters."""

    def __init__(self, description):
        super().__init__(": ".join([description[0], str(description[1:])]))
        self.code, self.params = description[0], description[1:]


class Lost(Exception):
    """The connection ended before the answer: the daemon died or refused."""


# How the daemon says that it cannot answer, since what it would say is not on disk.
NOT_DURABLE = ("cannot be written", "could not be made durable")


class Withheld(Lost):
    """The daemon answered that it cannot answer: what it would say is not durable yet."""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=600)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(600)
        self.sock.connect(self.path)


class Method:
    def __init__(self, client, name):
        self.client, self.name = client, name

    def __getattr__(self, part):
        return Method(self.client, f"{self.name}.{part}")

    def __call__(self, *args):
        return self.client.call(self.name, *args)


class Client:
    """client.VM.start(vm, False, False): the session is put in front."""

    def __init__(self, path):
        self.path, self.connection, self.session = path, None, None

    def raw(self, name, params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": name, "params": params})
        try:
            if self.connection is None:
                self.connection = UnixConnection(self.path)
            self.connection.request("POST", "/jsonrpc", body, {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise Withheld(f"{name}: {answer.status} {text.decode(errors='replace')[:200]}")
            reply = json.loads(text)
        except (OSError, http.client.HTTPException, json.JSONDecodeError) as problem:
            self.connection = None
            raise Lost(f"{name}: {problem!r}") from None
        if "error" in reply:
            failure = Failure([reply["error"]["message"], *reply["error"]["data"]])
            if failure.code == "INTERNAL_ERROR" and any(t in failure.params[0] for t in NOT_DURABLE):
                raise Withheld(str(failure))
            raise failure
        return reply["result"]

    def login(self):
        self.session = self.raw("session.login_with_password", ["root", "", "1.0", "tests"])
        return self

    def call(self, name, *args):
        """A question whose answer is withheld, since the store failed a moment ago, is asked again."""
        if self.session is None:
            self.login()
        while True:
            try:
                return self.raw(name, [self.session, *args])
            except Withheld:
                if ".get_" not in name:
                    raise
                time.sleep(0.02)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return Method(self, name)


def wait_until(condition, what, timeout=120):
    """Wait for a condition that something else brings about; the limit only guards against a hang."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"never happened: {what}")
        time.sleep(0.01)


class Daemon:
    """with Daemon(hypervisor="sim") as d: d.client().VM.get_all()"""

    def __init__(self, hypervisor="sim", address="127.0.27.1", options=(), directory=None):
        self.own_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="xapid-ops-")
        self.state = os.path.join(self.directory, "state")
        os.makedirs(self.state, exist_ok=True)
        self.hypervisor, self.address, self.options = hypervisor, address, list(options)
        self.process = None
        self.program = XAPID
        self.prefix = []  # of its command, as to be in another network namespace

    @property
    def socket(self):
        return os.path.join(self.state, "xapi.sock")

    def start(self, wait=True):
        command = [*self.prefix, self.program, "--state-dir", self.state, "--address", self.address, "--port", "0",
                   "--foreground", "--hypervisor", self.hypervisor, *self.options]
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        if wait:
            wait_until(self.answers, f"xapid serves (see {self.directory}/log)")
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"xapid exited with {self.process.returncode}: {self.log()[-2000:]}")
        try:
            self.client()
            return True
        except (Lost, OSError):
            return False

    def client(self):
        return Client(self.socket).login()

    def log(self):
        with open(os.path.join(self.directory, "log"), errors="replace") as f:
            return f.read()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            status = self.process.wait()
            assert status == 0, f"xapid ended with {status}: {self.log()[-4000:]}"

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, traceback):
        self.stop()
        self.end_guests()
        self.remove_networks()
        if kind is None and self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        elif kind is not None:
            print(f"kept: {self.directory}")

    def remove_networks(self):
        """Bridges stay with their host; this one ends."""
        try:
            bridges = os.listdir(os.path.join(self.state, "net", "bridges"))
        except FileNotFoundError:
            return
        for bridge in bridges:
            pid_file = f"/run/xapid/dnsmasq-{bridge}.pid"
            if os.path.exists(pid_file):
                with open(pid_file) as f:
                    os.kill(int(f.read()), signal.SIGTERM)
                os.unlink(pid_file)
            subprocess.run(["ip", "link", "delete", bridge], capture_output=True)
            subprocess.run(["nft", "delete", "table", "ip", f"xapid_{bridge}"], capture_output=True)

    # ---- what is left outside the daemon ----

    def arm(self, text):
        """Arm its n-th fault point (xapid/host/faults.h), or disarm. It may also die of the one before meanwhile: a
        member's copy of the database is written when it comes to it."""
        fired = os.path.join(self.state, "fault.fired")
        with open(os.path.join(self.state, "fault"), "w") as f:
            f.write(text)
        if os.path.exists(fired):
            os.unlink(fired)
        self.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: os.path.exists(fired) or self.process.poll() is not None, "the fault is armed")

    def guest_processes(self):
        """Pids of the QEMUs that work in this state directory; their disks may lie elsewhere."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    line = f.read()
                folder = os.readlink(f"/proc/{pid}/cwd")  # of a zombie there is none
            except OSError:
                continue
            if b"qemu" in line.split(b"\0")[0] and folder.startswith(self.state + "/"):
                found.append(int(pid))
        return found

    def end_guests(self):
        for pid in self.guest_processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


# ---- what tests make ----

@contextlib.contextmanager
def small_folder(size="1m"):
    """A file system that is soon full; only root makes one."""
    with tempfile.TemporaryDirectory(prefix="xapid-small-") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def default_sr(c):
    return c.pool.get_default_SR(c.pool.get_all()[0])


def default_network(c):
    return next(r for r, n in c.network.get_all_records().items() if "nat_subnet" in n["other_config"])


def template(c, name="Other install media"):
    return c.VM.get_by_name_label(name)[0]


def make_vm(c, name="vm", disks=1, nics=1, base="Other install media", memory=None):
    """A halted VM from a template, with empty disks and NICs."""
    vm = c.VM.clone(template(c, base), name)
    c.VM.provision(vm)
    if base == "Other install media":  # its network card would keep a processor busy with looking for a server
        c.VM.set_HVM_boot_params(vm, {"order": "c"})
    if memory:
        c.VM.set_memory_limits(vm, min(memory, 16 << 20), memory, memory, memory)
    for i in range(disks):
        add_disk(c, vm, make_vdi(c, f"{name} disk {i}"))
    for i in range(nics):
        c.VIF.create(vif(c, vm, str(i)))
    return vm


def vif(c, vm, device, **more):
    return {"device": device, "network": default_network(c), "VM": vm, "MAC": "", "MTU": 1500, "other_config": {},
            "qos_algorithm_type": "", "qos_algorithm_params": {}, **more}


def make_vdi(c, name="disk", size=16 << 20, sr=None, **more):
    return c.VDI.create({"name_label": name, "name_description": "", "SR": sr or default_sr(c),
                         "virtual_size": size, "type": "user", "sharable": False, "read_only": False,
                         "other_config": {}, **more})


def vbd(vm, vdi, device="autodetect", **more):
    return {"VM": vm, "VDI": vdi, "userdevice": device, "bootable": False, "mode": "RW", "type": "Disk",
            "empty": False, "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}, **more}


def add_disk(c, vm, vdi, **more):
    return c.VBD.create(vbd(vm, vdi, **more))


def fails(code, function, *args):
    """The parameters of the error that the call must end with."""
    try:
        function(*args)
    except Failure as f:
        assert f.code == code, f"{code} wanted, got {f}"
        return f.params
    raise AssertionError(f"{code} wanted, but the call succeeded")
