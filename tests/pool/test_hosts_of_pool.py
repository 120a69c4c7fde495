#!/usr/bin/env python3
"""What is asked of one host's machine is done there, whichever host of the pool is called."""

import hashlib
import http.client
import io
import json
import os
import shutil
import socket
import ssl
import stat
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
from daemon import add_disk, fails, make_vdi, make_vm, wait_until  # noqa: E402
from pool import PORT, Pool, is_live  # noqa: E402

PLUGIN = """#!/usr/bin/env python3
import json, os, sys, xmlrpc.client
(session, args), fn = xmlrpc.client.loads(sys.argv[1])
json.dump([fn, args, sys.stdin.read()], open(os.path.join(os.path.dirname(sys.argv[0]), "said"), "w"))
answer = {"Status": "Success", "Value": "True" if args["power_on_user"] == "admin" else "no such user"}
print(xmlrpc.client.dumps((answer,), methodresponse=True))
"""

# As ipmitool: told a file, it reads the password there.
IPMITOOL = """#!/bin/sh
[ "$1 $2 $7 $9" = "-I lanplus -U -f" ] || exit 2
{ echo "$@"; cat "${10}"; echo; } >"$0.said"
case $8 in
admin) echo "Chassis Power Control: Up/On" ;;
slow) exec sleep 1000 ;;
*) echo "Error: Unable to establish IPMI v2 / RMCP+ session" >&2; exit 1 ;;
esac
"""


