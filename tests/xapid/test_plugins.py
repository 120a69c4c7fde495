"""host.call_plugin and call_extension: real programs, what they answer, and what they get wrong."""

import json
import os
import tempfile

from daemon import Daemon, fails, run, same, wait_until

PLUGINS = tempfile.TemporaryDirectory()

ECHO = """#!/usr/bin/env python3
import sys, xmlrpc.client
(session, args), fn = xmlrpc.client.loads(sys.argv[1])
kind = args.get("kind")
if fn == "fail":
    answer = {"Status": "Failure", "ErrorDescription": ["PLUGIN_SAYS_NO", "one", args["two"]]}
else:
    answer = {"Status": "Success", "Value": "|".join([fn, str(session.startswith("OpaqueRef:"))] + sorted(args.values()))}
if kind == "fault":
    print(xmlrpc.client.dumps(xmlrpc.client.Fault(7, "a reason"), methodresponse=True))
elif kind == "exit":
    print("half"); print("why", file=sys.stderr); sys.exit(3)
elif kind == "garbage":
    sys.stdout.buffer.write(b"\\xff\\xfe<<<<")
elif kind == "nested":
    print("<methodResponse><params><param>" + "<value><array><data>" * 5000)
elif kind == "entities":
    print('<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><methodResponse><params><param><value>&a;</value></param></params></methodResponse>')
elif kind == "closed":
    print("</a>" * 5000 + "<a>" * 5000)
elif kind == "hidden":
    print("<methodResponse>" + "<value>/>" * 20000 + "</value>" * 20000 + "</methodResponse><?x " + "<a" * 20000 + "?>")
elif kind == "attributes":
    print("<methodResponse a='1'>" + xmlrpc.client.dumps((answer,), methodresponse=True) + "</methodResponse>")
elif kind == "number":
    print(xmlrpc.client.dumps((5,), methodresponse=True))
elif kind == "no_code":
    print(xmlrpc.client.dumps(({"Status": "Failure", "ErrorDescription": []},), methodresponse=True))
elif kind != "silent":
    print(xmlrpc.client.dumps((answer,), methodresponse=True))
"""

EXTENSION = """#!/usr/bin/env python3
import json, sys
call = json.load(sys.stdin)
kind = (call["params"] or [""])[0]
assert sys.argv[1:] == ["--jsonrpc"], sys.argv
if kind == "list":
    print(json.dumps({"error": ["EXTENSION_SAYS_NO", "one", "two"], "result": None, "id": call["id"]}))
elif kind == "error":
    print(json.dumps({"jsonrpc": "2.0", "error": {"code": 1, "message": "EXTENSION_SAYS_NO", "data": ["one"]}, "id": call["id"]}))
elif kind == "numbers":
    print(json.dumps({"error": ["EXTENSION_SAYS_NO", 5]}))
elif kind == "empty":
    print(json.dumps({"error": []}))
elif kind == "exit":
    print("half"); print("why", file=sys.stderr); sys.exit(3)
elif kind == "garbage":
    sys.stdout.buffer.write(b"\\xff\\xfe{{{{")
elif kind == "nested":
    print('{"result":' + "[" * 100000)
elif kind == "text":
    print(json.dumps({"result": "\u00e9 text"}))
elif kind != "silent":
    print(json.dumps({"jsonrpc": "2.0", "result": {"method": call["method"], "n": len(call["params"])}, "id": call["id"]}))
"""

SLEEPER = """#!/bin/sh
echo $$ >"$(dirname "$0")/pid"
exec sleep 1000
"""


def write(name, text, mode=0o755):
    path = os.path.join(PLUGINS.name, name)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


def call(s, plugin, fn, **args):
    return s.call("host.call_plugin", s.call("host.get_all")[0], plugin, fn, args)


def a_plugin_gets_the_call_and_its_answer_comes_back(d):
    s = d.login()
    same(call(s, "echo", "speak", a="1", b="<&>\u00e9 \u732b"), "speak|True|1|<&>\u00e9 \u732b")


def a_vm_stands_for_the_host_it_runs_on(d):
    s = d.login()
    template = s.call("VM.get_by_name_label", "Other install media")[0]
    vm = s.call("VM.clone", template, "guest")
    s.call("VM.provision", vm)
    ask = lambda: s.call("VM.call_host_plugin", vm, "echo", "speak", {"a": "1"})  # noqa: E731
    same(fails("VM_BAD_POWER_STATE", ask), [vm, "running", "halted"])
    s.call("VM.start", vm, False, False)
    same(ask(), "speak|True|1")
    same(s.call("VM.get_current_operations", vm), {})


