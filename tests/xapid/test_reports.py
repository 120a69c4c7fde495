"""What a host reports of itself. host.bugreport_upload: the status archive goes to a web server, also through a proxy; what goes wrong is told."""

import base64
import http.server
import io
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tarfile
import tempfile
import threading

import daemon
from daemon import Daemon, XAPID, fails, same, wait_until

XE = os.path.join(daemon.BUILD, "xe", "xe")
SERVER = "127.0.26.2"


class Taker(http.server.BaseHTTPRequestHandler):
    """Keeps what is put to it, as a server or as a proxy."""

    seen, hold = [], threading.Event()

    def do_PUT(self):
        if self.path.endswith("/refused"):
            return self.send_error(507)
        if self.path.endswith("/held"):
            self.hold.wait(60)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, self.headers.get("Authorization"), self.headers.get("Proxy-Authorization"), body))
        self.send_response(201)
        self.end_headers()

    def do_CONNECT(self):
        host, port = self.path.rsplit(":", 1)
        self.seen.append((self.path, None, self.headers.get("Proxy-Authorization"), b""))
        if host == "refused":
            return self.send_error(403)
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        other = socket.create_connection((host, int(port)))
        up = threading.Thread(target=pump, args=(self.connection, other))
        up.start()
        pump(other, self.connection)
        up.join()

    def log_message(self, *words):
        pass


def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(context=None):
    server = http.server.ThreadingHTTPServer((SERVER, 0), Taker)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"{SERVER}:{server.server_port}"


def tls_context():
    with tempfile.TemporaryDirectory() as folder:
        pem = os.path.join(folder, "server.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=reports", "-keyout",
                        pem, "-out", pem + ".crt"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem + ".crt", pem)
    return context


def report_in(body):
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return {m.name.removeprefix("./") for m in tar}


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def reports_are_uploaded(d):
    c = d.login()
    host, = c.call("host.get_all")
    upload = lambda url, **options: c.call("host.bugreport_upload", host, url, options)
    plain, tls, proxy = serve(), serve(tls_context()), serve()
    upload(f"http://me:p%40ss@{plain}/in/box?x=y")
    path, authorization, _, body = Taker.seen.pop()
    same((path, authorization), ("/in/box?x=y", basic("me:p@ss")))
    assert {"database.json", "log/audit.log"} <= report_in(body), report_in(body)
    upload(f"https://{tls}/secure")
    same(Taker.seen.pop()[0], "/secure")
    upload(f"http://{plain}/a", http_proxy=f"http://you:word@{proxy}")
    path, authorization, proxied, body = Taker.seen.pop()
    same((path, authorization, proxied), (f"http://{plain}/a", None, basic("you:word")))
    upload(f"https://{tls}/b", http_proxy=f"http://you:word@{proxy}")
    (connect, _, proxied, _), (path, _, beyond, body) = Taker.seen
    same((connect, proxied, path, beyond), (tls, basic("you:word"), "/b", None))
    assert "database.json" in report_in(body)
    Taker.seen.clear()
    xe(d, "host-bugreport-upload", f"url=http://{plain}/xe")
    same(Taker.seen.pop()[0], "/xe")


def calls_are_counted(d):
    c = d.login()
    host, = c.call("host.get_all")
    fails("HANDLE_INVALID", c.call, "VM.get_uuid", "OpaqueRef:none")
    fails("HANDLE_INVALID", c.call, "host.get_diagnostic_timing_stats", "OpaqueRef:none")
    found = c.call("host.get_diagnostic_timing_stats", host)
    assert "calls at_once" in found and "on average, 99% within" in found["calls at_once"], found
    same(found["class VM"].split(", ")[1], "1 failed")
    assert "class host" in xe(d, "diagnostic-timing-stats")


def xe(d, *words):
    done = subprocess.run([XE, "-s", daemon.ADDRESS, "-p", str(d.port), "-u", "root", "-pw", daemon.PASSWORD, *words],
                          capture_output=True, text=True)
    same((done.returncode, done.stderr), (0, ""))
    return done.stdout


