"""What hosts and VMs were like: data sources, archives over HTTP, and their files."""

import json
import math
import os
import xml.etree.ElementTree

from daemon import NULL, Daemon, fails, run, same, wait_until

HOST_SOURCES = {"cpu0", "cpu_avg", "loadavg", "memory_total_kib", "memory_free_kib", "running_vcpus"}


def host_of(c):
    return c.call("host.get_all")[0]


def a_vm(c, start=True):
    (template,) = c.call("VM.get_by_name_label", "Other install media")
    vm = c.call("VM.clone", template, "watched")
    c.call("VM.provision", vm)
    if start:
        c.call("VM.start", vm, False, False)
    return vm


def get(d, c, path, status=200, **headers):
    sep = "&" if "?" in path else "?"
    reply, data = d.client().exchange("GET", f"{path}{sep}session_id={c.session}", headers=headers)
    same(reply.status, status)
    return reply, data


def sources(c, method, ref):
    return {s["name_label"]: s for s in c.call(method, ref)}


def the_machine_is_watched(d):
    c = d.login()
    host = host_of(c)
    wait_until(lambda: HOST_SOURCES <= set(sources(c, "host.get_data_sources", host)), "the first look")
    wait_until(lambda: not math.isnan(c.call("host.query_data_source", host, "cpu0")), "a second look")
    total = int(open("/proc/meminfo").readline().split()[1])
    same(c.call("host.query_data_source", host, "memory_total_kib"), float(total))
    assert 0 <= c.call("host.query_data_source", host, "cpu_avg") <= 1
    source = sources(c, "host.get_data_sources", host)["memory_free_kib"]
    same((source["units"], source["enabled"], source["standard"], source["min"]), ("KiB", True, True, 0.0))
    assert 0 < source["value"] < total and math.isinf(source["max"])
    same(fails("INVALID_VALUE", c.call, "host.query_data_source", host, "color"), ["data_source", "color"])
    fails("HANDLE_INVALID", c.call, "host.get_data_sources", NULL)


def updates_are_rows_of_all_that_is_asked_for(d):
    c = d.login()
    host = c.call("host.get_uuid", host_of(c))
    reply, data = get(d, c, "/rrd_updates?start=-600&host=true&json=true")
    same((reply.getheader("content-type"), reply.getheader("access-control-allow-origin")), ("application/json", "*"))
    updates = json.loads(data)
    meta = updates["meta"]
    same(meta["step"], "5")
    same(len(meta["legend"]), int(meta["columns"]))
    same(len(updates["data"]), int(meta["rows"]))
    assert f"AVERAGE:host:{host}:loadavg" in meta["legend"], meta
    times = [int(row["t"]) for row in updates["data"]]
    same(times, list(range(int(meta["end"]), int(meta["start"]) - 1, -5)))
    free = meta["legend"].index(f"AVERAGE:host:{host}:memory_free_kib")
    assert float(updates["data"][0]["values"][free]) > 0 and len(updates["data"][0]["values"]) == len(meta["legend"])
    reply, data = get(d, c, f"/rrd_updates?start={times[0]}&host=true")
    same(reply.getheader("content-type"), "text/xml")
    tree = xml.etree.ElementTree.fromstring(data)
    same([e.text for e in tree.find("meta/legend")], meta["legend"])
    assert len(tree.findall("data/row")) >= 1 and tree.find("data/row/t").text.isdigit()
    for interval, step in (("5", "5"), ("60", "60"), ("3600", "3600"), ("86400", "86400"), ("99999999", "86400")):
        updates = json.loads(get(d, c, f"/rrd_updates?start=-1&interval={interval}&host=true&json=x")[1])
        same(updates["meta"]["step"], step)
    same(json.loads(get(d, c, "/rrd_updates?start=-4000&host=true&json")[1])["meta"]["step"], "60")
    same(json.loads(get(d, c, "/rrd_updates?start=1&cf=MAX&host=true&json")[1])["meta"]["columns"], "0")
    for bad in ("", "?start=", "?start=x", "?start=1&interval=x", "?start=99999999999999999999"):
        get(d, c, "/rrd_updates" + bad, status=400)
    same(d.client().exchange("GET", "/rrd_updates?start=1")[0].status, 401)


