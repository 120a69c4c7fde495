#!/usr/bin/env -S python3 -B
"""The verbs of xe: what they call, what they print, how they fail."""

import unittest

from fake_server import ApiError
from world import (CD, CD_VBD, DB, DISK, DOM0, HOST, ISO, NETWORK, NONE, ROOT_VBD, SNAPSHOT, SR, TEMPLATE, VIF, WEB, Case,
                   ref, uuid)


class Power(Case):
    def setUp(self):
        super().setUp()
        for verb in ("start", "start_on", "clean_shutdown", "hard_shutdown", "pause", "clean_reboot"):
            self.server.answers["VM." + verb] = lambda vm, *rest: self.seen.append((vm, *rest)) or ""
        self.seen = []

    def test_a_vm_is_started_by_an_asynchronous_call_and_its_task_destroyed(self):
        self.prints("", "vm-start", "vm=db")
        self.assertEqual(self.seen, [(ref(DB), False, False)])
        self.assertEqual(self.work_calls(), ["VM.get_all_records_where", "Async.VM.start", "VM.start", "event.from",
                                             "task.destroy"])
        self.assertEqual(self.server.tables["task"], {})

    def test_a_vm_is_started_paused_on_a_chosen_host(self):
        for host in (HOST, "alpha", "alpha.lab"):
            self.prints("", "vm-start", "uuid=" + DB, "on=" + host, "paused=true", "--force")
        self.assertEqual(self.seen, 3 * [(ref(DB), ref(HOST), True, True)])

    def test_force_cuts_the_power(self):
        self.prints("", "vm-shutdown", "vm=web1")
        self.prints("", "vm-shutdown", "vm=web1", "force=true")
        self.assertIn("Async.VM.clean_shutdown", self.server.calls)
        self.assertIn("Async.VM.hard_shutdown", self.server.calls)

    def test_a_task_that_failed_shows_its_error(self):
        def refuse(*args):
            raise ApiError("TEAPOT", "short")

        self.server.answers["VM.start"] = refuse
        self.fails("Error code: TEAPOT\nError parameters: short\n", "vm-start", "vm=db")

    def test_no_host_is_explained(self):
        def refuse(*args):
            raise ApiError("NO_HOSTS_AVAILABLE")

        def too_small(vm, host):
            raise ApiError("HOST_NOT_ENOUGH_FREE_MEMORY", "2", "1")

        self.server.answers.update({"VM.start": refuse, "VM.assert_can_boot_here": too_small})
        out, err = self.xe("vm-start", "vm=db", code=1)
        self.assertIn("alpha    : HOST_NOT_ENOUGH_FREE_MEMORY: [ 2; 1 ]\n", out)
        self.assertTrue(err)

    def test_progress_is_one_line_on_stderr(self):
        _, err = self.xe("vm-start", "vm=db", "--progress")
        self.assertEqual(err, "\r 100% | " + 70 * "#" + "\n")

    def test_messages_of_the_operation_are_shown(self):
        self.server.answers["host.get_servertime"] = lambda host: "20261121T08:00:00Z"
        self.server.answers["message.get"] = lambda cls, vm, since: {
            "OpaqueRef:m": {"name": "VM_PAUSED", "priority": "3", "timestamp": since},
            "OpaqueRef:n": {"name": "CHATTER", "priority": "5", "timestamp": since}}
        self.assertEqual(self.xe("vm-pause", "vm=web1"),
                         ("", "Message: time=20261121T08:00:00Z priority=3 name='VM_PAUSED'\n"))
        _, err = self.xe("vm-pause", "vm=web1", "message-priority=6")
        self.assertIn("CHATTER", err)

    def test_resetting_the_power_state_must_be_forced(self):
        _, err = self.xe("vm-reset-powerstate", "vm=db", code=1)
        self.assertTrue(err.startswith("Error: ") and "--force" in err, err)
        self.assertEqual(self.work_calls(), [])


