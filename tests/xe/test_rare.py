#!/usr/bin/env -S python3 -B
"""Commands that few pools need: editions, updates, advice, recovery, limits, logs."""

import os
import tempfile
import unittest

from fake_server import ApiError
from world import DB, DISK, DOM0, HOST, NONE, POOL, SR, WEB, Seen, ref, uuid

UPDATE, PATCH, CALLER, LIMIT, APPLIANCE = (uuid("00f0", n) for n in range(1, 6))


class Rare(Seen):
    def refuse(self, method, *description):
        def answer(*params):
            self.seen.append((method, *params))
            raise ApiError(*description)

        self.server.answers[method] = answer


class Editions(Rare):
    def setUp(self):
        super().setUp()
        self.server.change("host", ref(HOST), license_server={"address": "old", "port": "1"}, edition="free",
                           license_params={"expiry": "20500101T00:00:00Z"})
        self.answer("host.set_license_server")
        self.answer("host.apply_edition")
        self.answer("pool.apply_edition")

    def test_an_edition_is_applied_to_the_host_called_or_another(self):
        self.prints("", "host-apply-edition", "edition=free")
        self.prints("", "host-apply-edition", "edition=free", "host-uuid=" + HOST)
        self.assertEqual(self.seen, 2 * [("host.apply_edition", ref(HOST), "free")])

    def test_a_pool_gets_one(self):
        self.prints("", "pool-apply-edition", "edition=free")
        self.assertEqual(self.seen, [("pool.apply_edition", ref(POOL), "free")])

    def test_the_licence_server_is_set_before_and_set_back_after_a_failure(self):
        self.refuse("host.apply_edition", "INVALID_EDITION", "gold")
        self.xe("host-apply-edition", "edition=gold", "license-server-address=new", code=1)
        self.assertEqual(self.seen, [("host.set_license_server", ref(HOST), {"address": "new", "port": "1"}),
                                     ("host.apply_edition", ref(HOST), "gold"),
                                     ("host.set_license_server", ref(HOST), {"address": "old", "port": "1"})])

    def test_what_hosts_have_is_shown(self):
        out, _ = self.xe("diagnostic-license-status")
        for said in ("alpha.lab", HOST, "free", "20500101T00:00:00Z"):
            self.assertIn(said, out)

    def test_old_tls_is_gone_already(self):
        self.prints("", "pool-disable-ssl-legacy")
        self.assertEqual(self.work_calls(), [])


class Files(Rare):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = os.path.join(self.folder.name, "update.iso")
        with open(self.file, "w") as f:
            f.write("content")
        self.server.answers["task.create"] = lambda name, text: self.server.add("task", status="pending")
        self.server.add("pool_update", uuid=UPDATE, vdi=ref(DISK))
        self.server.add("pool_patch", uuid=PATCH)

    def put(self, path, result=""):
        self.server.files[path] = lambda query, body: self.seen.append((path, query, body)) or result

    def test_a_host_is_backed_up_and_restored(self):
        saved = os.path.join(self.folder.name, "backup")
        self.server.files["/host_backup"] = lambda query: b"all of it"
        self.put("/host_restore")
        self.prints("", "host-backup", "host=alpha", "file-name=" + saved)
        with open(saved) as f:
            self.assertEqual(f.read(), "all of it")
        self.prints("", "host-restore", "file-name=" + saved)
        same_host = {"host_id": ref(HOST)}
        self.assertEqual(self.seen, [("/host_restore", same_host, b"all of it")])

    def test_an_update_is_a_disk_named_after_the_file(self):
        self.put("/import_raw_vdi", ref(DISK))
        self.answer("pool_update.introduce", ref(UPDATE))
        self.prints(UPDATE + "\n", "update-upload", "file-name=" + self.file)
        self.assertEqual(self.seen, [("/import_raw_vdi", {"sr_id": ref(SR)}, b"content"), ("pool_update.introduce", ref(DISK))])
        self.assertEqual(self.server.tables["VDI"][ref(DISK)]["name_label"], "update.iso")

    def test_a_disk_that_is_no_update_goes(self):
        self.put("/import_raw_vdi", ref(DISK))
        self.refuse("pool_update.introduce", "INVALID_UPDATE", "no")
        self.xe("update-upload", "file-name=" + self.file, "sr-uuid=" + SR, code=1)
        self.assertNotIn(ref(DISK), self.server.tables["VDI"])

    def test_patches_and_bundles_are_sent(self):
        self.put("/pool_patch_upload", ref(PATCH))
        self.put("/bundle")
        self.prints(PATCH + "\n", "patch-upload", "file-name=" + self.file)
        self.prints("", "pool-sync-bundle", "filename=" + self.file)
        self.assertEqual(self.seen, [("/pool_patch_upload", {"sr_id": ref(SR)}, b"content"), ("/bundle", {}, b"content")])

    def test_a_refusal_of_the_server_is_told(self):
        def refuse(query, body):
            raise ApiError("TEAPOT", "short")

        self.server.files["/pool_patch_upload"] = refuse
        self.fails("Error code: TEAPOT\nError parameters: short\n", "patch-upload", "file-name=" + self.file)

    def test_reports_are_printed_or_saved(self):
        self.server.files["/wlb_report"] = lambda query: repr(sorted(query.items())).encode()
        self.server.files["/wlb_diagnostics"] = lambda query: b"lines"
        self.prints("[('Start', '1'), ('report', 'pool_health')]", "pool-retrieve-wlb-report", "report=pool_health", "Start=1")
        saved = os.path.join(self.folder.name, "diagnostics")
        self.prints("", "pool-retrieve-wlb-diagnostics", "filename=" + saved)
        with open(saved) as f:
            self.assertEqual(f.read(), "lines")


