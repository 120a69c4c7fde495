"""A full disk: reads and what makes room go on, all else gets a clear error, and nothing acknowledged is lost."""

import os
import subprocess
import sys
import tempfile

from daemon import ApiError, Daemon, XAPID, fails, same

DISK = "24m"
INSIDE = "XAPID_TEST_SMALL_DISK"


def enter_small_disk():
    """Run again in a mount namespace of its own, with a small disk for everything temporary."""
    if INSIDE in os.environ:
        tempfile.tempdir = os.environ[INSIDE]
        return
    if not os.path.exists(XAPID) or os.geteuid() != 0:
        print("xapid is not built, or mounting a small disk is not allowed")
        sys.exit(77)
    place = tempfile.mkdtemp(prefix="xapid-full-")
    script = f'mount -t tmpfs -o size={DISK} tmpfs "$1" && shift && exec "$@"'
    status = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", place, sys.executable, __file__],
                            env={**os.environ, INSIDE: place}, check=False).returncode
    os.rmdir(place)
    sys.exit(status)


def take_all_room(d):
    """Fill the disk to the last byte."""
    with open(os.path.join(d.dir, "filler"), "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(65536))
        except OSError:
            pass


def give_room_back(d):
    os.unlink(os.path.join(d.dir, "filler"))


def write_until_refused(c):
    """What was acknowledged before OUT_OF_SPACE."""
    done = []
    try:
        while True:
            done.append(c.call("secret.create", {"value": "x" * 60000}))
    except ApiError as e:
        same(e.code, "OUT_OF_SPACE")
    return done


def a_full_disk_is_no_end(d):
    c = d.login()
    (pool,) = c.call("pool.get_all")
    vm = c.call("VM.get_all")[0]
    token = c.call("event.from", ["*"], "", 10.0)["token"]
    take_all_room(d)
    done = write_until_refused(c)
    assert done, "nothing could be written at all"

    # Reading, logins and events go on.
    same(set(c.call("secret.get_all")), set(done))
    same(d.login().call("VM.get_uuid", vm), c.call("VM.get_uuid", vm))
    assert c.call("event.from", ["secret"], token, 10.0)["events"]

    # What takes room is refused, whichever way it is said.
    fails("OUT_OF_SPACE", c.call, "pool.set_name_label", pool, "full")
    fails("OUT_OF_SPACE", c.call, "pool.add_to_other_config", pool, "full", "1")
    fails("OUT_OF_SPACE", c.call, "VM.clone", vm, "clone")
    fails("OUT_OF_SPACE", c.call, "Async.VM.clone", vm, "clone")
    fails("OUT_OF_SPACE", c.json, "pool.set_name_label", pool, "full")

    # What gives it back is not.
    c.call("secret.destroy", done.pop())
    same(set(c.call("secret.get_all")), set(done))

    # Killed now, it comes back with all that was acknowledged, and still reads.
    d.kill()
    d.start()
    c = d.login()
    same(set(c.call("secret.get_all")), set(done))

    give_room_back(d)
    while True:
        try:
            c.call("pool.set_name_label", pool, "roomy")
            break
        except ApiError as e:
            same(e.code, "OUT_OF_SPACE")
    same(c.call("pool.get_name_label", pool), "roomy")
    d.kill()
    d.start()
    c = d.login()
    same(c.call("pool.get_name_label", pool), "roomy")
    same(set(c.call("secret.get_all")), set(done))


def await_room(d, c):
    while True:
        try:
            return c.call("secret.create", {"value": "roomy"})
        except ApiError as e:
            same(e.code, "OUT_OF_SPACE")


def without_the_reserve_everybody_hears_of_it(d):
    """Nothing that may never become durable is shown; whoever asks is told why. Nothing acknowledged is lost."""
    c = d.login()
    os.unlink(os.path.join(d.dir, "xapid.db.reserve"))
    take_all_room(d)
    done = write_until_refused(c)
    fails("OUT_OF_SPACE", c.call, "pool.get_all_records")
    fails("OUT_OF_SPACE", c.json, "secret.get_all")
    fails("OUT_OF_SPACE", d.login)
    give_room_back(d)
    done.append(await_room(d, c))
    d.kill()
    d.start()
    assert set(done) <= set(d.login().call("secret.get_all"))


if __name__ == "__main__":
    enter_small_disk()
    with Daemon() as daemon:
        a_full_disk_is_no_end(daemon)
        without_the_reserve_everybody_hears_of_it(daemon)
