"""xapid --check-config, and settings that change while the daemon runs."""

import http.client
import os
import signal
import ssl
import subprocess
import tempfile

from daemon import ADDRESS, XAPID, Daemon, run, same, wait_until


def check(*options, config=None):
    """Exit status and lines of standard error."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write(config or "")
        f.flush()
        r = subprocess.run([XAPID, "--check-config", *(["--config", f.name] if config is not None else []), *options],
                           capture_output=True, text=True)
        return r.returncode, r.stderr.replace(f.name, "CONF").splitlines()


def good_settings_are_good(d):
    same(check("--state-dir", d.dir, "--address", ADDRESS, "--hypervisor", "sim"), (0, []))
    same(check(config=f"state-dir = {d.dir}\naddress = {ADDRESS} # here\nport = {d.port}\nhypervisor = sim\n"), (0, []))


def checking_makes_nothing(d):
    with tempfile.TemporaryDirectory() as folder:
        same(check("--state-dir", os.path.join(folder, "new"), "--hypervisor", "sim"), (0, []))
        same(os.listdir(folder), [])


def all_that_is_wrong_is_named(d):
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "tls"))
        open(os.path.join(folder, "xapid.db"), "w").write("this is no database, whatever it is called")
        open(os.path.join(folder, "tls", "server.pem"), "w").write("-----BEGIN CERTIFICATE-----\nabc\n")
        status, lines = check("--hypervisor", "xen", "--fault-at", "mind:1", config=f"""# settings
state-dir = {folder}
port = https
address = 192.0.2.77
color = blue
demo-guest = {folder}/absent
plugin-dir = {folder}/xapid.db
authentication = passwd
unix-socket = {folder}/absent/socket
""")
    same(status, 1)
    for beginning in ("CONF:3: port: ", "CONF:5: there is no setting 'color'", f"CONF:2: state-dir: {folder}/xapid.db is no database",
                      f"CONF:2: state-dir: {folder}/tls/server.pem: ", "CONF:4: address: 192.0.2.77: ",
                      "--hypervisor: this is qemu or sim", f"CONF:6: demo-guest: {folder}/absent: ",
                      f"CONF:7: plugin-dir: {folder}/xapid.db is no folder", f"CONF:8: authentication: {folder}/passwd: ",
                      f"CONF:9: unix-socket: {folder}/absent: ", "--fault-at: there is no fault 'mind:1'"):
        assert any(line.startswith(beginning) for line in lines), (beginning, lines)
    same(len(lines), 11)


def make_old_certificate(folder):
    """Valid for a day of the year 2020: only `openssl ca` can do that."""
    path = lambda name: os.path.join(folder, name)
    open(path("index"), "w").close()
    open(path("serial"), "w").write("01\n")
    open(path("conf"), "w").write(f"""[ca]\ndefault_ca = here\n[here]\ndatabase = {path("index")}\nserial = {path("serial")}
new_certs_dir = {folder}\ndefault_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n""")
    openssl = lambda *words: subprocess.run(["openssl", *words], check=True, stderr=subprocess.DEVNULL)
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
            "-keyout", path("server.pem"), "-out", path("request"))
    openssl("ca", "-batch", "-notext", "-selfsign", "-config", path("conf"), "-keyfile", path("server.pem"), "-in", path("request"),
            "-startdate", "20200101000000Z", "-enddate", "20200102000000Z", "-out", path("certificate"))
    open(path("server.pem"), "a").write(open(path("certificate")).read())


def an_old_certificate_is_told(d):
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "tls"))
        make_old_certificate(os.path.join(folder, "tls"))
        status, lines = check("--state-dir", folder, "--hypervisor", "sim")
    same((status, len(lines)), (1, 1))
    assert "expired" in lines[0], lines


class Reloading(Daemon):
    """A daemon with a configuration file that may change."""

    def __init__(self, text):
        super().__init__()
        self.conf = os.path.join(self.dir, "xapid.conf")
        self.write(text)
        self.options = ["--config", self.conf, "--http-port", "0"]

    def write(self, text):
        open(self.conf, "w").write(text)

    def reload(self, text):
        """SIGHUP; the lines that it logged about it."""
        self.write(text)
        before = len(self.log())
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.alive() and "the settings have been read" in self.log()[before:], "they are read")
        return self.log()[before:]

    def metrics_status(self):
        with open(os.path.join(self.dir, "http-port")) as f:
            connection = http.client.HTTPConnection(ADDRESS, int(f.read()), timeout=120)
        connection.request("GET", "/metrics")
        return connection.getresponse().status


def sighup_takes_what_can_be_taken(d):
    with Reloading("metrics = no\n") as own:
        session = own.login()
        same(own.metrics_status(), 301)
        log = own.reload("metrics = yes\nplugin-dir = /\nsim-script = /etc/passwd\n")
        same(own.metrics_status(), 200)
        assert "metrics has changed\n" in log and "plugin-dir has changed\n" in log, log
        assert "sim-script has changed: this takes effect at the next start" in log, log
        session.call("pool.get_all")
        own.write("metrics = no\nlog-level = error\n")
        own.process.send_signal(signal.SIGHUP)
        wait_until(lambda: own.metrics_status() == 301, "metrics are given no more")


def a_file_with_a_mistake_changes_nothing(d):
    with Reloading("metrics = yes\n") as own:
        log = own.reload("metrics = no\nlogin-delay-ms = soon\n")
        assert f"{own.conf}:2: login-delay-ms: this wants a number" in log, log
        same(own.metrics_status(), 200)
        os.unlink(own.conf)
        os.mkdir(own.conf)
        own.write = lambda text: None
        assert "xapid.conf" in own.reload("")
        same(own.metrics_status(), 200)


def the_certificate_is_read_again(d):
    with Reloading("") as own, Daemon() as other:
        old = ssl.get_server_certificate((ADDRESS, own.port))
        pem = os.path.join(own.dir, "tls", "server.pem")
        os.replace(os.path.join(other.dir, "tls", "server.pem"), pem)
        own.reload("")
        new = ssl.get_server_certificate((ADDRESS, own.port))
        assert old != new
        same(new, ssl.get_server_certificate((ADDRESS, other.port)))
        open(pem, "w").write("broken")
        assert "server.pem" in own.reload("")
        same(ssl.get_server_certificate((ADDRESS, own.port)), new)


run([good_settings_are_good, checking_makes_nothing, all_that_is_wrong_is_named, an_old_certificate_is_told,
     sighup_takes_what_can_be_taken, a_file_with_a_mistake_changes_nothing, the_certificate_is_read_again])