class Selectors(Case):
    def setUp(self):
        super().setUp()
        self.server.answers["VM.pause"] = self.pause

    def pause(self, vm):
        if vm == ref(DB):
            raise ApiError("VM_BAD_POWER_STATE", vm, "running", "halted")
        return ""

    def test_no_match_is_an_error(self):
        self.fails("Error: No matching VMs found\n", "vm-pause", "vm=none")
        self.fails("Error: No matching hosts found\n", "host-disable", "host=none")

    def test_templates_and_control_domains_are_not_chosen(self):
        self.fails("Error: No matching VMs found\n", "vm-pause", "uuid=" + TEMPLATE)
        self.fails("Error: No matching VMs found\n", "vm-pause", "uuid=" + DOM0)

    def test_several_need_multiple(self):
        self.fails("Error: 2 objects match; give --multiple to work on all of them\n", "vm-pause")

    def test_failures_among_several_are_listed_at_the_end(self):
        out, err = self.xe("vm-pause", "--multiple", code=1)
        self.assertEqual(err, "")
        self.assertEqual(out, f"operation failed on {DB}: VM_BAD_POWER_STATE: [ {ref(DB)}; running; halted ]\n")

    def test_results_of_several_come_last_first(self):
        made = iter((uuid("00ff", 1), uuid("00ff", 2)))
        self.server.answers["VM.clone"] = lambda vm, name: self.server.add("VM", uuid=next(made), name_label=name)
        self.prints(f"{uuid('00ff', 2)}\n{uuid('00ff', 1)}\n", "vm-clone", "new-name-label=x", "--multiple",
                    "is-a-template=false")

    def test_what_is_no_parameter_is_refused(self):
        self.fails("Error: 'colour' is not a field of the VM class, nor an argument of vm-pause\n", "vm-pause",
                   "colour=red")

    def test_any_parameter_selects(self):
        self.prints("", "vm-pause", "other-config:folder=/prod")
        self.prints("", "vm-pause", "power-state=running", "tags:contains=a")


class Install(Case):
    def setUp(self):
        super().setUp()
        self.server.answers["VM.clone"] = lambda vm, name: self.copy(vm, name)
        self.server.answers["VM.copy"] = lambda vm, name, sr: self.copy(vm, name)
        self.server.answers["VM.provision"] = lambda vm: ""

    def copy(self, vm, name):
        original = self.server.tables["VM"][vm]
        return self.server.add("VM", uuid=uuid("00ff"), name_label=name, other_config=dict(original["other_config"]),
                               is_a_template=True, power_state="Halted")

    def made(self):
        return self.server.tables["VM"][ref(uuid("00ff"))]

    def test_a_template_is_cloned_described_and_provisioned(self):
        for template in ("template=Demo", "template=" + TEMPLATE, "template-name=Demo", "template-name-label=Demo",
                         "template-uuid=" + TEMPLATE):
            self.prints(uuid("00ff") + "\n", "vm-install", template, "new-name-label=new")
            vm = self.made()
            self.assertEqual((vm["name_label"], vm["name_description"]), ("new", "Installed via xe CLI"))
            self.assertIn(f'<disk sr="{SR}" device="0" size="8589934592" bootable="true"', vm["other_config"]["disks"])
        self.assertIn("VM.provision", self.server.calls)

    def test_an_sr_means_a_full_copy(self):
        for given in (("sr-uuid=" + ISO,), ("sr-name-label=Images",), ("sr-uuid=" + ISO, "sr-name-label=Images")):
            self.server.calls.clear()
            self.xe("vm-install", "template=Demo", "new-name-label=new", *given)
            self.assertIn("VM.copy", self.server.calls)
            self.assertIn(f'sr="{ISO}"', self.made()["other_config"]["disks"])

    def test_two_srs_that_differ_are_refused(self):
        self.fails("Error: sr-uuid and sr-name-label name different SRs\n", "vm-install", "template=Demo",
                   "new-name-label=new", "sr-uuid=" + SR, "sr-name-label=Images")

    def test_a_template_must_be_there_and_be_the_only_one(self):
        self.fails("Error: No template matches 'web1'\n", "vm-install", "template=web1", "new-name-label=new")
        self.server.add("VM", name_label="Demo", is_a_template=True)
        self.fails("Error: Several templates have the name 'Demo': use template-uuid=\n", "vm-install", "template=Demo",
                   "new-name-label=new")

    def test_disks_need_an_sr(self):
        self.server.tables["pool"][next(iter(self.server.tables["pool"]))]["default_SR"] = NONE
        self.fails("Error: The pool has no default SR: give sr-uuid, or set the pool's default-SR\n", "vm-install",
                   "template=Demo", "new-name-label=new")
        self.assertNotIn(ref(uuid("00ff")), self.server.tables["VM"])

    def test_a_half_made_vm_is_destroyed(self):
        def refuse(vm):
            raise ApiError("TEAPOT")

        self.server.answers["VM.provision"] = refuse
        self.fails("Error code: TEAPOT\nError parameters: \n", "vm-install", "template=Demo", "new-name-label=new")
        self.assertNotIn(ref(uuid("00ff")), self.server.tables["VM"])