def a_vm_is_watched_while_it_runs(d):
    c = d.login()
    vm = a_vm(c)
    uuid = c.call("VM.get_uuid", vm)
    wait_until(lambda: "memory" in sources(c, "VM.get_data_sources", vm), "the VM is looked at")
    same(c.call("VM.query_data_source", vm, "memory"), float(c.call("VM_metrics.get_memory_actual", c.call("VM.get_metrics", vm))))
    other = a_vm(c)
    wait_until(lambda: "memory" in sources(c, "VM.get_data_sources", other), "the other VM is looked at")
    legend = json.loads(get(d, c, f"/rrd_updates?start=-60&vm_uuid={uuid}&json")[1])["meta"]["legend"]
    same({entry.split(":")[2] for entry in legend}, {uuid})
    owners = {e.split(":")[2] for e in json.loads(get(d, c, "/rrd_updates?start=-60&json")[1])["meta"]["legend"]}
    same(owners, {uuid, c.call("VM.get_uuid", other)})
    same(fails("INVALID_VALUE", c.call, "VM.forget_data_source_archives", vm, "color"), ["data_source", "color"])
    c.call("VM.forget_data_source_archives", vm, "memory_target")
    same(sources(c, "VM.get_data_sources", vm)["memory_target"]["enabled"], False)
    legend = json.loads(get(d, c, f"/rrd_updates?start=-60&vm_uuid={uuid}&json")[1])["meta"]["legend"]
    same(legend, [f"AVERAGE:vm:{uuid}:memory"])
    c.call("VM.record_data_source", vm, "memory_target")
    same(sources(c, "VM.get_data_sources", vm)["memory_target"]["enabled"], True)
    whole = xml.etree.ElementTree.fromstring(get(d, c, f"/vm_rrd?uuid={uuid}")[1])
    same([e.text for e in whole.findall("ds/name")], ["memory", "memory_target"])
    same([len(e.findall("database/row")) for e in whole.findall("rra")], [120, 120, 168, 366])
    c.call("VM.hard_shutdown", vm)
    path = os.path.join(d.dir, "rrd", uuid)
    wait_until(lambda: os.path.exists(path), "its history goes to a file")
    fails("VM_BAD_POWER_STATE", c.call, "VM.query_data_source", vm, "memory")
    assert "memory" in sources(c, "VM.get_data_sources", vm)
    same(json.loads(get(d, c, f"/vm_rrd?uuid={uuid}&json")[1])["ds"][0]["name"], "memory")
    halted = a_vm(c, start=False)
    same(c.call("VM.get_data_sources", halted), [])
    get(d, c, f"/vm_rrd?uuid={c.call('VM.get_uuid', halted)}", status=404)
    get(d, c, "/vm_rrd?uuid=../xapid.db", status=404)
    get(d, c, "/vm_rrd", status=404)
    c.call("VM.destroy", halted)


def storage_says_how_full_it_is(d):
    c = d.login()
    sr = c.call("SR.get_all")[0]
    same(c.call("SR.query_data_source", sr, "size"), float(c.call("SR.get_physical_size", sr)))
    same(set(sources(c, "SR.get_data_sources", sr)), {"size", "physical_utilisation"})
    fails("INVALID_VALUE", c.call, "SR.query_data_source", sr, "color")


def history_outlives_the_daemon(d):
    c = d.login()
    host = host_of(c)
    fails("INVALID_VALUE", c.call, "host.backup_rrds", host, -1.0)
    file = os.path.join(d.dir, "rrd", "now")
    c.call("host.backup_rrds", host, 0.0)
    assert os.path.getsize(file) > 0
    # Rows of five seconds are kept for ten minutes, and what was asked for grows older than this.
    rows = json.loads(get(d, c, "/rrd_updates?start=-300&host=true&json")[1])
    oldest = rows["data"][-1]["t"]
    known = {row["t"]: row["values"] for row in rows["data"]}
    vms = [vm for vm, r in c.call("VM.get_all_records").items() if r["name_label"] == "watched" and r["power_state"] == "Halted"]
    gone = os.path.join(d.dir, "rrd", c.call("VM.get_uuid", vms[0]))
    assert os.path.exists(gone)
    c.call("VM.destroy", vms[0])
    open(os.path.join(d.dir, "rrd", "nonsense"), "w").close()
    for end in (d.stop, d.kill):
        end()
        d.start()
        c = d.login()
        wait_until(lambda: HOST_SOURCES <= set(sources(c, "host.get_data_sources", host)), "the first look")
        again = json.loads(get(d, c, f"/rrd_updates?start={oldest}&host=true&json")[1])
        now = {row["t"]: row["values"] for row in again["data"]}
        same({t: now.get(t) for t in known}, known)
        c.call("host.backup_rrds", host, 0.0)
    wait_until(lambda: not os.path.exists(gone), "the history of what is destroyed goes")
    assert not os.path.exists(os.path.join(d.dir, "rrd", "nonsense"))
    for damage in (b"", b"xapid rrd 1\n", os.urandom(5000), open(file, "rb").read()[:-3], open(file, "rb").read() + b"x"):
        d.kill()
        with open(file, "wb") as f:
            f.write(damage)
        d.start()
        c = d.login()
        wait_until(lambda: HOST_SOURCES <= set(sources(c, "host.get_data_sources", host)), "it is begun anew")
    assert "cannot be read" in d.log()


run([the_machine_is_watched, updates_are_rows_of_all_that_is_asked_for, a_vm_is_watched_while_it_runs, storage_says_how_full_it_is,
     history_outlives_the_daemon])
