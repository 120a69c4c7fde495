"""xe gives users roles and ends their sessions, on a real daemon."""

from people import add_user, daemon, fails, run, same, xe

def add(d, name):
    add_user(d, name)
    uuid, _ = xe(d, "subject-add", "subject-name=" + name)
    return uuid


def a_user_added_by_name_may_do_what_the_roles_given_allow(d):
    uuid = add(d, "anna")
    same(xe(d, "subject-list", "params=subject-identifier", "--minimal")[0], "user:anna")
    same(xe(d, "subject-param-get", "uuid=" + uuid, "param-name=other-config", "param-key=subject-name")[0], "anna")
    fails("SESSION_AUTHORIZATION_FAILED", d.client().plain, "session.login_with_password", "anna", "secret")
    xe(d, "subject-role-add", "uuid=" + uuid, "role-name=vm-operator")
    c = d.login(user="anna", password="secret")
    c.call("VM.get_all")
    fails("HANDLE_INVALID", c.call, "VM.start", daemon.NULL, False, False)
    xe(d, "subject-role-remove", "uuid=" + uuid, "role-name=vm-operator")
    fails("RBAC_PERMISSION_DENIED", c.call, "VM.start", daemon.NULL, False, False)


def roles_are_named_by_uuid_as_well(d):
    uuid = add(d, "bert")
    role, _ = xe(d, "role-list", "name=read-only", "--minimal")
    xe(d, "subject-role-add", "uuid=" + uuid, "role-uuid=" + role)
    d.login(user="bert", password="secret").call("VM.get_all")


def mistakes_are_explained_and_change_nothing(d):
    assert "does not know the user" in xe(d, "subject-add", "subject-name=nobody-here", code=1)[1]
    uuid = add(d, "cara")
    assert "already added" in xe(d, "subject-add", "subject-name=cara", code=1)[1]
    assert "no role 'emperor'" in xe(d, "subject-role-add", "uuid=" + uuid, "role-name=emperor", code=1)[1]
    assert "one role" in xe(d, "subject-role-add", "uuid=" + uuid, code=1)[1]
    assert "one role" in xe(d, "subject-role-add", "uuid=" + uuid, "role-name=read-only", "role-uuid=x", code=1)[1]
    assert "no such role" in xe(d, "subject-role-remove", "uuid=" + uuid, "role-name=read-only", code=1)[1]
    xe(d, "subject-role-add", "uuid=" + uuid, "role-name=read-only")
    assert "already exists" in xe(d, "subject-role-add", "uuid=" + uuid, "role-name=read-only", code=1)[1]


def everybody_but_root_is_logged_out(d):
    sessions = []
    for name in ("dora", "emil"):
        xe(d, "subject-role-add", "uuid=" + add(d, name), "role-name=read-only")
        sessions.append(d.login(user=name, password="secret"))
    root = d.login()
    xe(d, "session-subject-identifier-logout-all")
    for c in sessions:
        fails("SESSION_INVALID", c.call, "VM.get_all")
    same(xe(d, "session-subject-identifier-list", "--minimal")[0], "")
    root.call("VM.get_all")


run([a_user_added_by_name_may_do_what_the_roles_given_allow, roles_are_named_by_uuid_as_well,
     mistakes_are_explained_and_change_nothing, everybody_but_root_is_logged_out])
