"""What the daemon tells of itself: its log and its figures."""

import base64
import json
import re

from daemon import PASSWORD, Daemon, fails, run, same, wait_until


def a_halted_vm(c):
    (template,) = c.call("VM.get_by_name_label", "Other install media")
    vm = c.call("VM.clone", template, "test")
    c.call("VM.provision", vm)
    return vm


def finished(c, task):
    token = ""
    while c.call("task.get_status", task) == "pending":
        token = c.call("event.from", [f"task/{task}"], token, 30.0)["token"]
    return c.call("task.get_record", task)


def lines_say_whose_work_they_are_about(d):
    with Daemon("--log-level", "debug") as own:
        c = own.login()
        vm = a_halted_vm(c)
        record = finished(c, c.call("Async.VM.start", vm, False, False))
        session = c.call("session.get_uuid", c.session)
        c.call("VM.hard_shutdown", vm)
        fails("VM_BAD_POWER_STATE", c.call, "VM.hard_shutdown", vm)
        log = own.log()
    assert f"[Async.VM.start VM.start task={record['uuid']} session={session[:8]}] done after " in log, log
    call = re.search(rf"\[\S+ VM.hard_shutdown task=([0-9a-f-]{{36}}) session={session[:8]}\] done after ", log)
    assert call and call[1] != record["uuid"], log
    assert re.search(rf"VM.hard_shutdown task=\S+ session={session[:8]}\] VM_BAD_POWER_STATE after ", log), log
    assert re.search(rf"\[VM.get_by_name_label session={session[:8]}\] done after ", log), log


def nothing_secret_is_logged(d):
    with Daemon("--log-level", "debug") as own:
        c = own.login()
        fails("SESSION_AUTHENTICATION_FAILED", own.client().plain, "session.login_with_password", "root", "wrong secret")
        basic = base64.b64encode(f"root:{PASSWORD}".encode()).decode()
        own.client().exchange("GET", f"/metrics?session_id={c.session}")
        own.client().exchange("GET", "/metrics", headers={"Authorization": "Basic " + basic})
        fails("SESSION_INVALID", own.client().plain, "VM.get_all", "OpaqueRef:11111111-2222-3333-4444-555555555555")
        c.call("pool.get_all")
        log = own.log()
    secrets = [PASSWORD, "wrong secret", basic, c.session.removeprefix("OpaqueRef:"), "11111111-2222-3333-4444-555555555555"]
    for secret in secrets:
        assert secret not in log, (secret, log)
    assert "pool.get_all" in log


def figures(reply, data):
    same((reply.status, reply.getheader("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"))
    lines = [line.rsplit(" ", 1) for line in data.decode().splitlines() if not line.startswith("#")]
    same(len({name for name, _ in lines}), len(lines))
    return {name: float(value) for name, value in lines}


def metrics_are_for_who_is_logged_in(d):
    c = d.login()
    anyone = d.client()
    same(anyone.exchange("GET", "/metrics")[0].status, 401)
    same(anyone.exchange("GET", "/metrics?session_id=OpaqueRef:nothing")[0].status, 401)
    basic = base64.b64encode(f"root:{PASSWORD}".encode()).decode()
    sessions = len(c.call("session.get_all_subject_identifiers"))
    before = figures(*anyone.exchange("GET", f"/metrics?session_id={c.session}"))
    after = figures(*anyone.exchange("GET", "/metrics", headers={"Authorization": "Basic " + basic}))
    same(len(c.call("session.get_all_subject_identifiers")), sessions)
    same(after["xapid_sessions"], before["xapid_sessions"] + 1)
    figures(*d.unix().exchange("GET", "/metrics"))


def metrics_count_calls(d):
    c = d.login()
    read = lambda: figures(*d.client().exchange("GET", "/metrics", headers={"Cookie": f"session_id={c.session}"}))
    before = read()
    for _ in range(3):
        c.call("VM.get_all")
    vm = a_halted_vm(c)
    finished(c, c.call("Async.VM.start", vm, False, False))
    fails("VM_BAD_POWER_STATE", c.call, "VM.start", vm, False, False)
    after = read()
    more = {name: after[name] - before.get(name, 0) for name in after}
    same(more['xapid_calls_total{class="VM"}'], 8)
    same(more['xapid_call_failures_total{class="VM"}'], 1)
    same(more['xapid_call_seconds_count{way="task"}'], 1)
    for way in ("at_once", "waiting", "task"):
        buckets = [value for name, value in after.items() if name.startswith(f'xapid_call_seconds_bucket{{way="{way}"')]
        same((len(buckets), buckets), (9, sorted(buckets)))
        same(buckets[-1], after[f'xapid_call_seconds_count{{way="{way}"}}'])
    assert more["xapid_database_commits_total"] > 0 and more["xapid_database_commit_seconds_total"] > 0, more
    assert after["xapid_connections"] >= 2 and after["process_resident_memory_bytes"] > 1e6, after
    waiting = d.client()
    waiting.connection.connect()
    token = c.call("event.from", ["pool"], "", 0.0)["token"]
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "event.from", "params": [c.session, ["pool"], token, 60.0]})
    waiting.connection.request("POST", "/jsonrpc", body)
    wait_until(lambda: read()["xapid_event_clients"] == after["xapid_event_clients"] + 1, "a client waits for events")


run([lines_say_whose_work_they_are_about, nothing_secret_is_logged, metrics_are_for_who_is_logged_in, metrics_count_calls])
