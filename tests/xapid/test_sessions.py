"""Logging in and out."""

import threading
import time

from daemon import PASSWORD, Daemon, fails, run, same


def a_login_takes_two_three_or_four_arguments(d):
    c = d.client()
    for more in ((), ("1.0",), ("1.0", "me"), ("1.0", "me", "ignored")):
        c.session = c.plain("session.login_with_password", "root", PASSWORD, *more)
        record = c.call("session.get_record", c.session)
        same((record["auth_user_name"], record["is_local_superuser"], record["pool"]), ("root", True, False))
        same(record["originator"], more[1] if len(more) > 1 else "")
        same(record["this_host"], c.call("host.get_all")[0])
        c.call("session.logout")


def a_wrong_password_is_refused_after_a_delay(d):
    c = d.client()
    start = time.monotonic()
    params = fails("SESSION_AUTHENTICATION_FAILED", c.plain, "session.login_with_password", "root", "wrong")
    assert time.monotonic() - start >= 0.1
    same(params[0], "root")
    fails("SESSION_AUTHENTICATION_FAILED", c.plain, "session.login_with_password", "nobody", PASSWORD)
    fails("SESSION_AUTHENTICATION_FAILED", c.plain, "session.login_with_password", "", "")
    fails("SESSION_AUTHENTICATION_FAILED", c.plain, "session.login_with_password", "root:x", PASSWORD)


def a_session_ends_with_logout(d):
    c = d.login()
    c.call("session.logout")
    same(fails("SESSION_INVALID", c.call, "pool.get_all"), [c.session])
    same(fails("SESSION_INVALID", c.call, "session.logout"), [c.session])
    c = d.client()
    c.session = c.plain("session.slave_local_login_with_password", "root", PASSWORD)
    c.call("session.local_logout")
    fails("SESSION_INVALID", c.call, "pool.get_all")


def a_session_is_asked_about_itself(d):
    c = d.login()
    same(c.call("session.get_all_subject_identifiers"), [])
    uuid = c.call("session.get_uuid", c.session)
    assert uuid != c.session.removeprefix("OpaqueRef:"), "the uuid gives the secret away"
    same(c.call("session.get_tasks", c.session), [])
    fails("MESSAGE_METHOD_UNKNOWN", c.call, "session.get_all")
    fails("MESSAGE_METHOD_UNKNOWN", c.call, "session.get_all_records_where", "true")


def sessions_do_not_appear_as_events(d):
    c, other = d.login(), d.login()
    for text in ("*", "session", "session/" + other.session):
        batch = c.call("event.from", [text], "", 0.0)
        assert not [e for e in batch["events"] if e["class"] == "session" or other.session in str(e)], text
    assert "session" not in batch["valid_ref_counts"]


def a_password_is_changed_with_the_old_one_only(d):
    with Daemon() as own:
        c = own.login()
        fails("SESSION_AUTHENTICATION_FAILED", c.call, "session.change_password", "wrong", "new")
        c.call("session.change_password", PASSWORD, "new")
        fails("SESSION_AUTHENTICATION_FAILED", own.client().plain, "session.login_with_password", "root", PASSWORD)
        own.login(password="new")


def many_may_log_in_at_once(d):
    errors = []

    def login():
        try:
            d.login().call("session.logout")
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=login) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same(errors, [])


def null_and_hostile_sessions_are_invalid(d):
    c = d.client()
    for session in ("", "OpaqueRef:NULL", "OpaqueRef:", "x" * 100000, "OpaqueRef:00000000-0000-0000-0000-000000000000"):
        fails("SESSION_INVALID", c.plain, "pool.get_all", session)
    fails("SESSION_INVALID", c.plain, "pool.get_all", 5)
    fails("SESSION_INVALID", c.plain, "pool.get_all", {"a": "b"})


run([a_login_takes_two_three_or_four_arguments, a_wrong_password_is_refused_after_a_delay, a_session_ends_with_logout,
     a_session_is_asked_about_itself, sessions_do_not_appear_as_events,
     a_password_is_changed_with_the_old_one_only, many_may_log_in_at_once,
     null_and_hostile_sessions_are_invalid])