def listener():
    """A socket that hears what is sent to all machines of 127/8."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.255.255.255", 0))
    s.settimeout(60)
    return s


def a_host_is_woken_by_its_card(hosts, gone):
    c = hosts[0].client()
    pif = next(p for p in c.PIF.get_all_records().values() if p["host"] == gone)
    with listener() as s:
        port = str(s.getsockname()[1])
        c.host.set_power_on_mode(gone, "wake-on-lan", {"power_on_port": port})
        c.host.power_on(gone)
        assert s.recv(1000) == b"\xff" * 6 + bytes.fromhex(pif["MAC"].replace(":", "")) * 16
        c.host.set_power_on_mode(gone, "wake-on-lan", {"power_on_port": port, "power_on_mac": "02:00:00:00:00:07"})
        c.host.power_on(gone)
        assert s.recv(1000)[6:12] == bytes.fromhex("020000000007")
    for bad in ({"power_on_port": "0"}, {"power_on_mac": "no"}, {"power_on_ip": "no"}):
        c.host.set_power_on_mode(gone, "wake-on-lan", bad)
        fails("INVALID_VALUE", c.host.power_on, gone)


def a_host_is_switched_on_by_its_controller(hosts, gone, folder):
    """By ipmitool, which is told the password as nobody else is."""
    c = hosts[0].client()
    path = os.path.join(folder, "bin", "ipmitool")
    secret = c.secret.create({"value": "xyzzy", "other_config": {}})
    config = {"power_on_ip": "192.0.2.7", "power_on_user": "admin", "power_on_port": "624",
              "power_on_password_secret": c.secret.get_uuid(secret)}
    c.host.set_power_on_mode(gone, "IPMI", config)
    if not shutil.which("ipmitool"):
        assert "not installed" in fails("INTERNAL_ERROR", c.host.power_on, gone)[0]
    os.mkdir(os.path.dirname(path))
    with open(path, "w") as f:
        f.write(IPMITOOL)
    os.chmod(path, stat.S_IRWXU)
    c.host.power_on(gone)
    with open(path + ".said") as f:
        said, password = f.read().splitlines()
    assert said == "-I lanplus -H 192.0.2.7 -p 624 -U admin -f /dev/stdin chassis power on" and password == "xyzzy", said
    c.host.set_power_on_mode(gone, "IPMI", {**config, "power_on_user": "nobody"})
    params = fails("XENAPI_PLUGIN_FAILURE", c.host.power_on, gone)
    assert params == ["non-zero exit", "", "Error: Unable to establish IPMI v2 / RMCP+ session\n"], params
    c.host.set_power_on_mode(gone, "IPMI", {**config, "power_on_user": "slow", "power_on_timeout": "1"})
    assert "192.0.2.7 has not answered" in fails("INTERNAL_ERROR", c.host.power_on, gone)[0]
    for bad in ({"power_on_ip": ""}, {"power_on_timeout": "x"}):
        c.host.set_power_on_mode(gone, "IPMI", {**config, **bad})
        assert fails("INVALID_VALUE", c.host.power_on, gone)[0] == list(bad)[0]
    c.secret.destroy(secret)
    c.host.set_power_on_mode(gone, "IPMI", config)
    fails("UUID_INVALID", c.host.power_on, gone)


def a_host_is_switched_on_by_a_program(hosts, gone, folder):
    c = hosts[0].client()
    path = os.path.join(folder, "IPMI")
    with open(path, "w") as f:
        f.write(PLUGIN)
    secret = c.secret.create({"value": "xyzzy", "other_config": {}})
    config = {"power_on_ip": "192.0.2.7", "power_on_user": "admin",
              "power_on_password_secret": c.secret.get_uuid(secret)}
    c.host.set_power_on_mode(gone, "DRAC", config)
    fails("XENAPI_MISSING_PLUGIN", c.host.power_on, gone)
    c.host.set_power_on_mode(gone, "IPMI", config)
    os.chmod(path, stat.S_IRWXU)
    c.host.power_on(gone)
    with open(os.path.join(folder, "said")) as f:
        said = json.load(f)
    assert said == ["power_on", {"remote_host_uuid": c.host.get_uuid(gone), "power_on_ip": "192.0.2.7",
                                 "power_on_user": "admin"}, "power_on_password=xyzzy\n"], said
    c.host.set_power_on_mode(gone, "IPMI", {**config, "power_on_user": "nobody"})
    assert "no such user" in fails("INTERNAL_ERROR", c.host.power_on, gone)[0]
    c.secret.destroy(secret)
    c.host.set_power_on_mode(gone, "IPMI", config)
    fails("UUID_INVALID", c.host.power_on, gone)


def served(host):
    """The certificate that the host shows to clients."""
    return ssl.get_server_certificate((host.address, int(PORT)))


def recorded(c, ref):
    """What the records say of it: the fingerprint."""
    return next(v["fingerprint_sha256"].replace(":", "").lower() for v in c.Certificate.get_all_records().values()
                if v["type"] == "host" and v["host"] == ref)


def fingerprint(pem):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def certificates_are_replaced_at_other_hosts(hosts):
    c = hosts[0].client()
    ref, before, own = hosts[1].me(c), served(hosts[1]), served(hosts[0])
    assert recorded(c, ref) == fingerprint(before)
    c.host.reset_server_certificate(ref)
    after = served(hosts[1])
    assert after != before and c.host.get_server_certificate(ref).strip() == after.strip()
    assert recorded(c, ref) == fingerprint(after)
    fails("SERVER_CERTIFICATE_KEY_INVALID", c.host.install_server_certificate, ref, after, "", "")
    hosts[1].client_of_its_own().host.emergency_reset_server_certificate()
    again = served(hosts[1])
    assert again != after
    wait_until(lambda: recorded(c, ref) == fingerprint(again), "the coordinator hears of it")
    assert served(hosts[0]) == own and recorded(c, hosts[0].me(c)) == fingerprint(own)


def plain(host):
    """Is plain HTTP answered?"""
    try:
        with open(os.path.join(host.state, "http-port")) as f:
            connection = http.client.HTTPConnection(host.address, int(f.read()), timeout=60)
        connection.request("GET", "/")
        return connection.getresponse().status == 301
    except ConnectionRefusedError:
        return False


def plain_http_is_closed_everywhere(hosts):
    c = hosts[1].client()
    pool, ref = c.pool.get_all()[0], hosts[1].me(c)
    assert plain(hosts[0]) and plain(hosts[1])
    c.host.set_https_only(ref, True)
    assert plain(hosts[0]) and not plain(hosts[1])
    c.pool.set_https_only(pool, False)
    assert plain(hosts[0]) and plain(hosts[1])
    hosts[1].kill()
    wait_until(lambda: not is_live(hosts[0], hosts[1]), "the host is missed")
    c = hosts[0].client()
    c.pool.set_https_only(pool, True)
    assert not plain(hosts[0])
    hosts[1].start()
    wait_until(lambda: is_live(hosts[0], hosts[1]) and not plain(hosts[1]), "a host that was away follows")


def exchange(host, session, method, path, body=None):
    """The status and the body that the host answers an HTTP request of that session with."""
    connection = http.client.HTTPSConnection(host.address, int(PORT), timeout=60, context=ssl._create_unverified_context())
    connection.request(method, path, body, {"Cookie": f"session_id={session}"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def archived(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name.removeprefix("./"): tar.extractfile(m).read() for m in tar if m.isfile()}


def archives_come_from_the_host_that_is_meant(hosts):
    """A member's own from the member; any host's by its name."""
    c = hosts[0].client()
    refs = [h.me(c) for h in hosts]
    for host, query, of in ((hosts[0], "", 0), (hosts[1], "", 1), (hosts[0], f"&host_id={refs[1]}", 1),
                            (hosts[1], f"&host_id={c.host.get_uuid(refs[0])}", 0)):
        status, data = exchange(host, c.session, "GET", f"/system-status?entries=xapid-log&output=tar{query}")
        log = archived(data)["xapid.log"].decode()
        assert status == 200 and ("joins the pool" in log) == (of == 0), (host.address, query, log[-500:])
        status, data = exchange(host, c.session, "GET", f"/host_logs_download?x{query}")
        assert status == 200 and archived(data).keys() == {"log/audit.log"}, (host.address, query)
        assert "xapid-log" in host.client().host.get_system_status_capabilities(refs[of])
    assert exchange(hosts[1], "OpaqueRef:none", "GET", "/host_logs_download")[0] == 401
    assert exchange(hosts[0], c.session, "GET", "/host_logs_download?host_id=OpaqueRef:none")[0] == 500


def hosts_are_backed_up_and_restored_wherever_they_are(hosts):
    """A member by the coordinator and by itself; which host an archive is of is looked at."""
    c = hosts[0].client()
    refs = [h.me(c) for h in hosts[:2]]
    archives = []
    for host, query, of in ((hosts[0], f"?host_id={refs[1]}", 1), (hosts[1], "", 1), (hosts[1], f"?host_id={refs[0]}", 0)):
        status, data = exchange(host, c.session, "GET", f"/host_backup{query}")
        assert status == 200, data
        assert f"host = {c.host.get_uuid(refs[of])}\n".encode() in archived(data)["manifest"]
        archives.append(data)
    ready = os.path.join(hosts[1].state, "host-restore")
    for body, words in ((archives[2], b"another host's"), (archives[0][:5000], b"PREMATURE"), (b"", b"PREMATURE"), (archives[0], b"")):
        assert not os.path.exists(ready)
        status, text = exchange(hosts[0], c.session, "PUT", f"/host_restore?host_id={refs[1]}", body)
        assert status == 200 and words in text and (words or not text), (words, status, text)
    assert os.path.exists(ready)
    hosts[1].stop()
    hosts[1].start()
    assert not os.path.exists(ready)
    wait_until(lambda: is_live(hosts[0], hosts[1]), "the member is back")


def disks_are_transferred_wherever_they_are(hosts):
    """On storage that only the member has, through either host."""
    c = hosts[0].client()
    sr = next(r for r, v in c.SR.get_all_records().items() if v["type"] == "file" and not v["shared"] and
              [c.PBD.get_host(p) for p in v["PBDs"]] == [hosts[1].me(c)])
    content = os.urandom(3 << 20) + bytes(5 << 20)
    vdi = make_vdi(c, size=8 << 20, sr=sr)
    assert exchange(hosts[0], c.session, "PUT", f"/import_raw_vdi?vdi={vdi}&format=raw", content)[0] == 200
    for h in hosts:
        assert exchange(h, c.session, "GET", f"/export_raw_vdi?vdi={vdi}&format=raw") == (200, content)
    vm = make_vm(c, "exported", disks=0, nics=0)
    add_disk(c, vm, vdi)
    status, archive = exchange(hosts[1], c.session, "GET", f"/export?ref={vm}")
    assert status == 200
    assert exchange(hosts[0], c.session, "PUT", f"/import?sr_id={sr}", archive)[0] == 200
    again = next(v for v in c.VM.get_by_name_label("exported") if v != vm)
    disk = c.VBD.get_VDI(c.VM.get_VBDs(again)[0])
    assert c.VDI.get_SR(disk) == sr
    assert exchange(hosts[0], c.session, "GET", f"/export_raw_vdi?vdi={disk}") == (200, content)
    c.VM.start(again, False, False)  # nobody holds the disk any more
    c.VM.hard_shutdown(again)


def hosts_are_switched_on(hosts, folder):
    c = hosts[0].client()
    gone = hosts[1].me(c)
    fails("HOST_IS_LIVE", c.host.power_on, gone)
    hosts[1].kill()
    wait_until(lambda: not is_live(hosts[0], hosts[1]), "the host is missed")
    fails("HOST_POWER_ON_MODE_DISABLED", c.host.power_on, gone)
    a_host_is_woken_by_its_card(hosts, gone)
    a_host_is_switched_on_by_its_controller(hosts, gone, folder)
    a_host_is_switched_on_by_a_program(hosts, gone, folder)
    c.host.set_power_on_mode(gone, "", {})
    fails("HOST_POWER_ON_MODE_DISABLED", c.host.power_on, gone)


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PATH"] = os.path.join(folder, "bin") + ":" + os.environ["PATH"]
        everything(folder)


def everything(folder):
    with Pool(2, options=("--plugin-dir", folder, "--http-port", "0")) as hosts:
        certificates_are_replaced_at_other_hosts(hosts)
        archives_come_from_the_host_that_is_meant(hosts)
        hosts_are_backed_up_and_restored_wherever_they_are(hosts)
        disks_are_transferred_wherever_they_are(hosts)
        plain_http_is_closed_everywhere(hosts)
        hosts_are_switched_on(hosts, folder)


if __name__ == "__main__":
    main()