def names_that_are_no_plugin_are_missing(d):
    s = d.login()
    for name in "nothing", "", ".", "..", "../echo", PLUGINS.name + "/echo", "plain", "folder", ".hidden":
        same(fails("XENAPI_MISSING_PLUGIN", call, s, name, "speak"), [name])


def what_goes_wrong_is_told(d):
    s = d.login()
    same(fails("PLUGIN_SAYS_NO", lambda: call(s, "echo", "fail", two="2")), ["one", "2"])
    same(fails("XENAPI_PLUGIN_FAILURE", lambda: call(s, "echo", "x", kind="fault")), ["fault", "7", "a reason"])
    same(fails("XENAPI_PLUGIN_FAILURE", lambda: call(s, "echo", "x", kind="exit")), ["non-zero exit", "half\n", "why\n"])
    for kind in "garbage", "nested", "entities", "closed", "hidden", "attributes", "number", "silent", "no_code":
        same(fails("XENAPI_PLUGIN_FAILURE", lambda: call(s, "echo", "x", kind=kind))[0], "no response")
    fails("INVALID_VALUE", lambda: call(s, "echo", "x", long="y" * 200000))


def cancelling_the_task_ends_the_plugin(d):
    s = d.login()
    task = s.call("Async.host.call_plugin", s.call("host.get_all")[0], "sleeper", "x", {})
    pid_file = os.path.join(PLUGINS.name, "pid")
    wait_until(lambda: os.path.exists(pid_file) and open(pid_file).read().strip(), "the plugin runs")
    s.call("task.cancel", task)
    s.await_change(["task"], lambda: s.call("task.get_status", task) != "pending", "the task ends")
    same(s.call("task.get_status", task), "cancelled")
    assert not os.path.exists("/proc/" + open(pid_file).read().strip())


def extend(s, name, *params):
    return s.call("host.call_extension", s.call("host.get_all")[0], json.dumps({"method": name, "params": params, "id": 7}))


def an_extension_speaks_json(d):
    s = d.login()
    host, (pool,) = s.call("host.get_all")[0], s.call("pool.get_all")
    same(json.loads(extend(s, "extend", "a", "b" * 200000)), {"method": "extend", "n": 2})
    same(json.loads(s.call("host.call_extension", host, "extend")), {"method": "extend", "n": 0})
    same(extend(s, "extend", "text"), "\u00e9 text")
    same((s.call("host.has_extension", host, "extend"), s.call("pool.has_extension", pool, "extend")), (True, True))
    same((s.call("host.has_extension", host, "../extend"), s.call("pool.has_extension", pool, "plain")), (False, False))


def what_goes_wrong_with_one_is_told(d):
    s = d.login()
    host = s.call("host.get_all")[0]
    for name in "nothing", "..", "../extend", PLUGINS.name + "/extend", "plain", "folder", ".hidden":
        same(fails("MESSAGE_METHOD_UNKNOWN", lambda: extend(s, name)), [name])
    for text in '{"method": 5}', "{", "{}", '{"method": "extend"' + "[" * 100000:
        fails("INVALID_VALUE", s.call, "host.call_extension", host, text)
    same(fails("EXTENSION_SAYS_NO", lambda: extend(s, "extend", "list")), ["one", "two"])
    same(fails("EXTENSION_SAYS_NO", lambda: extend(s, "extend", "error")), ["one"])
    same(fails("EXTENSION_PROTOCOL_FAILURE", lambda: extend(s, "extend", "numbers")), ['["EXTENSION_SAYS_NO",5]'])
    same(fails("EXTENSION_PROTOCOL_FAILURE", lambda: extend(s, "extend", "empty")), ["[]"])
    same(fails("INTERNAL_ERROR", lambda: extend(s, "extend", "exit")), ["extend", "non-zero exit", "half\n", "why\n"])
    for kind in "garbage", "nested", "silent":
        same(fails("INTERNAL_ERROR", lambda: extend(s, "extend", kind))[:2], ["extend", "no response"])


write("extend", EXTENSION)
write("echo", ECHO)
write("sleeper", SLEEPER)
write(".hidden", ECHO)
write("plain", ECHO, 0o644)
os.mkdir(os.path.join(PLUGINS.name, "folder"))
run([a_plugin_gets_the_call_and_its_answer_comes_back, a_vm_stands_for_the_host_it_runs_on,
     names_that_are_no_plugin_are_missing, what_goes_wrong_is_told,
     cancelling_the_task_ends_the_plugin, an_extension_speaks_json, what_goes_wrong_with_one_is_told],
    lambda: Daemon("--plugin-dir", PLUGINS.name, "--extension-dir", PLUGINS.name))
