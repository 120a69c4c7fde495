"""A private xapid for a test, and small XenAPI clients for it. Standard library only."""

import http.client
import json
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import traceback
import xmlrpc.client

BUILD = os.environ.get("XAPID_BUILD", ".")
SOURCE = os.environ.get("XAPID_SRC", ".")
XAPID = os.path.join(BUILD, "xapid", "xapid")
ADDRESS = "127.0.26.1"
PASSWORD = "open sesame é"
NULL = "OpaqueRef:NULL"


class ApiError(Exception):
    """A failure that the server answered: .code and .params."""

    def __init__(self, description):
        super().__init__(*description)
        self.code, self.params = description[0], list(description[1:])


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Client:
    """One kept-alive connection. With a session, calls put it first."""

    def __init__(self, connection, session=None):
        self.connection, self.session = connection, session

    def exchange(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body, headers or {})
        reply = self.connection.getresponse()
        return reply, reply.read()

    def raw_xml(self, method, *args):
        """The reply's bytes, after the rules of the wire were checked."""
        reply, data = self.exchange("POST", "/RPC2", xmlrpc.client.dumps(args, method, allow_none=True).encode(),
                                    {"Content-Type": "text/xml"})
        assert reply.status == 200, (reply.status, data)
        assert reply.getheader("content-type") == "text/xml", reply.getheaders()
        return data

    def plain(self, method, *args):
        """A call without the session, over XML-RPC."""
        (value,), _ = xmlrpc.client.loads(self.raw_xml(method, *args).decode(), use_builtin_types=False)
        if value["Status"] != "Success":
            raise ApiError(value["ErrorDescription"])
        return value["Value"]

    def call(self, method, *args):
        return self.plain(method, self.session, *args)

    def raw_json(self, body, path="/jsonrpc"):
        reply, data = self.exchange("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        return reply, data

    def json(self, method, *args):
        """A call with the session, over JSON-RPC 2.0."""
        reply, data = self.raw_json({"jsonrpc": "2.0", "id": 7, "method": method, "params": [self.session, *args]})
        assert reply.status == 200 and reply.getheader("content-type") == "application/json", reply.getheaders()
        value = json.loads(data)
        assert value["id"] == 7 and value["jsonrpc"] == "2.0"
        if "error" in value:
            raise ApiError([value["error"]["message"], *value["error"]["data"]])
        return value["result"]

    def await_change(self, classes, condition, what, timeout=60):
        """Until the condition holds: looked at again after each event of these classes."""
        token, deadline = "", time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"never happened: {what}"
            token = self.call("event.from", classes, token, 10.0)["token"]

    def login(self, user="root", password=PASSWORD, originator="test"):
        self.session = self.plain("session.login_with_password", user, password, "1.0", originator)
        return self


def wait_until(condition, what, timeout=60):
    """Wait for what nothing tells of, such as a line in a log; the limit only guards against a hang."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)


def wait_end(pid, timeout=60):
    """Wait for the end of a process that is nobody's child here."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], timeout)[0], f"{pid} does not end"
    finally:
        os.close(fd)


class Daemon:
    """`with Daemon() as d:` a running xapid in a directory of its own, gone afterwards."""

    def __init__(self, *options, hypervisor="sim"):
        self.dir = tempfile.mkdtemp(prefix="xapid-test-")
        self.options = [*options]
        self.hypervisor = hypervisor
        self.process = None
        self.port = 0
        subprocess.run([XAPID, "--state-dir", self.dir, "--set-password", "root"], input=PASSWORD.encode(), check=True)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        status = self.stop() if self.process else 0
        if kind or status:
            sys.stderr.write(self.log())
        shutil.rmtree(self.dir)
        assert kind or status == 0, f"xapid ended with {status}"

    def log(self):
        with open(os.path.join(self.dir, "stderr"), errors="replace") as f:
            return f.read()

    def alive(self):
        """True, or an error with what it said."""
        assert self.process.poll() is None, f"xapid ended with {self.process.returncode}:\n{self.log()}"
        return True

    def start(self):
        """Start it on the port it had before, or a free one, and wait until it serves."""
        port_file = os.path.join(self.dir, "port")
        if os.path.exists(port_file):
            os.unlink(port_file)
        with open(os.path.join(self.dir, "stderr"), "a") as log:
            self.process = subprocess.Popen(
                [XAPID, "--state-dir", self.dir, "--address", ADDRESS, "--port", str(self.port), "--hypervisor",
                 self.hypervisor, "--login-delay-ms", "100", "--foreground", *self.options], stdin=subprocess.DEVNULL, stderr=log)
        wait_until(lambda: self.alive() and os.path.exists(port_file) and os.path.getsize(port_file), "xapid serves")
        with open(port_file) as f:
            self.port = int(f.read())

    def stop(self):
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        self.process = None
        return status

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def client(self):
        """A new HTTPS connection without a session."""
        context = ssl._create_unverified_context()
        return Client(http.client.HTTPSConnection(ADDRESS, self.port, context=context, timeout=120))

    def login(self, **more):
        return self.client().login(**more)

    def unix(self):
        return Client(UnixConnection(os.path.join(self.dir, "xapi.sock")))


def fails(code, function, *args):
    """The parameters of the failure, which must have this code."""
    try:
        value = function(*args)
    except ApiError as e:
        assert e.code == code, f"{e.code} {e.params}, not {code}"
        return e.params
    raise AssertionError(f"{args} answered {value!r}, not {code}")


def same(got, wanted):
    assert got == wanted, f"{got!r}, not {wanted!r}"


def run(tests, daemon=Daemon):
    """Run each test function with a daemon they share; exit 1 when one fails, 77 when the daemon is not built."""
    if not os.path.exists(XAPID):
        print("xapid is not built")
        sys.exit(77)
    failed = 0
    with daemon() as d:
        for test in tests:
            try:
                test(d)
                print("ok  ", test.__name__.replace("_", " "))
            except Exception:
                failed += 1
                print("FAIL", test.__name__.replace("_", " "))
                traceback.print_exc(file=sys.stdout)
    sys.exit(1 if failed else 0)