class Advice(Rare):
    def test_where_vms_would_go(self):
        for command, method in ((["pool-retrieve-wlb-recommendations"], "pool.retrieve_wlb_recommendations"),
                                (["host-retrieve-wlb-evacuate-recommendations", "uuid=" + HOST],
                                 "host.retrieve_wlb_evacuate_recommendations")):
            self.answer(method, {ref(WEB): ["WLB", "beta", "3.0"]})
            out, _ = self.xe(*command)
            for said in (WEB, "web1", "WLB beta 3.0"):
                self.assertIn(said, out)
        self.answer("VM.retrieve_wlb_recommendations", {ref(HOST): ["WLB", "4.5"]})
        out, _ = self.xe("vm-retrieve-wlb-recommendations", "vm=web1")
        for said in (HOST, "alpha", "WLB 4.5"):
            self.assertIn(said, out)

    def test_what_would_happen_if_hosts_failed(self):
        self.server.change("host", ref(HOST), resident_VMs=[ref(WEB), ref(DOM0)])
        self.answer("pool.ha_compute_vm_failover_plan", {ref(WEB): {"host": "beta"}})
        self.assertIn("host: beta", self.xe("pool-ha-compute-vm-failover-plan", "host-uuids=" + HOST)[0])
        self.assertEqual(self.seen.pop(), ("pool.ha_compute_vm_failover_plan", [ref(HOST)], [ref(WEB)]))
        command = "pool-ha-compute-hypothetical-max-host-failures-to-tolerate"
        self.answer("pool.ha_compute_hypothetical_max_host_failures_to_tolerate", "2")
        self.prints("2\n", command, f"vm-uuid={WEB},{DB}", "restart-priority=restart,best-effort")
        self.assertEqual(self.seen.pop()[1], {ref(WEB): "restart", ref(DB): "best-effort"})
        self.assertIn("as many", self.xe(command, f"vm-uuid={WEB},{DB}", "restart-priority=restart", code=1)[1])

    def test_the_health_of_the_daemon_is_an_exit_code(self):
        self.answer("host.ha_xapi_healthcheck", True)
        self.prints("xapi is healthy.\n", "host-ha-xapi-healthcheck")
        self.answer("host.ha_xapi_healthcheck", False)
        self.xe("host-ha-xapi-healthcheck", code=2)
        self.refuse("host.ha_xapi_healthcheck", "INTERNAL_ERROR", "no")
        self.xe("host-ha-xapi-healthcheck", code=3)


class Recovery(Rare):
    def test_a_vm_comes_back_out_of_another_database(self):
        self.answer("VDI.open_database", "OpaqueRef:foreign")
        self.answer("VM.recover")
        self.answer("VM.assert_can_be_recovered")
        self.prints("", "vm-recover", "uuid=" + WEB, "database:vdi-uuid=" + DISK, "--force")
        self.prints("", "vm-assert-can-be-recovered", "uuid=" + WEB, "database:vdi-uuid=" + DISK)
        self.assertEqual(self.seen, [("VDI.open_database", ref(DISK)), ("VM.recover", ref(WEB), "OpaqueRef:session", True),
                                     ("VDI.open_database", ref(DISK)),
                                     ("VM.assert_can_be_recovered", ref(WEB), "OpaqueRef:session")])
        self.assertEqual(self.server.calls.count("session.logout"), 4)

    def test_an_appliance_does_too(self):
        self.server.add("VM_appliance", uuid=APPLIANCE)
        self.answer("VDI.open_database", "OpaqueRef:foreign")
        self.answer("VM_appliance.recover")
        self.refuse("VM_appliance.assert_can_be_recovered", "VM_REQUIRES_SR", ref(WEB), ref(SR))
        self.prints("", "appliance-recover", "uuid=" + APPLIANCE, "database:vdi-uuid=" + DISK)
        self.xe("appliance-assert-can-be-recovered", "uuid=" + APPLIANCE, "database:vdi-uuid=" + DISK, code=1)
        self.assertIn("database:vdi-uuid=", self.xe("appliance-recover", "uuid=" + APPLIANCE, code=1)[1])

    def test_storage_is_looked_for(self):
        self.answer("SR.probe_ext", [{"configuration": {"device": "/dev/sdb"}, "complete": True, "extra_info": {},
                                      "sr": {"uuid": "u", "free_space": "5"}}])
        out, _ = self.xe("sr-probe-ext", "type=lvm", "device-config:device=/dev/sdb")
        for said in ("/dev/sdb", "complete", "sr.free_space"):
            self.assertIn(said, out)
        self.assertEqual(self.seen.pop(), ("SR.probe_ext", ref(HOST), {"device": "/dev/sdb"}, "lvm", {}))


