"""Logins by PAM: users and groups of the system, with a service file of the test's own."""

import os
import stat
import tempfile

from people import Daemon, add_subject, daemon, fails, run, same

SERVICE = """auth required pam_exec.so quiet expose_authtok {check}
account required pam_exec.so quiet {account}
password required pam_deny.so
"""


def script(path, text):
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, stat.S_IRWXU)
    return path


class PamDaemon(Daemon):
    """Its users' password is "letmein"; the account of "games" is closed."""

    def __init__(self):
        self.pam = tempfile.TemporaryDirectory(prefix="xapid-pam-")
        check = script(os.path.join(self.pam.name, "check"), 'read -r p; [ "$p" = letmein ]\n')
        account = script(os.path.join(self.pam.name, "account"), '[ "$PAM_USER" != games ] && [ -n "$PAM_RHOST" ]\n')
        with open(os.path.join(self.pam.name, "xapid"), "w") as f:
            f.write(SERVICE.format(check=check, account=account))
        super().__init__("--authentication", "pam", "--pam-dir", self.pam.name)


def login(d, user):
    return d.login(user=user, password="letmein")


def root_logs_in(d):
    c = login(d, "root")
    same(c.call("session.get_is_local_superuser", c.session), True)
    fails("SESSION_AUTHENTICATION_FAILED", d.client().plain, "session.login_with_password", "root", daemon.PASSWORD)


def a_closed_account_is_refused(d):
    fails("SESSION_AUTHENTICATION_FAILED", d.client().plain, "session.login_with_password", "games", "letmein")


def a_local_user_needs_a_subject(d):
    root = login(d, "root")
    fails("SESSION_AUTHORIZATION_FAILED", d.client().plain, "session.login_with_password", "daemon", "letmein")
    same(root.call("auth.get_subject_identifier", "daemon"), "u1")
    subject = add_subject(root, "daemon", "read-only")
    same(root.call("subject.get_other_config", subject)["subject-uid"], "1")
    c = login(d, "daemon")
    record = c.call("session.get_record", c.session)
    same((record["auth_user_sid"], record["subject"]), ("u1", subject))
    fails("RBAC_PERMISSION_DENIED", c.call, "VM.start", daemon.NULL, False, False)


def a_group_gives_its_members_roles(d):
    root = login(d, "root")
    same(root.call("auth.get_subject_identifier", "news"), "u9")
    same(root.call("auth.get_group_membership", "u9"), ["g9"])
    same(root.call("auth.get_subject_information_from_identifier", "g9")["subject-is-group"], "true")
    subject = root.call("subject.create", {"subject_identifier": "g9", "other_config": {}})
    (operator,) = root.call("role.get_by_name_label", "vm-operator")
    root.call("subject.add_to_roles", subject, operator)
    c = login(d, "news")
    same(c.call("session.get_subject", c.session), subject)
    assert "vm.start" in c.call("session.get_rbac_permissions", c.session)
    root.call("subject.destroy", subject)
    fails("SESSION_INVALID", c.call, "VM.get_all")


def unknown_names_are_refused(d):
    root = login(d, "root")
    for name in ("no-such-user", "", "x" * 5000, "a:b", "u\u00e9"):
        fails("SUBJECT_CANNOT_BE_RESOLVED", root.call, "auth.get_subject_identifier", name)
    for identifier in ("u", "g", "u-1", "u99999999999999999999", "u4294967295", "x1", ""):
        fails("SUBJECT_CANNOT_BE_RESOLVED", root.call, "auth.get_subject_information_from_identifier", identifier)
    # PAM lets this one in, the system does not know them.
    fails("SESSION_AUTHORIZATION_FAILED", d.client().plain, "session.login_with_password", "no-such-user", "letmein")


def a_refused_new_password_is_told(d):
    c = login(d, "root")
    fails("CHANGE_PASSWORD_REJECTED", c.call, "session.change_password", "letmein", "new")
    fails("SESSION_AUTHENTICATION_FAILED", c.call, "session.change_password", "wrong", "new")


run([root_logs_in, a_closed_account_is_refused, a_local_user_needs_a_subject, a_group_gives_its_members_roles,
     unknown_names_are_refused, a_refused_new_password_is_told], PamDaemon)