class Uninstall(Case):
    LIST = (f"The following items are about to be destroyed\nVM : {WEB} (web1)\nVM : {SNAPSHOT} (before)\n"
            f"VDI: {DISK} (root) \n")

    def setUp(self):
        super().setUp()
        self.server.answers["VM.hard_shutdown"] = lambda vm: self.server.change("VM", vm, power_state="Halted") or ""

    def test_yes_destroys_the_vm_its_snapshots_and_the_disks_it_owns(self):
        self.prints(self.LIST + "Type 'yes' to continue\nAll objects destroyed\n", "vm-uninstall", "vm=web1",
                    stdin=" YES \n")
        self.assertNotIn(ref(WEB), self.server.tables["VM"])
        self.assertNotIn(ref(SNAPSHOT), self.server.tables["VM"])
        self.assertEqual(list(self.server.tables["VDI"]), [ref(CD)])

    def test_anything_else_leaves_everything_and_ends_with_0(self):
        self.prints(self.LIST + "Type 'yes' to continue\nAborted (you typed: 'no')\n", "vm-uninstall", "vm=web1",
                    stdin="no\n")
        self.prints(self.LIST + "Type 'yes' to continue\nAborted (you typed: '')\n", "vm-uninstall", "vm=web1")
        self.assertIn(ref(WEB), self.server.tables["VM"])

    def test_force_does_not_ask(self):
        self.prints(self.LIST + "All objects destroyed\n", "vm-uninstall", "vm=web1", "force=true")

    def test_a_shared_disk_is_warned_about(self):
        self.server.change("VDI", ref(DISK), VBDs=[ref(ROOT_VBD), "OpaqueRef:other"])
        out, _ = self.xe("vm-uninstall", "vm=web1")
        self.assertIn(f"VDI: {DISK} (root) ** WARNING: disk is shared by other VMs\n", out)

    def test_a_control_domain_is_not_destroyed(self):
        _, err = self.xe("vm-destroy", "uuid=" + DOM0, code=1)
        self.assertTrue(err.startswith("Error: "))
        self.assertIn(ref(DOM0), self.server.tables["VM"])

    def test_template_uninstall_wants_a_template(self):
        self.fails(f"Error: {WEB} is not a template\n", "template-uninstall", "template-uuid=" + WEB)
        self.prints(f"The following items are about to be destroyed\nVM : {TEMPLATE} (Demo)\nAll objects destroyed\n",
                    "template-uninstall", "template-uuid=" + TEMPLATE, "--force")


