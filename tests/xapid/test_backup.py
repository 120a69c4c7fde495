"""Automatic backups of the database, and the way back: from a damaged file, by xapid --restore-db, through kill -9."""

import glob
import os
import re
import sqlite3
import subprocess
import sys

from daemon import XAPID, Daemon, fails, same, wait_until


def copies(d):
    return sorted(glob.glob(os.path.join(d.dir, "backups", "*.db")))


def await_copy(d, number):
    wait_until(lambda: d.alive() and len(copies(d)) >= number, f"{number} backups are made")
    return copies(d)


def xapid(d, *words):
    r = subprocess.run([XAPID, "--state-dir", d.dir, *words], capture_output=True, text=True)
    return r.returncode, r.stderr + r.stdout


def write(c, name):
    return c.call("secret.create", {"value": name})


def values(c):
    return {s["value"] for s in c.call("secret.get_all_records").values()}


def backups_are_made_and_kept_within_bounds(d):
    """Each is whole, is one file, holds what was acknowledged before; a new one is made only after a change."""
    c = d.login()
    write(c, "first")
    first, folder = await_copy(d, 1)[0], os.path.join(d.dir, "backups")
    with sqlite3.connect(first) as db:
        same(db.execute("PRAGMA journal_mode").fetchone(), ("delete",))
    same(os.stat(first).st_mode & 0o777, 0o600)
    made = {}  # the daemon may have written something itself since the first

    def touched():
        return any(os.stat(path).st_mtime != made.setdefault(path, os.stat(path).st_mtime) for path in copies(d))

    wait_until(touched, "the newest copy is known to be good still")
    seen = set(copies(d))
    while len(seen) < 5:
        write(c, f"more {len(seen)}")
        wait_until(lambda: set(copies(d)) - seen, "another backup is made")
        seen |= set(copies(d))
    wait_until(lambda: len(copies(d)) <= 3 and not any(name.endswith(".new") for name in os.listdir(folder)),
               "old backups are gone")
    for copy in copies(d)[1:]:
        same(xapid(d, f"--check-db={copy}")[0], 0)


def a_running_daemon_keeps_its_database(d):
    status, text = xapid(d, "--restore-db", copies(d)[0])
    assert status == 1 and "another xapid runs" in text, text


def a_damaged_file_names_the_way_back(d):
    c = d.login()
    write(c, "kept")
    d.stop()
    status, text = xapid(d, "--restore-db", os.path.join(d.dir, "passwd"))
    assert status == 1 and "is not a database" in text, text
    last = copies(d)[-1]
    os.truncate(last, 8192)
    good = copies(d)[-2]
    with open(os.path.join(d.dir, "xapid.db"), "r+b") as f:
        f.seek(4096)
        f.write(b"\xee" * 65536)
    status, text = xapid(d, "--hypervisor", "sim", "--foreground", "--port", "0")
    assert status == 1 and "is damaged" in text, text
    command = re.search(r"xapid (--state-dir \S+ --restore-db (\S+))$", text.strip())
    assert command and command[2] == good, text
    status, text = xapid(d, *command[1].split())
    same(status, 0)
    (aside,) = glob.glob(os.path.join(d.dir, "xapid.db.before-restore-*"))
    assert open(aside, "rb").read()[4096:8192] == b"\xee" * 4096
    d.start()
    assert "first" in values(d.login())
    same(xapid(d, "--check-db"), (0, xapid(d, "--check-db")[1]))


def going_back_brings_generations_forward(d):
    """A client's event token from before the restore is told that it is too old, and new ones are later."""
    c = d.login()
    pool = c.call("pool.get_all")[0]
    for i in range(20):
        c.call("pool.set_name_label", pool, f"name {i}")
    token = c.call("event.from", ["pool"], "", 0.0)["token"]
    d.stop()
    same(xapid(d, "--restore-db", copies(d)[0])[0], 0)
    d.start()
    c = d.login()
    assert c.call("event.from", ["pool"], "", 0.0)["token"] > token, "tokens went back"
    fails("EVENTS_LOST", c.call, "event.from", ["pool"], token, 0.0)


def a_restore_that_was_cut_off_is_finished(d):
    """The copy is ready beside the database, the journal of the old one is still there: the next start takes it over."""
    c = d.login()
    write(c, "not in the copy")
    d.kill()
    with sqlite3.connect(copies(d)[0]) as db:
        db.execute("VACUUM INTO ?", (os.path.join(d.dir, "xapid.db.restore"),))
    assert os.path.getsize(os.path.join(d.dir, "xapid.db-wal"))
    d.start()
    assert "not in the copy" not in values(d.login())
    newest = max(glob.glob(os.path.join(d.dir, "xapid.db.before-restore-*[0-9]")), key=os.path.getctime)
    with sqlite3.connect(newest) as db:
        assert ("not in the copy",) in db.execute("SELECT value FROM secret").fetchall()


if __name__ == "__main__":
    if not os.path.exists(XAPID):
        sys.exit(77)
    with Daemon("--backup-interval", "1", "--backup-number", "3") as daemon:
        backups_are_made_and_kept_within_bounds(daemon)
        a_running_daemon_keeps_its_database(daemon)
        daemon.stop()
        daemon.options = ["--backup-interval", "0"]
        daemon.start()
        a_damaged_file_names_the_way_back(daemon)
        going_back_brings_generations_forward(daemon)
        a_restore_that_was_cut_off_is_finished(daemon)
