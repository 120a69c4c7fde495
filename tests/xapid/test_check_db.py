"""xapid --check-db: each kind of damage is told in words, a sound database is good, and nothing is changed."""

import os
import shutil
import sqlite3
import subprocess

from daemon import XAPID, Daemon, run, same

NOBODY = "OpaqueRef:00000000-0000-4000-8000-00000000dead"


def check(d, file=None):
    """Exit status, lines of standard error."""
    r = subprocess.run([XAPID, "--state-dir", d.dir, "--check-db" + (f"={file}" if file else "")], capture_output=True, text=True)
    return r.returncode, r.stderr.replace(d.dir, "STATE").splitlines()


def copy_of(d, name):
    """A copy of the database as it is, made by SQLite."""
    path = os.path.join(d.dir, name)
    with sqlite3.connect(os.path.join(d.dir, "xapid.db")) as db:
        db.execute("VACUUM INTO ?", (path,))
    return path


def edited(d, name, *statements):
    """What the check says of a copy in which this was done."""
    path = copy_of(d, name)
    db = sqlite3.connect(path)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()
    status, lines = check(d, path)
    same(status, 1)
    return lines


def one(lines, *words):
    """The one problem told has these words."""
    same(lines[1:], ["xapid: the database has 1 problem"])
    for word in words:
        assert word in lines[0], (word, lines[0])


def make_things(d):
    c = d.login()
    template = next(ref for ref, vm in c.call("VM.get_all_records").items() if vm["is_a_template"])
    vm = c.call("VM.clone", template, "one")
    c.call("VM.provision", vm)
    network = c.call("network.get_all")[0]
    c.call("VIF.create", {"VM": vm, "network": network, "device": "5", "MAC": "", "MTU": "1500", "other_config": {},
                          "qos_algorithm_type": "", "qos_algorithm_params": {}})
    sr = c.call("pool.get_default_SR", c.call("pool.get_all")[0])
    vdi = c.call("VDI.create", {"name_label": "disk", "SR": sr, "virtual_size": "1048576", "type": "user", "sharable": False,
                                "read_only": False, "other_config": {}})
    c.call("VBD.create", {"VM": vm, "VDI": vdi, "userdevice": "7", "mode": "RW", "type": "Disk", "bootable": False, "empty": False,
                          "unpluggable": True, "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}})
    c.call("VM.start", vm, False, False)
    return vm


def a_database_in_use_is_good(d):
    make_things(d)
    before = sorted(os.listdir(d.dir))
    same(check(d), (0, []))
    same(sorted(os.listdir(d.dir)), before)


def a_database_at_rest_is_good_and_stays_as_it_is(d):
    d.stop()
    path = os.path.join(d.dir, "xapid.db")
    before, names = open(path, "rb").read(), sorted(os.listdir(d.dir))
    same(check(d), (0, []))
    same(open(path, "rb").read(), before)
    same(sorted(os.listdir(d.dir)), names)
    d.start()
    d.kill()
    same(check(d), (0, []))
    d.start()


def wrong_values_are_told(d):
    one(edited(d, "int", "UPDATE VM SET VCPUs_max = 'many' WHERE is_control_domain"), "VM", "VCPUs_max", "int")
    one(edited(d, "map", "UPDATE pool SET other_config = '{\"a\":'"), "pool", "other_config")
    one(edited(d, "enum", "UPDATE VM SET power_state = 'Sleeping' WHERE power_state = 'Halted' AND rowid = (SELECT min(rowid) FROM VM WHERE power_state = 'Halted')"), "power_state", "OpaqueRef:")
    one(edited(d, "utf8", "UPDATE network SET name_label = CAST(x'ff41' AS TEXT) WHERE rowid = 1"), "network", "name_label")
    one(edited(d, "ref", "UPDATE pool SET ref = 'pool'"), "reference is not one: pool")


def wrong_references_are_told(d):
    one(edited(d, "vdi", f"UPDATE VBD SET VDI = '{NOBODY}'"), "VBD OpaqueRef:", "VDI names the VDI", NOBODY)
    one(edited(d, "set", f"""UPDATE pool SET other_config = '{{}}', repositories = '["{NOBODY}"]'"""), "repositories names", NOBODY)
    lines = edited(d, "owner", "UPDATE VIF SET VM = 'OpaqueRef:NULL'")
    assert "belongs to no VM" in lines[0], lines


def wrong_meanings_are_told(d):
    lines = edited(d, "uuid", "UPDATE VM SET uuid = (SELECT uuid FROM VM WHERE is_control_domain)")
    assert all("has the uuid of another row" in line for line in lines[:-1]), lines
    one(edited(d, "nouuid", "UPDATE pool SET uuid = ''"), "pool OpaqueRef:", "has no uuid")
    one(edited(d, "master", "UPDATE pool SET master = 'OpaqueRef:NULL'"), "has no master")
    one(edited(d, "up", "UPDATE VM SET resident_on = 'OpaqueRef:NULL' WHERE NOT is_control_domain AND power_state = 'Running'"),
        "is up, but on no host")
    one(edited(d, "twice", "CREATE TEMP TABLE t AS SELECT * FROM VIF LIMIT 1",
               f"UPDATE t SET ref = '{NOBODY}', uuid = '00000000-0000-4000-8000-00000000dead'", "INSERT INTO VIF SELECT * FROM t"),
        "has the device of another VIF")
    lines = edited(d, "column", "ALTER TABLE SR DROP COLUMN type")
    assert "table SR that cannot be read" in lines[0], lines
    lines = edited(d, "meta", "DELETE FROM meta WHERE key = 'generation'")
    assert "knows about itself" in lines[0], lines


def a_damaged_file_is_told(d):
    path = copy_of(d, "bytes")
    with open(path, "r+b") as f:
        f.seek(4096 * 3)
        f.write(b"\xee" * 4096 * 4)
    status, lines = check(d, path)
    same(status, 1)
    assert any("the file is damaged" in line for line in lines), lines
    shutil.copy(copy_of(d, "whole"), path)
    os.truncate(path, 8192)
    assert check(d, path)[0] == 1


def what_is_no_database_is_told(d):
    for name, content, words in (("empty", b"", "it is empty"), ("text", b"no database at all, whatever its name" * 40, "is not a database")):
        path = os.path.join(d.dir, name)
        open(path, "wb").write(content)
        status, (line,) = check(d, path)
        assert status == 1 and words in line, line
    status, (line,) = check(d, os.path.join(d.dir, "absent"))
    assert status == 1 and "No such file" in line, line
    path = os.path.join(d.dir, "other")
    sqlite3.connect(path).execute("CREATE TABLE t (a)")
    status, (line,) = check(d, path)
    assert status == 1 and "another program" in line, line
    path = copy_of(d, "newer")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = 99 WHERE key = 'schema_version'")
    status, lines = check(d, path)
    assert status == 1 and "schema version 99" in lines[-1], lines


if __name__ == "__main__":
    run([a_database_in_use_is_good, a_database_at_rest_is_good_and_stays_as_it_is, wrong_values_are_told, wrong_references_are_told,
         wrong_meanings_are_told, a_damaged_file_is_told, what_is_no_database_is_told])