class Devices(Case):
    def test_disks_are_listed_with_their_vdis(self):
        self.prints(
            "Disk 0 VBD:\n"
            f"uuid ( RO)             : {ROOT_VBD}\n"
            "    vm-name-label ( RO): web1\n"
            "       userdevice ( RW): 0\n\n\n"
            "Disk 0 VDI:\n"
            f"uuid ( RO)             : {DISK}\n"
            "       name-label ( RW): root\n"
            "    sr-name-label ( RO): Local\n"
            "     virtual-size ( RO): 8589934592\n\n\n",
            "vm-disk-list", "vm=web1")

    def test_minimal_has_the_vdi_before_the_vbd(self):
        self.prints(f"{DISK},{ROOT_VBD}\n", "vm-disk-list", "vm=web1", "--minimal")
        self.prints(f"{DISK}\n", "vm-disk-list", "vm=web1", "--minimal", "vbd-params=none")

    def test_an_empty_drive_has_no_vdi(self):
        self.prints(
            "CD 0 VBD:\n"
            f"uuid ( RO)             : {CD_VBD}\n"
            "    vm-name-label ( RO): web1\n"
            "            empty ( RO): true\n"
            "       userdevice ( RW): 3\n\n\n",
            "vm-cd-list", "vm=web1")

    def test_nics_are_listed_for_all_vms_without_multiple(self):
        self.prints(
            f"uuid ( RO)                  : {VIF}\n"
            "         vm-name-label ( RO): web1\n"
            "                device ( RO): 0\n"
            "                   MAC ( RO): 02:00:00:00:00:AB\n"
            f"          network-uuid ( RO): {NETWORK}\n"
            "    network-name-label ( RO): lan\n\n\n",
            "vm-vif-list")

    def test_cd_list_shows_images_of_iso_srs(self):
        self.prints(f"uuid ( RO)          : {CD}\n    name-label ( RW): debian.iso\n\n\n", "cd-list")

    def test_a_disk_is_added_owned_and_plugged(self):
        self.prints("", "vm-disk-add", "vm=db", "disk-size=2GiB", "device=1")
        vbd = list(self.server.tables["VBD"].values())[-1]
        vdi = self.server.tables["VDI"][vbd["VDI"]]
        self.assertEqual((vbd["VM"], vbd["userdevice"], vbd["other_config"]), (ref(DB), "1", {"owner": ""}))
        self.assertEqual((vdi["name_label"], vdi["virtual_size"], vdi["SR"]), ("Created by xe", "2147483648", ref(SR)))
        self.assertIn("VBD.plug", self.server.calls)

    def test_a_disk_that_cannot_be_connected_is_destroyed(self):
        def refuse(record):
            raise ApiError("TEAPOT")

        self.server.answers["VBD.create"] = refuse
        self.xe("vm-disk-add", "vm=db", "disk-size=2GiB", "device=1", code=1)
        self.assertEqual(set(self.server.tables["VDI"]), {ref(DISK), ref(CD)})

    def test_a_disk_is_removed_by_its_place(self):
        self.fails("Error: The VM has no disk at device 7\n", "vm-disk-remove", "vm=web1", "device=7")
        self.prints("", "vm-disk-remove", "vm=web1", "device=0")
        self.assertEqual(set(self.server.tables["VBD"]), {ref(CD_VBD)})
        self.assertEqual(set(self.server.tables["VDI"]), {ref(CD)})

    def test_a_cd_is_inserted_by_name(self):
        self.server.answers["VBD.insert"] = lambda vbd, vdi: self.server.change("VBD", vbd, VDI=vdi, empty=False) or ""
        self.prints("", "vm-cd-insert", "vm=web1", "cd-name=debian.iso")
        self.assertEqual(self.server.tables["VBD"][ref(CD_VBD)]["VDI"], ref(CD))
        self.fails("Error: No CD image has the name 'none'\n", "vm-cd-insert", "vm=web1", "cd-name=none")

    def test_a_vbd_takes_words_in_any_case(self):
        out, _ = self.xe("vbd-create", "vm-uuid=" + DB, "vdi-uuid=" + CD, "device=3", "type=cd", "mode=ro",
                         "bootable=true")
        vbd = self.server.tables["VBD"][ref(out.strip())]
        self.assertEqual((vbd["type"], vbd["mode"], vbd["bootable"], vbd["empty"], vbd["unpluggable"]),
                         ("CD", "RO", True, False, True))

    def test_a_vif_takes_the_networks_mtu(self):
        self.server.change("network", ref(NETWORK), MTU="9000")
        out, _ = self.xe("vif-create", "vm-uuid=" + DB, "network-uuid=" + NETWORK, "device=0")
        vif = self.server.tables["VIF"][ref(out.strip())]
        self.assertEqual((vif["MTU"], vif["MAC"]), ("9000", ""))


