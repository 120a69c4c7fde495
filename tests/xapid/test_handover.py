"""Restarts that clients do not notice: SIGUSR2, and systemd's store of descriptors with a manager played by the test."""

import array
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from daemon import ADDRESS, XAPID, ApiError, Daemon, run, same, wait_end, wait_until


class Loop(threading.Thread):
    """Calls without end; the first failure ends it."""

    def __init__(self, step):
        super().__init__(daemon=True)
        self.step, self.done, self.error, self.over = step, 0, None, False
        self.start()

    def run(self):
        try:
            while not self.over:
                self.step()
                self.done += 1
        except Exception as e:
            self.error = e

    def more(self, n):
        """Wait until it has done n more."""
        goal = self.done + n
        wait_until(lambda: self.done >= goal or self.error, "more calls are answered")
        if self.error:
            raise self.error

    def end(self):
        self.over = True
        self.join(60)
        assert not self.is_alive(), "a call does not end"
        if self.error:
            raise self.error


def call_anew(d, session):
    """A connection of its own for each call."""
    c = d.client()
    c.session = session
    c.call("pool.get_all")
    c.connection.close()


def kept_alive(d, session):
    """One connection for as long as the server keeps it, and it says when it does not."""
    c = d.client()
    c.session = session
    return lambda: c.call("pool.get_all_records")


def local(d):
    c = d.unix()
    c.session = ""
    c.call("host.get_all")
    c.connection.close()


def watch(d, session, seen):
    """event.from as clients use it: from the beginning when they are told that events were lost."""
    token = [""]

    def step():
        c = d.client()
        c.session = session
        try:
            batch = c.call("event.from", ["vm", "task"], token[0], 60.0)
            token[0] = batch["token"]
            seen.extend(e["ref"] for e in batch["events"])
        except ApiError as e:
            assert e.code == "EVENTS_LOST", e
            token[0] = ""
        c.connection.close()
    return step


def loops(d, session, seen):
    return [Loop(lambda: call_anew(d, session)), Loop(kept_alive(d, session)), Loop(lambda: local(d)),
            Loop(watch(d, session, seen))]


def served_again(d, times):
    """Wait until the daemon has begun to serve so many times."""
    wait_until(lambda: d.alive() and d.log().count("serving https://") >= times, "the daemon serves again")


def scripted(script):
    own = Daemon()
    path = os.path.join(own.dir, "script")
    open(path, "w").write(script)
    own.options += ["--sim-script", path]
    return own


def a_halted_vm(c):
    (template,) = c.call("VM.get_by_name_label", "Other install media")
    vm = c.call("VM.clone", template, "test")
    c.call("VM.provision", vm)
    return vm


def nobody_notices_that_another_process_goes_on(d):
    with scripted("start delay=600ms\n") as own:
        c = own.login()
        vms, seen = [a_halted_vm(c) for _ in range(2)], []
        running = loops(own, c.session, seen)
        for loop in running[:3]:
            loop.more(3)
        task = c.call("Async.VM.start", vms[0], False, False)
        starting = threading.Thread(target=own.client().plain, args=("VM.start", c.session, vms[1], False, False))
        starting.start()
        c.await_change(["vm"], lambda: all(c.call("VM.get_current_operations", vm) for vm in vms), "both VMs are starting")
        for times in (2, 3):
            own.process.send_signal(signal.SIGUSR2)
            served_again(own, times)
            for loop in running[:3]:
                loop.more(3)
        starting.join(60)
        again = own.client()
        again.session = c.session
        same(again.call("task.get_status", task), "success")
        same(again.call("task.get_name_label", task), "Async.VM.start")
        same([again.call("VM.get_power_state", vm) for vm in vms], ["Running", "Running"])
        change = a_halted_vm(again)
        wait_until(lambda: change in seen or running[3].error, "the watcher sees the change")
        session = again.call("session.get_record", c.session)
        same((session["originator"], session["is_local_superuser"]), ("test", True))
        again.call("session.logout")
        for loop in running[:3]:
            loop.over = True


def whoever_ends_it_meanwhile_is_heard(d):
    """Whatever it is at when the second signal comes."""
    with Daemon() as own:
        for i in range(12):
            own.process.send_signal(signal.SIGUSR2)
            time.sleep(i / 40)
            same(own.stop(), 0)
            own.start()


