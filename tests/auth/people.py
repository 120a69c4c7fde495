"""A daemon with more people than root, for the tests of who may do what."""

import os
import subprocess
import sys

SOURCE = os.environ.get("XAPID_SRC", ".")
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(SOURCE, "tests", "xapid"), os.path.join(SOURCE, "model")]

import daemon  # noqa: E402
from daemon import PASSWORD, XAPID, Daemon, fails, run, same, wait_until  # noqa: E402,F401

daemon.ADDRESS = "127.0.32.1"
XE = os.path.join(daemon.BUILD, "xe", "xe")
ROLES = ["pool-admin", "pool-operator", "vm-power-admin", "vm-admin", "vm-operator", "read-only"]


def add_user(d, name, password="secret"):
    """A line in the password file."""
    subprocess.run([XAPID, "--state-dir", d.dir, "--set-password", name], input=password.encode(), check=True)


def add_subject(root, name, *roles):
    """As xe subject-add and subject-role-add do it."""
    identifier = root.call("auth.get_subject_identifier", name)
    about = root.call("auth.get_subject_information_from_identifier", identifier)
    subject = root.call("subject.create", {"subject_identifier": identifier, "other_config": about})
    for role in roles:
        root.call("subject.add_to_roles", subject, role_ref(root, role))
    return subject


def role_ref(c, name):
    (role,) = c.call("role.get_by_name_label", name)
    return role


def join(d, name, *roles):
    """A user with these roles, logged in; and the subject."""
    add_user(d, name)
    subject = add_subject(d.login(), name, *roles)
    return d.login(user=name, password="secret"), subject


def get(c, path):
    reply, data = c.exchange("GET", path)
    return reply.status, data.decode()


def xe(d, *args, code=0):
    """(stdout, stderr) of xe as root."""
    done = subprocess.run([XE, "-s", daemon.ADDRESS, "-p", str(d.port), "-u", "root", "-pw", PASSWORD, *args],
                          capture_output=True, encoding="utf-8", check=False, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
    same((args, done.returncode, done.stderr if code == 0 else ""), (args, code, ""))
    return done.stdout.strip(), done.stderr
