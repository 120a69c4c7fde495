"""The audit log of a real daemon: who did what, and what came of it."""

import os
import re

from people import PASSWORD, Daemon, add_user, daemon, fails, get, join, role_ref, run, same, xe

LINE = re.compile(r"\[(\d{8}T\d\d:\d\d:\d\d\.\d{3}Z)\|audit\|([^|]*)\|([^|]*)\|([^|]*)\|audit\] "
                  r"\('trackid=([^']*)' '([^']*)' '([^']*)' '(ALLOWED|DENIED)' '(OK|ERROR:\w+)' '(API|HTTP)' '([\w./]+)' (\(.*\))\)")


def log(c, since=""):
    """The log's lines as tuples: time, host, origin, task, session, sid, user, decision, result, kind, call, params."""
    status, text = get(c, f"/audit_log?session_id={c.session}&since={since}")
    same(status, 200)
    lines = [LINE.fullmatch(line) for line in text.splitlines()]
    assert all(lines), text
    return [m.groups() for m in lines if "http/get_audit_log" not in m.groups()]


def about(d, call):
    """The last line about a call."""
    return [entry for entry in log(d.login()) if entry[10] == call][-1]


def a_change_leaves_a_line_and_a_read_none(d):
    c = d.login(originator="the|tester]")
    pool, = c.call("pool.get_all")
    before = len(log(d.login()))
    c.call("pool.set_name_label", pool, "it's\nours")
    c.call("VM.get_all_records")
    c.call("event.from", ["*"], "", 0.0)
    entry = about(d, "pool.set_name_label")
    uuid = c.call("session.get_uuid", c.session)
    same(entry[2:11], ("127.0.0.1 the_tester_", "pool.set_name_label", uuid, "LOCAL_SUPERUSER", "root", "ALLOWED", "OK", "API",
                       "pool.set_name_label"))
    assert "'" + pool + "'" in entry[11] and "('value' 'it\\'s\\nours' '' '')" in entry[11], entry
    calls = [e[10] for e in log(d.login())[before:]]
    same(set(calls), {"pool.set_name_label", "session.login_with_password"})
    c.call("pool.set_name_label", pool, "")


def what_a_role_refuses_is_denied(d):
    c, _ = join(d, "anna", "read-only")
    fails("RBAC_PERMISSION_DENIED", c.call, "VM.start", daemon.NULL, False, False)
    same(about(d, "VM.start")[5:10], ("user:anna", "anna", "DENIED", "ERROR:RBAC_PERMISSION_DENIED", "API"))


def failures_say_their_code_and_tasks_who_they_are(d):
    c = d.login()
    fails("HANDLE_INVALID", c.call, "VM.destroy", daemon.NULL)
    same(about(d, "VM.destroy")[7:9], ("ALLOWED", "ERROR:HANDLE_INVALID"))
    fails("FIELD_TYPE_ERROR", c.call, "VM.start", daemon.NULL, [], False)
    same(about(d, "VM.start")[8], "ERROR:FIELD_TYPE_ERROR")
    task = c.call("Async.VM.clean_shutdown", daemon.NULL)
    c.call("event.from", ["task/" + task], "", 0.0)
    entry = about(d, "VM.clean_shutdown")
    same(entry[3], "Async.VM.clean_shutdown R:" + task.removeprefix("OpaqueRef:")[:12])
    assert entry[8].startswith("ERROR:"), entry


def logins_and_logouts_are_there_without_passwords(d):
    add_user(d, "bert", "top-secret-word")
    fails("SESSION_AUTHENTICATION_FAILED", d.client().plain, "session.login_with_password", "bert", "not-the-word")
    entry = about(d, "session.login_with_password")
    root = d.login()
    same([e[7:9] for e in log(root) if e[10] == "session.login_with_password" and "'bert'" in e[11]],
         [("DENIED", "ERROR:SESSION_AUTHENTICATION_FAILED")])
    fails("SESSION_AUTHORIZATION_FAILED", d.client().plain, "session.login_with_password", "bert", "top-secret-word")
    root.call("session.change_password", PASSWORD, PASSWORD)
    root.call("secret.create", {"value": "in-the-vault", "other_config": {}})
    root.call("session.logout")
    same(about(d, "session.logout")[6:9], ("root", "ALLOWED", "OK"))
    with open(os.path.join(d.dir, "log", "audit.log"), encoding="utf-8") as f:
        text = f.read()
    for secret in ("top-secret-word", "not-the-word", PASSWORD, "in-the-vault", root.session):
        assert secret not in text, secret
    assert "<hidden>" in entry[11], entry


