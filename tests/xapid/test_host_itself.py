"""What a host does with itself: its daemon, its machine, its logs and its status."""

import http.client
import io
import json
import os
import subprocess
import tarfile
import xml.etree.ElementTree

from daemon import ADDRESS, BUILD, Daemon, fails, run, same, wait_until


def host_of(c):
    return c.call("host.get_all")[0]


def a_running_vm(c):
    (template,) = c.call("VM.get_by_name_label", "Other install media")
    vm = c.call("VM.clone", template, "test")
    c.call("VM.provision", vm)
    c.call("VM.start", vm, False, False)
    return vm


def the_agent_starts_anew_and_ends(d):
    own = Daemon()
    own.start()
    c = own.login()
    c.call("host.restart_agent", host_of(c))
    wait_until(lambda: own.log().count("serving https://") == 2, "the daemon serves anew")
    again = own.client()
    again.session = c.session
    again.call("host.shutdown_agent")
    same(own.process.wait(60), 0)
    own.process = None
    own.__exit__(None, None, None)


def the_machine_is_switched_off_only_when_it_is_empty(d):
    with Daemon() as own:
        command, said = os.path.join(own.dir, "power"), os.path.join(own.dir, "said")
        own.stop()
        open(command, "w").write(f'#!/bin/sh\n[ "$1" = reboot ] && echo "no, not now" >&2 && exit 3\necho "$1" >{said}\n')
        os.chmod(command, 0o755)
        own.options += ["--power-command", command]
        own.start()
        c = own.login()
        host, vm = host_of(c), a_running_vm(c)
        fails("HOST_NOT_DISABLED", c.call, "host.shutdown", host)
        fails("CANNOT_EVACUATE_HOST", c.call, "host.evacuate", host)
        c.call("host.disable", host)
        same(fails("HOST_IN_USE", c.call, "host.shutdown", host), [host, "VM", vm])
        c.call("VM.hard_shutdown", vm)
        c.call("host.evacuate", host)
        assert "no, not now" in fails("INTERNAL_ERROR", c.call, "host.reboot", host)[0]
        assert not os.path.exists(said)
        c.call("host.shutdown", host)
        same(open(said).read(), "shutdown\n")
        fails("HANDLE_INVALID", c.call, "host.shutdown", vm)
        same(c.call("host.get_current_operations", host), {})


def the_log_is_read_over_the_api(d):
    c = d.login()
    assert "serving https://" in c.call("host.get_log", host_of(c))


def https_only_closes_the_plain_port(d):
    with Daemon("--http-port", "0") as own:
        def status():
            connection = http.client.HTTPConnection(ADDRESS, int(open(os.path.join(own.dir, "http-port")).read()), timeout=120)
            connection.request("GET", "/")
            return connection.getresponse().status

        def is_closed():
            try:
                status()
            except ConnectionRefusedError:
                return True
            return False

        c = own.login()
        same(status(), 301)
        c.call("host.set_https_only", host_of(c), True)
        assert is_closed()
        own.stop()
        own.start()
        assert is_closed()
        c = own.login()
        same(c.call("host.get_https_only", host_of(c)), True)
        c.call("host.set_https_only", host_of(c), False)
        same(status(), 301)
        c.call("host.set_https_only", host_of(c), False)
        c.call("host.set_ssl_legacy", host_of(c), False)
        fails("VALUE_NOT_SUPPORTED", c.call, "host.set_ssl_legacy", host_of(c), True)


def clients_are_known_by_their_names(d):
    c = d.login()
    for agent in ("xe/1.2 (linux)", "XenOrchestra", "a b/c", "x" * 1000, "/", "caf\u00e9/1", "xe/1.3"):
        d.client().exchange("POST", "/RPC2", b"<", {"User-Agent": agent.encode()})
    agents = c.call("host.get_tracked_user_agents", host_of(c))
    same((agents["xe"], agents["XenOrchestra"], agents["a"]), ("1.3", "", ""))
    assert all(name.isascii() and len(name) < 64 for name in agents), agents


def the_clock_is_right_or_not(d):
    c = d.login()
    assert c.call("host.get_ntp_synchronized", host_of(c)) in (True, False)


def archive(c, path):
    reply, data = c.exchange("GET", path)
    same(reply.status, 200)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name.removeprefix("./"): tar.extractfile(member).read() for member in tar if member.isfile()}


def logs_and_status_are_downloaded(d):
    c = d.login()
    task = c.call("task.create", "logs", "")
    logs = archive(d.client(), f"/host_logs_download?session_id={c.session}&task_id={task}")
    assert b"session.login_with_password" in logs["log/audit.log"], logs.keys()
    same(c.call("task.get_status", task), "success")
    text = c.call("host.get_system_status_capabilities", host_of(c))
    keys = {element.get("key") for element in xml.etree.ElementTree.fromstring(text)}
    same(d.client().exchange("GET", f"/system-status?list=true&session_id={c.session}")[1].decode(), text)
    assert {"xapid-logs", "xapid-log", "xapid-database"} <= keys, keys
    secret = c.call("secret.create", {"value": "treasure", "other_config": {}})
    files = archive(d.client(), f"/system-status?session_id={c.session}")
    assert b"serving https://" in files["xapid.log"] and "log/audit.log" in files, files.keys()
    database = json.loads(files["database.json"])
    same(database["pool"], c.json("pool.get_all_records"))
    assert "session" not in database and "secret" not in database
    assert b"treasure" not in files["database.json"] and c.session.encode() not in files["database.json"]
    c.call("secret.destroy", secret)
    some = archive(d.client(), f"/system-status?entries=xapid-database&output=tar&session_id={c.session}")
    same(list(some), ["database.json"])
    same(d.client().exchange("GET", f"/system-status?output=zip&session_id={c.session}")[0].status, 400)
    same(d.client().exchange("GET", "/system-status")[0].status, 401)
    assert not [name for name in os.listdir(d.dir) if name.startswith("status-")]


def xe_saves_them(d):
    xe = [os.path.join(BUILD, "xe", "xe"), "-s", ADDRESS, "-p", str(d.port), "-u", "root", "-pw", "open sesame \u00e9", "--nossl"]
    xe.remove("--nossl")
    for command in (["host-logs-download", "file-name=" + os.path.join(d.dir, "logs.tar.gz")],
                    ["host-get-system-status", "filename=" + os.path.join(d.dir, "status.tar.bz2")]):
        r = subprocess.run([*xe, *command], capture_output=True, text=True)
        same((r.returncode, r.stderr), (0, ""))
        with tarfile.open(command[1].split("=", 1)[1]) as tar:
            assert "log/audit.log" in tar.getnames(), tar.getnames()


run([the_agent_starts_anew_and_ends, the_machine_is_switched_off_only_when_it_is_empty, the_log_is_read_over_the_api,
     https_only_closes_the_plain_port, clients_are_known_by_their_names, the_clock_is_right_or_not, logs_and_status_are_downloaded,
     xe_saves_them])
