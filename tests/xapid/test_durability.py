"""What was answered survives kill -9; starting again and stopping in order."""

import http.client
import os
import subprocess
import sys
import threading
import xmlrpc.client

from daemon import XAPID, Daemon, same


def writer(d, acknowledged):
    """Write until the daemon dies, noting each answer."""
    c = d.login()
    (pool,) = c.call("pool.get_all")
    try:
        while True:
            key = os.urandom(8).hex()
            c.call("pool.add_to_other_config", pool, key, key)
            acknowledged.append(key)
            secret = c.call("secret.create", {"value": key})
            acknowledged.append((secret, key))
    except (OSError, http.client.HTTPException):
        pass


def crash(d):
    acknowledged = []
    threads = [threading.Thread(target=writer, args=(d, acknowledged)) for _ in range(4)]
    for t in threads:
        t.start()
    seen = len(acknowledged)
    while len(acknowledged) < seen + 200:
        threads[0].join(0.01)
    d.kill()
    for t in threads:
        t.join()
    return acknowledged


def check(d, acknowledged):
    c = d.login()
    (pool,) = c.call("pool.get_all")
    config, secrets = c.call("pool.get_other_config", pool), c.call("secret.get_all_records")
    for entry in acknowledged:
        if isinstance(entry, str):
            same(config.get(entry), entry)
        else:
            same(secrets[entry[0]]["value"], entry[1])


def waiting_call_ended(c):
    """The call got its answer, or at least the connection its end."""
    try:
        return c.connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return True


def main():
    if not os.path.exists(XAPID):
        sys.exit(77)
    with Daemon() as d:
        c = d.login()
        pool, host = c.call("pool.get_all"), c.call("host.get_all")
        token = c.call("event.from", ["*"], "", 0.0)["token"]
        everything = []
        for _ in range(3):
            everything += crash(d)
            d.start()
            check(d, everything)
        c = d.login()
        same((c.call("pool.get_all"), c.call("host.get_all")), (pool, host))
        assert c.call("event.from", ["pool"], "", 0.0)["token"] >= token, "tokens went back"
        other = subprocess.run([XAPID, "--state-dir", d.dir, "--port", "0", "--hypervisor", "sim", "--foreground"],
                               capture_output=True, text=True)
        assert other.returncode == 1 and "another xapid" in other.stderr, other
        token = c.call("event.from", ["vbd"], "", 0.0)["token"]
        body = xmlrpc.client.dumps((c.session, ["vbd"], token, 3600.0), "event.from")
        c.connection.request("POST", "/", body.encode())
        same(d.stop(), 0)
        assert waiting_call_ended(c), "a waiting client was left hanging"
        d.start()
        check(d, everything)


main()
