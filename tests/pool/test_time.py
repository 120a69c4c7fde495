#!/usr/bin/env python3
"""Daemons that stand still for longer than anybody waits for them, and clocks that are set an hour on or back: nothing counts
as lost for ever, sessions and tokens stay good, and nobody is kept busy by it."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from daemon import Failure, Lost, make_vm, wait_until  # noqa: E402
from pool import Host, Pool, addresses, answers_as_member, is_live, join, leads  # noqa: E402

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
SILENCE = ("--silence-ms", "1500")
HOUR = 3600


class Shifted(Host):
    """A host whose clock is set by a file."""

    def __init__(self, address):
        super().__init__(address, options=SILENCE)
        self.clock = os.path.join(self.directory, "clock")
        self.set_clock(0)
        self.prefix = ["env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME_TIMESTAMP_FILE={self.clock}", "FAKETIME_NO_CACHE=1",
                       "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_DISABLE_SHM=1"]

    def set_clock(self, seconds):
        with open(self.clock + ".new", "w") as f:
            f.write(f"{seconds:+d}")
        os.rename(self.clock + ".new", self.clock)

    def processor_time(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watcher:
    """A client that has been there all the time."""

    def __init__(self, host):
        self.c = host.client()
        self.token = self.c.call("event.from", ["network"], "", 0.0)["token"]

    def check(self, coordinator, name):
        """Its session and its token are good: it hears of what happens now."""
        ref = coordinator.client().network.create({"name_label": name, "name_description": "", "other_config": {},
                                                   "MTU": "1500", "tags": []})
        seen = []
        while ref not in seen:
            batch = self.c.call("event.from", ["network"], self.token, 60.0)
            assert batch["events"], f"nothing was heard of {name}"
            self.token = batch["token"]
            seen += [e["ref"] for e in batch["events"]]


def attempt(function, *args):
    try:
        return function(*args)
    except (Failure, Lost, OSError):
        return None


def a_member_stands_still(hosts):
    first, member = hosts[0], hosts[1]
    c, watcher = first.client(), Watcher(member)
    there = member.me(c)
    vm, other = make_vm(c, "runs there", disks=0), make_vm(c, "wanted there", disks=0)
    c.VM.start_on(vm, there, False, False)
    member.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: not is_live(first, member), "it is missed")
    attempt(c.VM.start_on, other, there, False, False)
    assert c.VM.get_power_state(vm) == "Running" and c.VM.get_power_state(other) == "Halted"
    member.process.send_signal(signal.SIGCONT)
    wait_until(lambda: is_live(first, member), "it is there again")
    assert c.VM.get_power_state(vm) == "Running" and c.VM.get_resident_on(vm) == there
    watcher.check(first, "after the member stood still")
    c.VM.start_on(other, there, False, False)
    c.VM.hard_shutdown(vm)
    c.VM.hard_shutdown(other)


def the_coordinator_stands_still(hosts):
    first, member = hosts[0], hosts[1]
    c, watchers, local = first.client(), [Watcher(first), Watcher(member)], member.client_of_its_own()
    terms = membership(member)
    first.process.send_signal(signal.SIGSTOP)
    wait_until(local.host.is_in_emergency_mode, "the member notices")
    first.process.send_signal(signal.SIGCONT)
    wait_until(lambda: not local.host.is_in_emergency_mode(), "the member follows again")
    wait_until(lambda: is_live(first, member), "the coordinator knows")
    assert leads(first) and membership(member) == terms
    assert c.host.get_all()
    for i, w in enumerate(watchers):
        w.check(first, f"after the coordinator stood still, at {i}")


def membership(host):
    with open(os.path.join(host.state, "pool", "membership")) as f:
        return f.read()


def clock_of(c, host):
    return c.host.get_servertime(host.me(c))


def a_clock_is_set(hosts, i, seconds):
    """While the daemons run."""
    first, changed = hosts[0], hosts[i]
    c, watchers = first.client(), [Watcher(h) for h in hosts]
    before = clock_of(c, changed)
    vm, there = make_vm(c, "any", disks=0), changed.me(c)
    c.VM.start_on(vm, there, False, False)
    changed.set_clock(seconds)
    now = clock_of(c, changed)
    assert now != before, "the clock has been set"
    for k, w in enumerate(watchers):
        w.check(first, f"the clock of {i} by {seconds}, at {k}")
    nobody_is_kept_busy(hosts)
    assert c.VM.get_power_state(vm) == "Running" and all(is_live(first, h) for h in hosts[1:])
    c.VM.hard_reboot(vm)
    c.VM.hard_shutdown(vm)
    c.VM.destroy(vm)


def nobody_is_kept_busy(hosts):
    c = hosts[0].client()
    token = c.call("event.from", ["bond"], "", 0.0)["token"]
    before = [h.processor_time() for h in hosts]
    c.call("event.from", ["bond"], token, 2.0)
    spent = [h.processor_time() - b for h, b in zip(hosts, before)]
    assert max(spent) < 1.5, f"seconds of processor time in two: {spent}"


def it_starts_with_a_wrong_clock(hosts, i, seconds):
    """Certificates that others have made meanwhile, and what was written by another clock, are no trouble."""
    first, changed = hosts[0], hosts[i]
    session = hosts[1].client().session
    changed.stop()
    changed.set_clock(seconds)
    changed.start(wait=False)
    wait_until(lambda: leads(first) and all(is_live(first, h) for h in hosts[1:]), "all are there")
    for h in hosts if i > 0 else []:  # sessions end with the coordinator
        wait_until(lambda h=h: knows(h, session), "the session is good")


def knows(host, session):
    c = attempt(host.client)
    if c:
        c.session = session
    return c and attempt(c.host.get_all)


def a_host_joins_a_pool_of_another_time(hosts, new, seconds):
    """It is given a certificate that, by its own clock, begins later, or has begun long ago."""
    hosts[0].set_clock(seconds)
    join(new, hosts[0])
    hosts[0].client().pool.rotate_secret()
    wait_until(lambda: is_live(hosts[0], new) and answers_as_member(new, hosts[0]), "the host believes the new certificates")
    hosts[0].client().pool.eject(new.me(hosts[0].client()))
    wait_until(lambda: is_alone(new), "the host has left")
    hosts[0].set_clock(0)


def is_alone(host):
    c = attempt(host.client)
    return c and attempt(lambda: len(c.host.get_all()) == 1)


def main():
    with Pool(2, options=SILENCE) as hosts:
        a_member_stands_still(hosts)
        the_coordinator_stands_still(hosts)
    if os.environ.get("XAPID_SANITIZED") == "yes":  # libfaketime does not start beside the sanitizers
        return
    if not os.path.exists(FAKETIME):
        print("the clocks are left alone: libfaketime is not installed")
        sys.exit(77)
    pool = Pool(0)
    pool.hosts = [Shifted(a) for a in addresses(3)]
    pool.joined = False
    with pool as hosts:
        new = hosts.pop()
        join(hosts[1], hosts[0])
        for i in (1, 0):
            for seconds in (HOUR, -HOUR):
                a_clock_is_set(hosts, i, seconds)
            for seconds in (HOUR, 0):
                it_starts_with_a_wrong_clock(hosts, i, seconds)
        for seconds in (HOUR, -HOUR):
            a_host_joins_a_pool_of_another_time(hosts, new, seconds)


if __name__ == "__main__":
    main()
