"""Users other than root: subjects, their roles, and their sessions."""

from people import Daemon, add_subject, add_user, daemon, fails, join, role_ref, run, same


def a_user_without_a_subject_is_refused(d):
    add_user(d, "stranger")
    params = fails("SESSION_AUTHORIZATION_FAILED", d.client().plain, "session.login_with_password", "stranger", "secret")
    same(params[0], "stranger")
    fails("SESSION_AUTHENTICATION_FAILED", d.client().plain, "session.login_with_password", "stranger", "wrong")


def a_subject_without_a_role_is_refused(d):
    add_user(d, "newcomer")
    root = d.login()
    subject = add_subject(root, "newcomer")
    same(root.call("subject.get_roles", subject), [])
    same(root.call("subject.get_permissions_name_label", subject), [])
    fails("SESSION_AUTHORIZATION_FAILED", d.client().plain, "session.login_with_password", "newcomer", "secret")
    root.call("subject.add_to_roles", subject, role_ref(root, "read-only"))
    d.login(user="newcomer", password="secret").call("VM.get_all")


def a_session_tells_whose_it_is(d):
    c, subject = join(d, "anna", "vm-operator")
    record = c.call("session.get_record", c.session)
    same((record["auth_user_name"], record["subject"], record["is_local_superuser"]), ("anna", subject, False))
    same(record["auth_user_sid"], "user:anna")
    same(sorted(record["rbac_permissions"]), sorted(c.call("subject.get_permissions_name_label", subject)))
    assert "vm.start" in record["rbac_permissions"] and "vm.destroy" not in record["rbac_permissions"]
    same(c.call("subject.get_other_config", subject)["subject-name"], "anna")
    root = d.login()
    record = root.call("session.get_record", root.session)
    same((record["is_local_superuser"], record["rbac_permissions"], record["subject"]), (True, [], daemon.NULL))


def roles_change_for_sessions_that_are_open(d):
    c, subject = join(d, "bert", "read-only")
    root = d.login()
    same(fails("RBAC_PERMISSION_DENIED", c.call, "VM.start", daemon.NULL, False, False)[0], "vm.start")
    root.call("subject.add_to_roles", subject, role_ref(root, "vm-operator"))
    fails("HANDLE_INVALID", c.call, "VM.start", daemon.NULL, False, False)
    assert "vm.start" in c.call("session.get_rbac_permissions", c.session)
    root.call("subject.remove_from_roles", subject, role_ref(root, "vm-operator"))
    fails("RBAC_PERMISSION_DENIED", c.call, "VM.start", daemon.NULL, False, False)
    assert "vm.start" not in c.call("session.get_rbac_permissions", c.session)
    root.call("subject.remove_from_roles", subject, role_ref(root, "read-only"))
    fails("RBAC_PERMISSION_DENIED", c.call, "VM.get_all")
    fails("ROLE_NOT_FOUND", root.call, "subject.remove_from_roles", subject, role_ref(root, "read-only"))


def sessions_end_with_their_subject(d):
    c, subject = join(d, "cara", "vm-admin")
    root = d.login()
    root.call("subject.destroy", subject)
    fails("SESSION_INVALID", c.call, "VM.get_all")
    root.call("VM.get_all")


def a_subjects_sessions_are_ended_by_identifier(d):
    c, _ = join(d, "dora", "vm-admin")
    more = d.login(user="dora", password="secret")
    other, _ = join(d, "emil", "vm-admin")
    root = d.login()
    identifiers = other.call("session.get_all_subject_identifiers")
    assert {"user:dora", "user:emil"} <= set(identifiers), identifiers
    fails("RBAC_PERMISSION_DENIED", other.call, "session.logout_subject_identifier", "user:dora")
    root.call("session.logout_subject_identifier", "user:dora")
    fails("SESSION_INVALID", c.call, "VM.get_all")
    fails("SESSION_INVALID", more.call, "VM.get_all")
    other.call("VM.get_all")
    root.call("session.logout_subject_identifier", "")
    root.call("VM.get_all")


def the_rights_of_several_roles_add_up(d):
    c, subject = join(d, "fred", "read-only", "pool-operator")
    c.call("secret.get_all")
    fails("RBAC_PERMISSION_DENIED", c.call, "subject.destroy", subject)


def secrets_are_hidden_from_lesser_roles(d):
    root = d.login()
    secret = root.call("secret.create", {"value": "hush hush", "other_config": {}})
    reader, _ = join(d, "gina", "vm-power-admin")
    for message, args in (("secret.get_value", [secret]), ("secret.get_record", [secret]), ("secret.get_all", []),
                          ("secret.get_all_records", []), ("secret.get_all_records_where", ["true"]),
                          ("secret.get_by_uuid", [""])):
        fails("RBAC_PERMISSION_DENIED", reader.call, message, *args)
    for what in ("*", "secret", "secret/" + secret):
        batch = reader.call("event.from", [what], "", 0.0)
        assert "hush hush" not in str(batch) and not [e for e in batch["events"] if e["class"] == "secret"], what
    assert "hush hush" in str(root.call("event.from", ["secret"], "", 0.0))
    operator, _ = join(d, "hans", "pool-operator")
    same(operator.call("secret.get_value", secret), "hush hush")
    root.call("secret.destroy", secret)


def a_task_is_cancelled_by_its_own_user_or_an_operator(d):
    mine, _ = join(d, "ida", "vm-operator")
    other, _ = join(d, "jan", "vm-operator")
    task = mine.call("task.create", "work", "")
    fails("RBAC_PERMISSION_DENIED", other.call, "task.cancel", task)
    fails("RBAC_PERMISSION_DENIED", other.call, "task.destroy", task)
    mine.call("task.cancel", task)
    d.login().call("task.destroy", task)


def users_are_kept_but_mean_nothing(d):
    root = d.login()
    user = root.call("user.create", {"short_name": "old", "fullname": "Old One", "other_config": {}})
    same(root.call("user.get_short_name", user), "old")
    fails("SESSION_AUTHENTICATION_FAILED", d.client().plain, "session.login_with_password", "old", "")
    root.call("user.destroy", user)


def only_root_changes_passwords_of_the_superuser(d):
    c, _ = join(d, "kurt", "pool-admin")
    same(fails("RBAC_PERMISSION_DENIED", c.call, "session.change_password", "secret", "new")[0], "session.change_password")


def subjects_outlive_a_restart(d):
    with Daemon() as own:
        join(own, "lena", "vm-operator")
        own.stop()
        own.start()
        fails("RBAC_PERMISSION_DENIED", own.login(user="lena", password="secret").call, "VM.destroy", daemon.NULL)


run([a_user_without_a_subject_is_refused, a_subject_without_a_role_is_refused, a_session_tells_whose_it_is,
     roles_change_for_sessions_that_are_open, sessions_end_with_their_subject,
     a_subjects_sessions_are_ended_by_identifier, the_rights_of_several_roles_add_up,
     secrets_are_hidden_from_lesser_roles, a_task_is_cancelled_by_its_own_user_or_an_operator,
     users_are_kept_but_mean_nothing, only_root_changes_passwords_of_the_superuser, subjects_outlive_a_restart])