class Limits(Rare):
    def test_who_calls_how_much(self):
        self.server.add("Caller", uuid=CALLER)
        self.answer("Caller.query_all_usage", [["u1", "xe", "5.5", "3"], ["u2", "xo", "1.0", "1"]])
        out, _ = self.xe("caller-list-usage")
        for said in ("u1", "name-label", "xo", "5.5"):
            self.assertIn(said, out)
        for of, whose, key in (("", ref(CALLER), "uuid=" + CALLER), ("group_", "team", "group=team")):
            self.answer(f"Caller.query_{of}token_usage", 2.5)
            self.answer(f"Caller.query_{of}call_count", "7")
            self.assertIn("2.5", self.xe("caller-query-usage", key)[0])
            self.assertEqual({s[1] for s in self.seen[-2:]}, {whose})
        self.xe("caller-query-usage", code=1)

    def test_a_limit_is_made_for_callers(self):
        self.server.add("Caller", uuid=CALLER)
        self.server.add("Rate_limit", uuid=LIMIT)
        self.answer("Rate_limit.create", ref(LIMIT))
        self.answer("Rate_limit.add_caller")
        self.prints(LIMIT + "\n", "rate-limit-create", "burst-size=10", "fill-rate=2.5", "caller-uuids=" + CALLER)
        self.assertEqual(self.seen, [("Rate_limit.create", {"name_label": "", "name_description": "", "burst_size": 10.0,
                                                           "fill_rate": 2.5}), ("Rate_limit.add_caller", ref(LIMIT), ref(CALLER))])
        self.xe("rate-limit-create", "burst-size=ten", "fill-rate=2.5", code=1)


class Logs(Rare):
    def test_there_is_one_log(self):
        self.answer("host.get_log", "line 1\nline 2\n")
        self.prints("xapi\n", "log-get-keys")
        self.prints("line 1\nline 2\n", "log-get", "key=xapi")
        self.fails("Error: There is no log other\n", "log-get", "key=other")

    def test_it_goes_elsewhere_and_says_more(self):
        self.answer("host.syslog_reconfigure")
        again = ("host.syslog_reconfigure", ref(HOST))
        self.prints("", "log-reopen")
        self.assertEqual(self.seen, [again])
        self.server.change("host", ref(HOST), logging={"syslog_destination": "old"})
        self.prints("", "log-set-output", "output=syslog:192.0.2.9", "key=xapi", "level=warning")
        self.assertEqual(self.server.tables["host"][ref(HOST)]["logging"],
                         {"syslog_destination": "192.0.2.9", "level": "warning"})
        self.prints("", "log-set-output", "output=stderr")
        self.prints("", "diagnostic-db-log")
        self.assertEqual(self.server.tables["host"][ref(HOST)]["logging"], {"level": "debug"})
        self.assertEqual(self.seen, 4 * [again])
        for output in ("nil", "syslog:", "file:/tmp/x"):
            self.fails(f"Error: The log goes to stderr or syslog:ADDRESS, not to {output}\n", "log-set-output",
                       "output=" + output)
        self.fails("Error: There is no log other\n", "log-set-output", "output=stderr", "key=other")

    def test_requests_are_counted(self):
        self.answer("Diagnostics.network_stats", [["post", "/RPC2", "17"]])
        self.prints("post /RPC2 17\n", "diagnostic-net-stats", "host=alpha", "uri=/RPC2")
        self.assertEqual(self.seen.pop(), ("Diagnostics.network_stats", ref(HOST), {"uri": "/RPC2"}))


if __name__ == "__main__":
    unittest.main()
