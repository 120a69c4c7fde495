"""Six roles, every message: what the model's files grant is let through, the rest is denied before it acts."""

import pathlib

from people import ROLES, SOURCE, daemon, fails, join, run, same
from daemon import ApiError
from generator.load import load_model

MODEL = load_model(pathlib.Path(SOURCE) / "model")
NULLS = {"STRING": "", "INT": "0", "FLOAT": 0.0, "BOOL": False, "REF": daemon.NULL, "SET": [], "MAP": {}, "RECORD": {}}
# Harmless with nothing to act on, but they would end the session, or the daemon, that the test uses.
ENDS_THE_TEST = {"session.logout", "session.local_logout", "host.management_disable", "host.shutdown_agent"}


def granted(message, role):
    """May the role call it, by the data file?"""
    if isinstance(message.role, list):
        return any(one == role or one in ROLES and ROLES.index(role) <= ROLES.index(one) for one in message.role)
    return message.role in ROLES and ROLES.index(role) <= ROLES.index(message.role)


def null_value(t):
    if t.kind == "ENUM":
        return next(iter(MODEL.enums[t.target].values))
    if t.kind == "DATETIME":
        return "19700101T00:00:00Z"
    return NULLS[t.kind]


def checked():
    for m in MODEL.messages():
        if m.takes_session and not m.removed and not m.pool_internal:
            yield m, [null_value(p.type) for p in m.params if p.required]


def outcome(c, m, args):
    """None when it was let through, else the denied permission."""
    try:
        c.json(m.full_name, *args)
    except ApiError as e:
        return e.params[0] if e.code == "RBAC_PERMISSION_DENIED" else None
    return None


def check_role(d, role):
    c, _ = join(d, "user-" + role, role)
    root = d.login()
    denied = let_in = 0
    before = root.call("event.get_current_id")
    for m, args in checked():
        if granted(m, role):
            continue
        same((m.full_name, outcome(c, m, args)), (m.full_name, m.full_name.lower()))
        denied += 1
    same(root.call("event.get_current_id"), before)
    for m, args in checked():
        if not granted(m, role) or m.full_name in ENDS_THE_TEST:
            continue
        # An object of somebody else's is refused by the handler, which the null reference is not.
        same((m.full_name, outcome(c, m, args)), (m.full_name, None))
        let_in += 1
    print(f"     {role}: {denied} messages denied, {let_in} let through")
    return denied, let_in


def each_role_has_exactly_its_messages(d):
    counts = [check_role(d, role) for role in ROLES]
    same(sorted(counts), counts)  # a weaker role is denied more
    assert counts[-1][0] > 300 and counts[0][1] > 1500, counts


def a_denied_async_call_makes_no_task(d):
    c, _ = join(d, "watcher", "read-only")
    before = set(c.call("task.get_all"))
    same(fails("RBAC_PERMISSION_DENIED", c.call, "Async.VM.start", daemon.NULL, False, False)[0], "vm.start")
    same(fails("RBAC_PERMISSION_DENIED", c.call, "VM_start", daemon.NULL, False, False)[0], "vm.start")
    same(set(c.call("task.get_all")), before)


def arguments_are_counted_before_roles(d):
    c, _ = join(d, "counter", "read-only")
    fails("MESSAGE_PARAMETER_COUNT_MISMATCH", c.call, "VM.start", daemon.NULL)


run([each_role_has_exactly_its_messages, a_denied_async_call_makes_no_task, arguments_are_counted_before_roles])
