#!/usr/bin/env python3
"""Every message of the model, with arguments of the right types that mean anything or nothing, at a member and at the
coordinator: each is answered, with an error of the model if with one, and what is left is in order.

    test_any_call.py [SEED [ROUNDS]]"""

import os
import pathlib
import random
import sys

sys.dont_write_bytecode = True
SOURCE = os.environ.get("XAPID_SRC", ".")
sys.path[:0] = [os.path.join(SOURCE, "tests", "ops"), os.path.join(SOURCE, "model")]
from daemon import Failure, add_disk, make_vdi, make_vm, wait_until  # noqa: E402
from generator.load import load_model  # noqa: E402
from invariants import references  # noqa: E402
from pool import Pool, is_live  # noqa: E402

MODEL = load_model(pathlib.Path(SOURCE) / "model")
NULL = "OpaqueRef:NULL"
# They end the test's session, its daemons or its pool, as they should, or wait for what nobody does; or they are for
# the machine itself: its clock, its kernel, and all that has to do with its SSH server.
LEFT_OUT = {
    "event.next", "host.declare_dead", "host.destroy", "host.emergency_management_reconfigure",
    "host.local_management_reconfigure", "host.management_disable", "host.management_reconfigure", "host.reboot",
    "host.restart_agent", "host.send_debug_keys", "host.set_address", "host.set_servertime", "host.shutdown",
    "host.shutdown_agent", "pool.designate_new_master", "pool.eject", "pool.emergency_reset_master",
    "pool.emergency_transition_to_master", "pool.join", "pool.join_force", "pool.management_reconfigure",
    "session.change_password", "session.local_logout", "session.logout"}
TEXTS = ("", "x", "0", "1", "-1", "true", "18446744073709551616", "64MiB", "/nonexistent/x", "../x", "a b", "<&>", "\u00e9\U0001f600",
         "02:00:00:00:00:01", "192.0.2.1", "192.0.2.0/24", "xvda", "{", "[]", "%s%n", "long " * 3000, "00000000-0000-0000-0000-000000000000")
INTS = ("0", "1", "-1", "7", "1048576", "67108864", "9223372036854775807", "-9223372036854775808")


class Caller:
    def __init__(self, seed, c):
        self.random, self.refs, self.uuids = random.Random(seed), {}, []
        self.look(c)

    def look(self, c):
        """What there is to be meant."""
        for name, cls in sorted(MODEL.classes.items()):
            if cls.stored and name not in ("role", "session", "task"):
                records = c.call(f"{name}.get_all_records") if has_records(name) else {}
                self.refs[name] = list(records)
                self.uuids += [r["uuid"] for r in records.values() if "uuid" in r][:5]
        self.refs["session"] = [c.session]

    def ref(self, cls):
        die = self.random.random()
        if die < 0.75 and self.refs.get(cls):
            return self.random.choice(self.refs[cls])
        if die < 0.85:
            return self.random.choice([r for refs in self.refs.values() for r in refs])
        return self.random.choice((NULL, "OpaqueRef:x", "", "OpaqueRef:00000000-0000-0000-0000-000000000000"))

    def text(self):
        return self.random.choice(self.uuids) if self.random.random() < 0.2 else self.random.choice(TEXTS)

    def value(self, t, depth=0):
        few = range(self.random.choice((0, 1, 1, 3)) if depth < 3 else 0)
        return {
            "STRING": self.text,
            "INT": lambda: self.random.choice(INTS),
            "FLOAT": lambda: self.random.choice((0.0, 0.01, -1.0, 1e300)),
            "BOOL": lambda: self.random.random() < 0.5,
            "DATETIME": lambda: self.random.choice(("19700101T00:00:00Z", "20260101T00:00:00Z", "99991231T23:59:59Z")),
            "ENUM": lambda: self.random.choice(list(MODEL.enums[t.target].values)),
            "REF": lambda: self.ref(t.target),
            "SET": lambda: [self.value(t.elem, depth + 1) for _ in few],
            "MAP": lambda: {str(self.value(t.key, depth + 1)): self.value(t.elem, depth + 1) for _ in few},
            "RECORD": lambda: self.record(t.target, depth),
        }[t.kind]()

    def record(self, name, depth):
        if name not in MODEL.classes:
            return {}
        return {f.name: self.value(f.type, depth + 1) for f in MODEL.classes[name].fields
                if f.access != "runtime" or self.random.random() < 0.1}

    def arguments(self, m):
        return [self.value(p.type) for p in m.params if p.required or self.random.random() < 0.5]


def has_records(name):
    return any(m.name == "get_all_records" and not m.removed for m in MODEL.classes[name].messages)


def furnish(c):
    """One of most things."""
    running, other = make_vm(c, "running", disks=1), make_vm(c, "halted")
    add_disk(c, other, make_vdi(c, "spare"))
    c.VM.start(running, False, False)
    suspended = make_vm(c, "suspended")
    c.VM.start(suspended, False, False)
    c.VM.suspend(suspended)
    c.VM.snapshot(running, "picture")
    c.VM_appliance.create({"name_label": "a", "name_description": ""})
    c.secret.create({"value": "x", "other_config": {}})


def call_everything(caller, clients, implicit):
    refused, done, problems = 0, 0, []
    messages = [m for m in MODEL.messages() if m.takes_session and not m.removed and not m.pool_internal
                and "ssh" not in m.name and m.full_name not in LEFT_OUT and (m.verb == "EXPLICIT" or implicit)]
    caller.random.shuffle(messages)
    for m in messages:
        c, args = caller.random.choice(clients), caller.arguments(m)
        try:
            c.call(m.full_name, *args)
            done += 1
        except Failure as failure:
            refused += 1
            problems += [] if is_of_model(failure) else [f"{m.full_name}{args}: {failure}"]
        except Exception as problem:
            raise AssertionError(f"{m.full_name}{args}") from problem
    assert problems == [], "\n".join(problems)
    return done, refused


def is_of_model(failure):
    if failure.code.startswith("SR_BACKEND_FAILURE_"):
        return True
    return failure.code in MODEL.errors and failure.code != "INTERNAL_ERROR"


def in_order(hosts):
    c = hosts[0].client()
    wait_until(lambda: all(is_live(hosts[0], h) for h in hosts[1:]), "all hosts are live")
    names = [name for name, cls in MODEL.classes.items() if cls.stored and has_records(name)]
    rows = {name: c.call(f"{name}.get_all_records") for name in names}
    assert list(references(rows)) == []
    busy = [(name, ref) for name in names for ref, r in rows[name].items() if r.get("current_operations")]
    assert busy == [], busy


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    for one in range(seed, seed + rounds):
        try_all(one, implicit=one == seed)


def try_all(seed, implicit):
    with Pool(2) as hosts:
        clients = [h.client() for h in hosts]
        furnish(clients[0])
        done, refused = call_everything(Caller(seed, clients[0]), clients, implicit)
        print(f"ok seed {seed}: {done} calls were carried out, {refused} refused", flush=True)
        in_order(hosts)
        for h in hosts:
            h.kill()
            h.start()
        in_order(hosts)


if __name__ == "__main__":
    main()
