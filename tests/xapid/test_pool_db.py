"""xe pool-dump-database and pool-restore-database, and /pool/xmldbdump beneath them."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import daemon
from daemon import ApiError, Daemon, XAPID, fails, same, wait_until

XE = os.path.join(daemon.BUILD, "xe", "xe")
ODD = "a \"quoted\" <tag> & back\\slash\ttab\nline é \ufffe \\x41"


def xe(d, *words):
    done = subprocess.run([XE, "-s", daemon.ADDRESS, "-p", str(d.port), "-u", "root", "-pw", daemon.PASSWORD, *words],
                          capture_output=True, encoding="utf-8", env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
    return done.returncode, done.stdout, done.stderr


def put(d, session, body, query="", **headers):
    """The status and the body of the answer to a PUT as other clients make it."""
    c = d.client()
    reply, data = c.exchange("PUT", f"/pool/xmldbdump?session_id={session}{query}", body, headers)
    return reply.status, data.decode()


def state(c):
    """What the database says, apart from what each start writes anew."""
    classes = ("pool", "VM", "VIF", "network", "secret", "subject", "PIF", "PBD")
    return {name: c.json(f"{name}.get_all_records") for name in classes}


def same_state(got, wanted):
    """Field by field, so that a difference can be read."""
    flat = lambda state: {(name, ref, field): value for name, records in state.items() for ref, record in records.items()
                          for field, value in record.items()}
    one, other = flat(got), flat(wanted)
    same({key: one.get(key) for key in one | other if one.get(key) != other.get(key)},
         {key: other.get(key) for key in one | other if one.get(key) != other.get(key)})


def make_things(d):
    c = d.login()
    pool = c.call("pool.get_all")[0]
    c.json("pool.set_name_description", pool, ODD + "\u0001")
    c.json("pool.set_other_config", pool, {"key <1>": ODD, "": "empty", "utf": "日本"})
    c.call("pool.set_tags", pool, ["one", "t'wo"])
    c.call("secret.create", {"value": "hidden", "other_config": {}})
    template = next(ref for ref, vm in c.call("VM.get_all_records").items() if vm["is_a_template"])
    c.call("VM.clone", template, "kept")
    return c, pool


def a_dump_is_whole_and_says_what_is_there(d, path):
    c, pool = make_things(d)
    same(xe(d, "pool-dump-database", f"file-name={path}"), (0, "", ""))
    same(os.stat(path).st_mode & 0o777, 0o600)
    root = ElementTree.parse(path).getroot()
    pairs = {p.get("key"): p.get("value") for p in root.find("manifest")}
    same(pairs["schema_version"], "1")
    tables = {t.get("name"): t for t in root.iter("table")}
    same({r.get("ref") for r in tables["VM"]}, set(c.call("VM.get_all")))
    same(tables["pool"][0].get("ref"), pool)
    assert "session" not in tables and "task" not in tables, tables.keys()
    assert c.session not in open(path, encoding="utf-8").read(), "a session's secret is in the dump"
    return c, pool


def a_dry_run_changes_nothing(d, c, path):
    before = state(c)
    same(xe(d, "pool-restore-database", f"file-name={path}", "dry-run=true"), (0, "", ""))
    same_state(state(c), before)
    same([n for n in os.listdir(d.dir) if "upload" in n or "restor" in n], [])


def without_force_nothing_happens(d, path):
    status, _, err = xe(d, "pool-restore-database", f"file-name={path}")
    assert status == 1 and "--force" in err, err


def what_is_wrong_is_told_and_changes_nothing(d, c, path):
    before, good = state(c), open(path, encoding="utf-8").read()
    row = re.search(r'<table name="pool">\n(<row .*/>)', good)[1]
    for change, words in (
            (lambda s: s[:len(s) // 2], "cannot be read"),
            (lambda s: s.replace('schema_version" value="1"', 'schema_version" value="99"'), "RESTORE_INCOMPATIBLE_VERSION"),
            (lambda s: s.replace('VCPUs_max="', 'VCPUs_max="x', 1), "VM.VCPUs_max has a value that is no int"),
            (lambda s: s.replace(row, ""), "has 0 pools"),
            (lambda s: s.replace(row, row + row), "two rows of pool"),
            (lambda s: s.replace(row, re.sub('master="[^"]*"', 'master="OpaqueRef:NULL"', row)), "without a master"),
            (lambda s: s.replace(row, re.sub('ref="[^"]*"', 'ref="pool"', row, 1)), "no reference"),
            (lambda s: s.replace("<database>", '<!DOCTYPE database [<!ENTITY a "b">]>\n<database>', 1), "document type"),
            (lambda s: s.replace("<table ", "<other/><table ", 1), "no place for an element"),
            (lambda s: "not XML", "cannot be read"),
            (lambda s: "", "cannot be read")):
        bad = change(good)
        assert bad != good, words
        open(path + ".bad", "w", encoding="utf-8").write(bad)
        status, _, err = xe(d, "pool-restore-database", f"file-name={path}.bad", "--force")
        assert status == 1 and (words in err or words == "RESTORE_INCOMPATIBLE_VERSION"), (words, err)
        status, text = put(d, c.session, bad.encode())
        assert words in text, (words, status, text)
    status, text = put(d, c.session, good.encode(), **{"Transfer-Encoding": "chunked"})
    assert status == 500 and "content-length" in text, text
    same_state(state(c), before)
    same([n for n in os.listdir(d.dir) if "upload" in n or "restor" in n], [])


def only_pool_admins_may(d, path):
    subprocess.run([XAPID, "--state-dir", d.dir, "--set-password", "op"], input=b"secret", check=True)
    root = d.login()
    identifier = root.call("auth.get_subject_identifier", "op")
    subject = root.call("subject.create", {"subject_identifier": identifier, "other_config": {}})
    (role,) = root.call("role.get_by_name_label", "pool-operator")
    root.call("subject.add_to_roles", subject, role)
    op = d.login(user="op", password="secret")
    reply, data = op.exchange("GET", f"/pool/xmldbdump?session_id={op.session}")
    assert reply.status == 403 and b"RBAC_PERMISSION_DENIED" in data, (reply.status, data)
    same(put(d, op.session, open(path, "rb").read())[0], 403)
    same(put(d, "OpaqueRef:NULL", b"")[0], 401)
    root.call("subject.destroy", subject)


def description(d, pool):
    """The pool's; None while the daemon goes on with another database."""
    try:
        return d.login().json("pool.get_name_description", pool)
    except (OSError, ApiError):
        return None