class Storage(Case):
    def test_a_vdi_is_created_with_its_size_in_bytes(self):
        out, _ = self.xe("vdi-create", "sr-uuid=" + SR, "name-label=data", "virtual-size=10 MiB", "tags:x", "tags:y",
                         "sm-config:k=v")
        vdi = self.server.tables["VDI"][ref(out.strip())]
        self.assertEqual((vdi["virtual_size"], vdi["type"], vdi["tags"], vdi["sm_config"]),
                         ("10485760", "user", ["x", "y"], {"k": "v"}))

    def test_bad_sizes_and_types_are_refused(self):
        for size in ("-1", "1.5GiB", "", "9223372036854775807KiB", "1 PiB"):
            _, err = self.xe("vdi-create", "sr-uuid=" + SR, "name-label=data", "virtual-size=" + size, code=1)
            self.assertTrue(err.startswith("Error: "), err)
        _, err = self.xe("vdi-create", "sr-uuid=" + SR, "name-label=data", "virtual-size=1", "type=rrd", code=1)
        self.assertTrue(err.startswith("Error: "), err)

    def test_an_sr_goes_to_the_only_host(self):
        seen = []
        self.server.answers["SR.create"] = lambda *given: seen.append(given) or ref(SR)
        self.prints(SR + "\n", "sr-create", "name-label=new", "type=file", "device-config:location=/x", "shared=yes",
                    "physical-size=1KiB")
        self.assertEqual(seen, [(ref(HOST), {"location": "/x"}, "1024", "new", "", "file", "", True, {})])

    def test_a_local_sr_in_a_pool_needs_its_host(self):
        self.server.add("host", name_label="beta")
        self.fails("Required parameter not found: host-uuid\nFor usage run: 'xe help'\n", "sr-create", "name-label=new",
                   "type=file")

    def test_an_sr_setting_comes_from_a_file(self):
        seen = []
        self.server.answers["SR.create"] = lambda *given: seen.append(given[1]) or ref(SR)
        self.xe("sr-create", "name-label=new", "type=file", "device-config:key-filename=" + __file__)
        with open(__file__) as f:
            self.assertEqual(seen, [{"key": f.read()}])
        _, err = self.xe("sr-create", "name-label=new", "type=file", "device-config:key-filename=/nonexistent", code=1)
        self.assertEqual(err, "Error: Cannot read /nonexistent\n")

    def test_direct_text_is_followed_by_an_empty_minimal_line(self):
        self.server.answers["SR.create"] = lambda *given: ref(SR)
        self.prints(SR + "\n\n", "sr-create", "name-label=new", "type=file", "--minimal")

    def test_a_network_is_created(self):
        out, _ = self.xe("network-create", "name-label=dmz")
        network = self.server.tables["network"][ref(out.strip())]
        self.assertEqual((network["MTU"], network["managed"]), ("1500", True))

    def test_a_command_without_output_prints_the_minimal_line(self):
        self.prints("\n", "network-destroy", "uuid=" + NETWORK, "--minimal")


class Events(Case):
    def test_an_object_that_is_as_wished_ends_the_wait_at_once(self):
        self.prints("", "event-wait", "class=vm", "power-state=running", "uuid=" + WEB)
        self.prints("", "event-wait", "class=vm", "power-state=/=running", "name-label=/=db")

    def test_a_change_ends_the_wait(self):
        waiting = self.server.answers["event.from"] = self.start_on_second_call
        self.assertTrue(waiting)
        self.prints("", "event-wait", "class=vm", "power-state=running", "uuid=" + DB)

    def start_on_second_call(self, classes, token, timeout):
        if token:
            self.server.change("VM", ref(DB), power_state="Running")
        return self.server.events(classes, token, timeout)

    def test_unknown_keys_and_classes_are_errors(self):
        self.fails("Error: key missing: colour\n", "event-wait", "class=vm", "colour=red")
        self.fails("Error: event-wait does not know the class 'soup'\n", "event-wait", "class=soup")


class Console(Case):
    def setUp(self):
        super().setUp()
        location = f"http://{self.server.address}:{self.server.port}/console?uuid=x"
        console = self.server.add("console", uuid=uuid("00fc"), protocol="vt100", location=location)
        self.server.change("VM", ref(WEB), consoles=[console])

    def test_what_is_typed_goes_to_the_guest_until_the_quit_key(self):
        out, _ = self.xe("console", "vm=web1", stdin="abc\x1dnot this")
        first, _, rest = out.partition("\n")
        self.assertIn("'web1'", first)
        self.assertIn("Ctrl-]", first)
        self.assertTrue("hello\r\nABC".startswith(rest), rest)
        self.assertIn("CONNECT /console?uuid=x&session_id=OpaqueRef:session", self.server.calls)

    def test_a_vm_without_console_says_so(self):
        out, err = self.xe("console", "vm=db", code=1)
        self.assertEqual((out, err), ("", "The VM has no text console; is it running?\n"))


if __name__ == "__main__":
    unittest.main()
