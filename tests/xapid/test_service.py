"""Running as a service: into the background, systemd's notifications, one daemon a directory, starting over."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from daemon import ADDRESS, PASSWORD, XAPID, Daemon, fails, run, same, wait_end


def gone(pid):
    try:
        os.kill(pid, 0)
        return open(f"/proc/{pid}/stat").read().split()[2] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


def it_goes_into_the_background_when_it_serves(d):
    own, pid = Daemon(), None
    try:
        started = subprocess.run([XAPID, "--state-dir", own.dir, "--address", ADDRESS, "--port", "0", "--hypervisor", "sim"])
        same(started.returncode, 0)
        with open(os.path.join(own.dir, "lock")) as f:
            pid = int(f.read())
        with open(os.path.join(own.dir, "port")) as f:
            own.port = int(f.read())
        own.login()
        again = subprocess.run([XAPID, "--state-dir", own.dir, "--port", "0", "--hypervisor", "sim"], stderr=subprocess.PIPE)
        same(again.returncode, 1)
        os.kill(pid, signal.SIGTERM)
        wait_end(pid)
        log = open(os.path.join(own.dir, "log", "xapid.log")).read()
        assert "another xapid" in log and "stopping" in log, log
    finally:
        if pid and not gone(pid):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(own.dir)


def hear(listener):
    """The first line of the next message that is not about descriptors to be kept."""
    while (line := listener.recv(1000).split(b"\n")[0]).startswith(b"FDSTORE"):
        pass
    return line


def systemd_hears_when_it_is_ready_and_when_it_stops(d):
    own = Daemon()
    path = os.path.join(own.dir, "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(60)
    os.environ["NOTIFY_SOCKET"] = path
    try:
        with own:
            same(hear(listener), b"READY=1")
            own.process.send_signal(signal.SIGHUP)
            same((hear(listener), hear(listener)), (b"RELOADING=1", b"READY=1"))
        same(hear(listener), b"STOPPING=1")
    finally:
        del os.environ["NOTIFY_SOCKET"]


def the_watchdog_hears_of_a_loop_that_turns(d):
    own = Daemon()
    path = os.path.join(own.dir, "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(60)
    os.environ.update(NOTIFY_SOCKET=path, WATCHDOG_USEC="100000")
    try:
        with own:
            while listener.recv(100) != b"WATCHDOG=1":
                pass
            while listener.recv(100) != b"WATCHDOG=1":
                pass
    finally:
        del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]


def a_start_that_fails_says_why(d):
    with tempfile.TemporaryDirectory() as folder:
        open(os.path.join(folder, "xapid.db"), "w").write("this is no database, whatever its name says" * 100)
        r = subprocess.run([XAPID, "--state-dir", folder, "--port", "0", "--hypervisor", "sim", "--foreground"],
                           capture_output=True, text=True)
        same(r.returncode, 1)
        assert "xapid.db" in r.stderr, r.stderr
    r = subprocess.run([XAPID, "--state-dir", d.dir + "/x", "--address", "127.0.26.1", "--port", str(d.port),
                        "--hypervisor", "sim", "--foreground"], capture_output=True, text=True)
    same(r.returncode, 1)
    assert ADDRESS in r.stderr, r.stderr
    r = subprocess.run([XAPID, "--state-dir", d.dir + "/y", "--hypervisor", "nothing", "--port", "0", "--foreground"],
                       capture_output=True, text=True)
    same(r.returncode, 1)
    assert "nothing" in r.stderr, r.stderr


def secrets_are_not_for_others(d):
    for name in ("passwd", "xapid.db", "tls/server.pem"):
        mode = os.stat(os.path.join(d.dir, name)).st_mode
        assert mode & 0o077 == 0, (name, oct(mode))


def the_plain_port_redirects_and_tells_figures(d):
    own = Daemon("--http-port", "0", "--metrics")
    with own:
        with open(os.path.join(own.dir, "http-port")) as f:
            connection = http.client.HTTPConnection(ADDRESS, int(f.read()), timeout=120)
        connection.request("GET", "/console?ref=x")
        reply = connection.getresponse()
        reply.read()
        same((reply.status, reply.getheader("location")), (301, f"https://{ADDRESS}:{own.port}/console?ref=x"))
        connection.request("GET", "/metrics")
        before = dict(line.rsplit(" ", 1) for line in connection.getresponse().read().decode().splitlines() if line[0] != "#")
        sessions = [own.login() for _ in range(3)]
        template = sessions[0].call("VM.get_by_name_label", "Other install media")[0]
        vm = sessions[0].call("VM.clone", template, "counted")
        sessions[0].call("VM.set_is_a_template", vm, False)
        connection.request("GET", "/metrics")
        after = dict(line.rsplit(" ", 1) for line in connection.getresponse().read().decode().splitlines() if line[0] != "#")
        same(int(after["xapid_sessions"]) - int(before["xapid_sessions"]), 3)
        same(int(after['xapid_guests{power_state="halted"}']), 1)
        assert int(after["xapid_database_generation"]) > int(before["xapid_database_generation"])


def the_password_is_read_from_standard_input(d):
    with tempfile.TemporaryDirectory() as folder:
        set_password = [XAPID, "--state-dir", os.path.join(folder, "new"), "--set-password"]
        same(subprocess.run([*set_password, "root"], input=b"secret\n").returncode, 0)
        same(subprocess.run([*set_password, "root"], input=b"", stderr=subprocess.PIPE).returncode, 1)
        same(subprocess.run([*set_password, "a:b"], input=b"x\n", stderr=subprocess.PIPE).returncode, 1)
        text = open(os.path.join(folder, "new", "passwd")).read()
        assert text.startswith("root:scrypt:") and "secret" not in text and text.count("\n") == 1, text
    subprocess.run([XAPID, "--state-dir", d.dir, "--set-password", "eve"], input=b"other", check=True)
    fails("SESSION_AUTHORIZATION_FAILED", d.client().plain, "session.login_with_password", "eve", "other")
    d.login(user="root", password=PASSWORD)


run([it_goes_into_the_background_when_it_serves, systemd_hears_when_it_is_ready_and_when_it_stops,
     the_watchdog_hears_of_a_loop_that_turns,
     a_start_that_fails_says_why, secrets_are_not_for_others,
     the_plain_port_redirects_and_tells_figures, the_password_is_read_from_standard_input])