def a_restore_brings_everything_back(d, c, pool, path):
    wanted = state(c)
    pid = d.process.pid
    generation = c.json("event.from", ["pool"], "", 0.0)["token"]
    for ref, vm in wanted["VM"].items():
        if vm["name_label"] == "kept":
            c.call("VM.destroy", ref)
    c.call("pool.set_name_description", pool, "changed after the dump")
    c.call("secret.create", {"value": "made after the dump", "other_config": {}})
    same(xe(d, "pool-restore-database", f"file-name={path}", "--force"), (0, "", ""))
    wait_until(lambda: d.alive() and description(d, pool) not in (None, "changed after the dump"), "the dump is restored")
    c = d.login()
    same_state(state(c), wanted)
    same(d.process.pid, pid)
    same(d.process.poll(), None)
    assert c.json("event.from", ["pool"], "", 0.0)["token"] > generation, "tokens went back"
    d.kill()
    d.start()
    same_state(state(d.login()), wanted)
    done = subprocess.run([XAPID, "--state-dir", d.dir, "--check-db"], capture_output=True, text=True)
    same((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    if not (os.path.exists(XAPID) and os.path.exists(XE)):
        sys.exit(77)
    with Daemon() as d:
        path = os.path.join(d.dir, "dump.xml")
        c, pool = a_dump_is_whole_and_says_what_is_there(d, path)
        a_dry_run_changes_nothing(d, c, path)
        without_force_nothing_happens(d, path)
        what_is_wrong_is_told_and_changes_nothing(d, c, path)
        only_pool_admins_may(d, path)
        a_restore_brings_everything_back(d, c, pool, path)