def the_background_process_goes_on_too(d):
    own = Daemon()
    subprocess.run([XAPID, "--state-dir", own.dir, "--address", ADDRESS, "--port", "0", "--hypervisor", "sim"], check=True)
    pid = int(open(os.path.join(own.dir, "lock")).read())
    log = lambda: open(os.path.join(own.dir, "log", "xapid.log")).read()
    try:
        own.port = int(open(os.path.join(own.dir, "port")).read())
        session = own.login().session
        os.kill(pid, signal.SIGUSR2)
        wait_until(lambda: log().count("serving https://") == 2, "the daemon serves again")
        call_anew(own, session)
        same(int(open(os.path.join(own.dir, "lock")).read()), pid)
        os.rename(os.path.join(own.dir, "log", "xapid.log"), os.path.join(own.dir, "log", "old"))
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: os.path.exists(os.path.join(own.dir, "log", "xapid.log")) and "have been read" in log(),
                   "the settings are read, and told of in a new log")
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_end(pid)
        shutil.rmtree(own.dir)


class Manager(Daemon):
    """Starts the daemon as systemd does: keeps descriptors for it and hands them to the next one."""

    def __init__(self):
        super().__init__()
        self.wanted_port = "0"
        self.kept, self.notify = {}, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify_path = os.path.join(self.dir, "notify")
        self.notify.bind(self.notify_path)
        self.notify.settimeout(60)

    def hear(self, until):
        """Take messages until one has this line."""
        while True:
            text, control, _, _ = self.notify.recvmsg(1000, socket.CMSG_SPACE(64))
            lines = text.decode().split("\n")
            values = dict(line.split("=", 1) for line in lines)
            if "FDSTOREREMOVE" in values:
                for fd in self.kept.pop(values["FDNAME"], []):
                    os.close(fd)
            if "FDSTORE" in values:
                self.kept[values["FDNAME"]] = list(array.array("i", control[0][2]))
            if until in lines:
                return

    def start(self):
        fds = [(name, fd) for name, fds in self.kept.items() for fd in fds]
        high = [os.dup2(fd, 100 + i) for i, (_, fd) in enumerate(fds)]
        moves = " ".join(f"{3 + i}<&{fd} {fd}<&-" for i, fd in enumerate(high))
        command = [XAPID, "--state-dir", self.dir, "--address", ADDRESS, "--port", self.wanted_port, "--hypervisor", "sim", "--foreground"]
        env = {**os.environ, "NOTIFY_SOCKET": self.notify_path, "LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": ":".join(n for n, _ in fds)}
        with open(os.path.join(self.dir, "stderr"), "a") as log:
            self.process = subprocess.Popen(["bash", "-c", f'LISTEN_PID=$$ exec "$@" {moves}', "bash", *command], env=env,
                                            pass_fds=high, stdin=subprocess.DEVNULL, stderr=log)
        for fd in high:
            os.close(fd)
        self.hear("READY=1")
        self.port = int(open(os.path.join(self.dir, "port")).read())

    def restart(self, how):
        self.process.send_signal(how)
        if how == signal.SIGTERM:
            self.hear("STOPPING=1")
        self.process.wait(60)
        self.process = None
        self.say("its end")
        self.hear("its end=")
        self.start()

    def say(self, text):
        """To itself, after all that the daemon has said."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(f"{text}=".encode(), self.notify_path)

    def stop(self):
        status = super().stop()
        self.hear("STOPPING=1")
        return status


def systemd_restarts_it_and_nobody_notices(d):
    with Manager() as own:
        c, seen, port = own.login(), [], own.port
        running = loops(own, c.session, seen)
        for loop in running[:3]:
            loop.more(3)
        own.restart(signal.SIGTERM)
        for loop in running[:3]:
            loop.more(3)
        same(own.port, port)
        same(sorted(own.kept), ["https", "local"])
        own.client().plain("session.logout", c.session)
        for loop in running[:3]:
            loop.over = True


def connections_wait_while_a_killed_one_is_started_again(d):
    with Manager() as own:
        own.process.kill()
        own.process.wait()
        waiting = Loop(lambda c=own.client(): c.login())
        local_one = Loop(lambda: local(own))
        own.start()
        waiting.more(1)
        local_one.more(1)
        waiting.end()
        local_one.end()


def a_socket_unit_gives_its_socket(d):
    with Manager() as own:
        listener = socket.create_server((ADDRESS, 0))
        other = socket.create_server((ADDRESS, 0))
        port, own.wanted_port = listener.getsockname()[1], str(listener.getsockname()[1])
        own.stop()
        own.kept = {"xapid.socket": [os.dup(listener.fileno())], "other.socket": [os.dup(other.fileno())]}
        own.start()
        same(own.port, port)
        for fds in own.kept.values():
            os.close(fds[0])
        listener.close()
        own.login()
        other_port = other.getsockname()[1]
        other.close()
        with socket.socket() as s:
            assert s.connect_ex((ADDRESS, other_port)) != 0


run([nobody_notices_that_another_process_goes_on, whoever_ends_it_meanwhile_is_heard, the_background_process_goes_on_too, systemd_restarts_it_and_nobody_notices,
     connections_wait_while_a_killed_one_is_started_again, a_socket_unit_gives_its_socket])