def crashes_of_the_host_are_known(d, crashes):
    """As kdump-tools leave them; looked for at each start."""
    c = d.login()
    dumps = c.call("host_crashdump.get_all_records")
    same(sorted(int(r["size"]) for r in dumps.values()), [3, 8])
    (large, record), = [(ref, r) for ref, r in dumps.items() if int(r["size"]) == 8]
    same(str(record["timestamp"]), "20260102T03:04:00Z")
    Taker.seen.clear()
    plain = serve()
    xe(d, "host-crashdump-upload", f"uuid={record['uuid']}", f"url=http://{plain}/crash")
    path, _, _, body = Taker.seen.pop()
    same((path, report_in(body)), ("/crash", {"202601020304", "202601020304/dmesg.202601020304", "202601020304/dump.202601020304"}))
    same(fails("INVALID_VALUE", c.call, "host_crashdump.upload", large, "", {}), ["url", ""])
    assert "status 507" in fails("SYSTEM_STATUS_RETRIEVAL_FAILED", c.call, "host_crashdump.upload", large, f"http://{plain}/refused", {})[0]
    xe(d, "host-crashdump-destroy", f"uuid={record['uuid']}")
    same(sorted(os.listdir(crashes)), ["202601020305", "kdump_lock", "kexec_cmd"])
    fails("HANDLE_INVALID", c.call, "host_crashdump.destroy", large)
    shutil.rmtree(os.path.join(crashes, "202601020305"))
    rest, = c.call("host_crashdump.get_all")
    fails("INTERNAL_ERROR", c.call, "host_crashdump.upload", rest, f"http://{plain}/x", {})
    d.stop()
    d.start()
    same(d.login().call("host_crashdump.get_all"), [])


def make_crashes(folder):
    crashes = os.path.join(folder, "var", "crash")
    for name, files in (("202601020304", (b"dump", b"text")), ("202601020305", (b"d", b"mm"))):
        os.makedirs(os.path.join(crashes, name))
        for kind, content in zip(("dump", "dmesg"), files):
            with open(os.path.join(crashes, name, f"{kind}.{name}"), "wb") as f:
                f.write(content)
    for name in ("kexec_cmd", "kdump_lock"):
        open(os.path.join(crashes, name), "w").close()
    return crashes


def what_goes_wrong_is_told(d):
    c = d.login()
    host, = c.call("host.get_all")
    plain = serve()
    upload = lambda url, **options: c.call("host.bugreport_upload", host, url, options)
    for bad in ("", "ftp://x/", "/etc/passwd", "http://"):
        same(fails("INVALID_VALUE", upload, bad), ["url", bad])
    same(fails("INVALID_VALUE", c.call, "host.bugreport_upload", host, f"http://{plain}/", {"http_proxy": "x"}), ["http_proxy", "x"])
    failed = lambda *a: fails("SYSTEM_STATUS_RETRIEVAL_FAILED", c.call, "host.bugreport_upload", host, *a)[0]
    assert "status 507" in failed(f"http://{plain}/refused", {})
    assert "cannot contact" in failed(f"http://{SERVER}:1/", {})
    assert "cannot contact" in failed("https://refused/", {"http_proxy": f"http://{plain}"})
    fails("HANDLE_INVALID", c.call, "host.bugreport_upload", "OpaqueRef:none", f"http://{plain}/", {})
    task = c.call("Async.host.bugreport_upload", host, f"http://{plain}/held", {})
    wait_until(lambda: c.call("task.get_progress", task) > 0, "the upload has begun")
    c.call("task.cancel", task)
    wait_until(lambda: c.call("task.get_status", task) == "cancelled", "it is given up")
    Taker.hold.set()
    same([n for n in os.listdir(d.dir) if n.startswith("status-")], [])


if __name__ == "__main__":
    if not (os.path.exists(XAPID) and os.path.exists(XE)):
        sys.exit(77)
    os.environ["TZ"] = "UTC"
    with tempfile.TemporaryDirectory() as root:
        crashes = make_crashes(root)
        with Daemon("--machine-root", root) as d:
            calls_are_counted(d)
            crashes_of_the_host_are_known(d, crashes)
            reports_are_uploaded(d)
            what_goes_wrong_is_told(d)