def strangers_leave_nothing(d):
    c = d.client()
    before = len(log(d.login()))
    for _ in range(5):
        fails("SESSION_INVALID", c.plain, "VM.start", "OpaqueRef:nobody", daemon.NULL, False, False)
        fails("MESSAGE_PARAMETER_COUNT_MISMATCH", c.plain, "VM.start", "OpaqueRef:nobody")
    same(len(log(d.login())), before + 1)


def the_log_is_read_by_every_role_from_a_time_on(d):
    c, _ = join(d, "cara", "read-only")
    whole = log(c)
    since = whole[-1][0]
    part = log(c, since)
    assert part and all(e[0] >= since for e in part) and len(part) < len(whole), (len(part), len(whole))
    dashes = f"{since[:4]}-{since[4:6]}-{since[6:]}"
    same(log(c, dashes), part)
    same(log(c, dashes[:10]), whole)
    same(log(c, "2999"), [])
    for bad in ("yesterday", "2026-11-29T10:00:00+01:00", "x" * 100):
        same(get(c, f"/audit_log?session_id={c.session}&since={bad}")[0], 400)
    same(get(c, "/audit_log?session_id=OpaqueRef:nobody")[0], 401)
    same(get(d.client(), "/audit_log")[0], 401)
    reply, _ = c.exchange("GET", f"/audit_log?session_id={c.session}")
    same(reply.getheader("content-type"), "text/plain")
    root = d.login()
    task = root.call("task.create", "read", "")
    get(d.client(), f"/audit_log?session_id={root.session}&task_id={task}&since=2999")
    same(root.call("task.get_status", task), "success")
    add_user(d, "dora")
    subject = root.call("subject.create", {"subject_identifier": "user:dora", "other_config": {}})
    root.call("subject.add_to_roles", subject, role_ref(root, "read-only"))
    lost = d.login(user="dora", password="secret")
    root.call("subject.remove_from_roles", subject, role_ref(root, "read-only"))
    same(get(lost, f"/audit_log?session_id={lost.session}")[0], 403)


def requests_that_are_no_calls_leave_lines_too(d):
    c, _ = join(d, "emil", "read-only")
    get(c, f"/audit_log?session_id={c.session}&since=2999")
    status, text = get(c, f"/audit_log?session_id={c.session}")
    line = [LINE.fullmatch(line).groups() for line in text.splitlines()][-1]
    same(line[5:], ("user:emil", "emil", "ALLOWED", "OK", "HTTP", "http/get_audit_log", "(('since' '2999' '' ''))"))
    same(get(c, f"/export_raw_vdi?session_id={c.session}&vdi=x")[0], 403)
    same(about(d, "http/get_export_raw_vdi")[6:9], ("emil", "DENIED", "ERROR:RBAC_PERMISSION_DENIED"))
    assert status == 200 and c.session not in text, text


def xe_saves_it_as_a_file(d):
    path = os.path.join(d.dir, "saved")
    xe(d, "audit-log-get", "filename=" + path)
    with open(path, encoding="utf-8") as f:
        saved = f.read()
    assert all(LINE.fullmatch(line) for line in saved.splitlines()) and "session.login_with_password" in saved, saved
    same(os.stat(path).st_mode & 0o777, 0o600)
    last = LINE.fullmatch(saved.splitlines()[-1]).group(1)
    assert xe(d, "audit-log-get", "filename=", "since=" + last)[0].startswith("[" + last)
    same(xe(d, "audit-log-get", "filename=", "since=2999-01-01")[0], "")
    xe(d, "audit-log-get", "filename=" + path, code=1)
    xe(d, "audit-log-get", "filename=" + path + "2", "since=now", code=1)
    same(os.path.exists(path + "2"), False)


def a_killed_daemon_loses_no_line(d):
    with Daemon() as own:
        c = own.login()
        pool, = c.call("pool.get_all")
        for n in range(20):
            c.call("pool.set_name_label", pool, f"name {n}")
        own.kill()
        own.start()
        found = [e[11] for e in log(own.login()) if e[10] == "pool.set_name_label"]
        same([re.search("'value' '(name \\d+)", params).group(1) for params in found], [f"name {n}" for n in range(20)])


run([a_change_leaves_a_line_and_a_read_none, what_a_role_refuses_is_denied, failures_say_their_code_and_tasks_who_they_are,
     logins_and_logouts_are_there_without_passwords, strangers_leave_nothing,
     the_log_is_read_by_every_role_from_a_time_on, requests_that_are_no_calls_leave_lines_too, xe_saves_it_as_a_file,
     a_killed_daemon_loses_no_line])
