#!/usr/bin/env python3
"""Members that stop, flap or have no room, and clients that call while their coordinator is killed: the rest of the pool
does not notice, nobody does anything twice, and all have the same in the end."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from daemon import Failure, Lost, wait_until  # noqa: E402
from pool import Pool, is_live  # noqa: E402

MIB = 1 << 20


def network(c, name):
    return c.network.create({"name_label": name, "name_description": "", "other_config": {}, "MTU": "1500", "tags": []})


def names(host):
    return [n["name_label"] for n in host.client().network.get_all_records().values()]


def has(host, name):
    try:
        return name in names(host)
    except (Lost, Failure):
        return False


def resident(host):
    with open(f"/proc/{host.process.pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) << 10


def descriptors(host):
    return len(os.listdir(f"/proc/{host.process.pid}/fd"))


def write_much(c, n):
    """n MiB of changes."""
    ref = network(c, "much")
    for i in range(n):
        c.network.set_name_description(ref, chr(97 + i % 26) * MIB)
    c.network.destroy(ref)


def one_stands_still(hosts):
    """It is missed, nobody waits for it, nothing piles up for it; and it has everything soon after."""
    coordinator, stopped, other = hosts
    c = coordinator.client()
    write_much(c, 30)
    before = resident(coordinator)
    stopped.process.send_signal(signal.SIGSTOP)
    write_much(c, 60)
    network(c, "after much")
    wait_until(lambda: has(other, "after much"), "the other member has it")
    grown = resident(coordinator) - before
    wait_until(lambda: not is_live(coordinator, stopped), "the one that stands still is missed")
    assert is_live(coordinator, other)
    stopped.process.send_signal(signal.SIGCONT)
    wait_until(lambda: is_live(coordinator, stopped) and has(stopped, "after much"), "it has everything again")
    assert grown < 24 * MIB or os.environ.get("XAPID_SANITIZED") == "yes", grown
    c.pool.sync_database()


def one_flaps(hosts):
    coordinator, flapping, _ = hosts
    c = coordinator.client()
    before = descriptors(coordinator)
    for i in range(6):
        flapping.kill()
        network(c, f"flap {i}")
        flapping.start(wait=i % 2)
    wait_until(lambda: is_live(coordinator, flapping) and has(flapping, "flap 5"), "it follows")
    wait_until(lambda: descriptors(coordinator) <= before + 4, f"no connection is left: {before}")


def one_has_no_room(hosts):
    """Nobody waits for it; once there is room its disk has all."""
    coordinator, full, other = hosts
    c = coordinator.client()
    filler = os.path.join(full.state, "filler")
    with open(filler, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            pass
    before, began = attempts(full), time.monotonic()
    big = [network(c, f"no room {i}") for i in range(12)]
    for ref in big:  # more than the reserve that the database keeps
        c.network.set_name_description(ref, "x" * MIB)
    took = time.monotonic() - began
    wait_until(lambda: lags(c, full), "the member's disk lacks something")
    assert took < 20, took  # nobody waits for it; that it is not live meanwhile is all right
    assert has(other, "no room 11")
    time.sleep(2)  # enough for ten attempts, which it is not to make
    assert attempts(full) <= before + 2, full.log()[-2000:]
    os.unlink(filler)
    wait_until(lambda: is_live(coordinator, full), "it follows again")
    wait_until(lambda: not lags(c, full), "the member has it")
    for ref in big:
        c.network.destroy(ref)


def attempts(host):
    """How often it has been connected, or tried to be."""
    return host.log().count("not connected to the coordinator")


def lags(c, host):
    """Does the database of the member on its disk lack what was made last?"""
    done = subprocess.run(["sqlite3", "-readonly", os.path.join(host.state, "xapid.db"),
                           "SELECT count(*) FROM network WHERE name_description LIKE 'xxx%'"], capture_output=True, text=True)
    return done.stdout.strip() != "12"


def clients_storm(hosts):
    """At a member while the coordinator dies and comes back. What was answered was done, once; what was refused was
    not; and of what was cut off only the member can say that nobody knows."""
    coordinator, member, _ = hosts
    results, stop = {}, threading.Event()

    def call(number):
        c, i = member.client(), 0
        while not stop.is_set():
            i += 1
            name = f"storm {number} {i}"
            try:
                network(c, name)
                results[name] = "done"
            except Failure as e:
                results[name] = "unknown" if "may have been carried out" in str(e) else e.code
                if e.code == "SESSION_INVALID":
                    c = patient_client(member)
            time.sleep(0.005)

    threads = [threading.Thread(target=call, args=[n]) for n in range(12)]
    for t in threads:
        t.start()
    for _ in range(3):
        wait_until(lambda n=len(results): len(results) > n + 100, "calls are answered")
        coordinator.kill()
        coordinator.start()
        wait_until(lambda: is_live(coordinator, member), "the member follows again")
    stop.set()
    for t in threads:
        t.join()
    made = names(coordinator)
    assert sum(1 for r in results.values() if r == "done") > 100
    for name, result in results.items():
        times = made.count(name)
        assert times == 1 if result == "done" else times <= 1 if result == "unknown" else times == 0, (name, result, times)
    print({r: list(results.values()).count(r) for r in set(results.values())})
    wait_until(lambda: sorted(names(member)) == sorted(names(coordinator)), "all copies agree")


def nobody_waits_for_a_restart(hosts):
    """A call that waits for the coordinator is answered when the member starts anew, and does not hold that up."""
    coordinator, member, _ = hosts
    c, before, results = member.client(), attempts(member), []
    coordinator.kill()
    wait_until(lambda: attempts(member) > before, "the member is not connected")

    def call():
        try:
            results.append(network(c, "held"))
        except (Failure, Lost) as e:
            results.append(e)

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.3)  # it is held, which nothing tells
    assert not results, results
    began, log = time.monotonic(), len(member.log())
    member.process.send_signal(signal.SIGUSR2)
    thread.join()
    took = time.monotonic() - began
    assert results[0].code == "HOST_STILL_BOOTING" and took < 2, (results, took)
    wait_until(lambda: "serving https" in member.log()[log:], "it goes on")
    took = time.monotonic() - began
    assert took < 8, took
    coordinator.start()
    wait_until(lambda: is_live(coordinator, member), "the member follows again")


def patient_client(host):
    return wait_until(lambda: login(host), "a login succeeds")


def login(host):
    try:
        return host.client()
    except (Failure, Lost):
        return None


def small_state(host):
    """Room for a database, not for much more."""
    if os.geteuid() != 0:
        return False
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none", host.state], check=True)
    return True


def main():
    pool = Pool(3)
    mounted = small_state(pool.hosts[1])
    try:
        with pool as hosts:
            one_flaps(hosts)
            clients_storm(hosts)
            nobody_waits_for_a_restart(hosts)
            if mounted:
                one_has_no_room(hosts)
            one_stands_still(hosts)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", pool.hosts[1].state], check=True)


if __name__ == "__main__":
    main()
