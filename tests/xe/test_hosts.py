#!/usr/bin/env -S python3 -B
"""Hosts that leave, VMs that move between hosts, and what hosts, VMs and SRs say of themselves."""

import unittest

from fake_server import ApiError
from world import DB, DISK, HOST, NONE, POOL, SR, WEB, Seen, ref, uuid

BETA, PIF, VLAN = uuid("00f4"), uuid("00f5"), uuid("00f6")
DUMP, DRIVER, VARIANT = uuid("00f7"), uuid("00f8"), uuid("00f9")
SOURCE = {"name_label": "cpu0", "name_description": "use of CPU 0", "enabled": True, "standard": False, "min": 0.0,
          "max": 1.0, "units": "(fraction)"}


class Leaving(Seen):
    def leaves(self, command, method, *args):
        self.answer(method)
        self.assertTrue(self.xe(*args, stdin="no\n")[0].endswith("Type 'yes' to continue\nAborted (you typed: 'no')\n"))
        self.assertEqual(self.seen, [], command)
        self.assertTrue(self.xe(*args, stdin="Yes\n")[0].startswith("WARNING: "))
        self.prints("", *args, "--force")
        self.assertEqual(self.seen, 2 * [(method, ref(HOST))])

    def test_a_host_is_forgotten_when_the_user_says_so(self):
        self.leaves("host-forget", "host.destroy", "host-forget", "uuid=" + HOST)

    def test_a_host_is_declared_dead_when_the_user_says_so(self):
        self.leaves("host-declare-dead", "host.declare_dead", "host-declare-dead", "uuid=" + HOST)

    def test_a_host_is_ejected_when_the_user_says_so(self):
        self.leaves("pool-eject", "pool.eject", "pool-eject", "host-uuid=" + HOST)

    def test_ejecting_names_the_disks_that_no_other_host_reaches(self):
        self.server.change("host", ref(HOST), PBDs=[ref(uuid("00d1"))])
        self.server.change("SR", ref(SR), VDIs=[ref(DISK)])
        self.assertIn(f"\nVDI: {DISK} (root)\nType", self.xe("pool-eject", "host-uuid=" + HOST)[0])
        self.server.change("SR", ref(SR), PBDs=[ref(uuid("00d1")), ref(uuid("00d2"))])
        self.assertNotIn("VDI:", self.xe("pool-eject", "host-uuid=" + HOST)[0])


class Moving(Seen):
    def setUp(self):
        super().setUp()
        self.server.add("host", uuid=BETA, name_label="beta", hostname="beta.lab")
        self.answer("VM.pool_migrate")

    def test_a_vm_moves_to_a_host_named_in_any_way(self):
        for host in ("host=beta", "host-uuid=" + BETA, "host-name=beta.lab"):
            self.prints("", "vm-migrate", "vm=web1", host, "live=true")
        self.assertEqual(self.seen, 3 * [("VM.pool_migrate", ref(WEB), ref(BETA), {"live": "true"})])
        self.assertIn("Async.VM.pool_migrate", self.server.calls)

    def test_several_vms_move_and_one_that_cannot_does_not_stop_the_others(self):
        def move(vm, host, options):
            if vm == ref(DB):
                raise ApiError("VM_BAD_POWER_STATE", vm, "running", "halted")
            self.seen.append((vm, host, options))
            return ""

        self.server.answers["VM.pool_migrate"] = move
        out, _ = self.xe("vm-migrate", "--multiple", "host=beta", code=1)
        self.assertIn(DB, out)
        self.assertEqual(self.seen, [(ref(WEB), ref(BETA), {})])

    def test_what_is_missing_or_cannot_be_done_is_said_before_anything_moves(self):
        self.fails("Error: A host to move to is needed: host= with its uuid or name\n", "vm-migrate", "vm=web1")
        self.fails("Error: No host has the name or uuid 'gamma'\n", "vm-migrate", "vm=web1", "host=gamma")
        for words, missing in ((["remote-master=there"], "remote-username"), ([f"vdi:{DISK}={SR}"], "remote-master"),
                               (["vif:x=y", "remote-master=a", "remote-username=b"], "remote-password")):
            self.fails(f"Error: To move with disks, or to another pool, {missing} is needed\n",
                       "vm-migrate", "vm=web1", "host=beta", *words)
        self.assertEqual(self.seen, [])


class Metrics(Seen):
    OBJECTS = {"host": ("host=alpha", HOST, "host"), "vm": ("vm=web1", WEB, "VM"), "sr": ("sr=Local", SR, "SR")}

    def test_metrics_are_listed(self):
        for word, (chosen, found, cls) in self.OBJECTS.items():
            self.answer(cls + ".get_data_sources", [SOURCE])
            self.prints("name_label          : cpu0\n"
                        "    name_description: use of CPU 0\n"
                        "             enabled: true\n"
                        "            standard: false\n"
                        "                 min: 0.000\n"
                        "                 max: 1.000\n"
                        "               units: (fraction)\n\n\n", word + "-data-source-list", chosen)
            self.assertEqual(self.seen.pop(), (cls + ".get_data_sources", ref(found)))

    def test_a_metric_says_its_value(self):
        for word, (chosen, found, cls) in self.OBJECTS.items():
            self.answer(cls + ".query_data_source", 0.25)
            self.prints("0.250000\n" if word == "vm" else "0.250\n", word + "-data-source-query", chosen, "data-source=cpu0")
            self.assertEqual(self.seen.pop(), (cls + ".query_data_source", ref(found), "cpu0"))

    def test_metrics_are_of_one_object(self):
        self.answer("VM.query_data_source", 0.25)
        self.xe("vm-data-source-query", "--multiple", "data-source=cpu0", code=1)
        self.assertEqual(self.seen, [])


class Sayings(Seen):
    def test_the_masks_of_cpus_are_shown(self):
        info = {"cpu_count": "2", "features_hvm": "00ff", "features_pv": "0ff0"}
        self.server.change("host", ref(HOST), cpu_info=info)
        self.server.change("pool", ref(POOL), cpu_info=info)
        shown = "features_hvm    : 00ff\n     features_pv: 0ff0\n\n\n"
        self.prints(shown, "host-get-cpu-features", "uuid=" + HOST)
        self.prints(shown, "pool-get-cpu-features")

    def test_vms_in_the_way_of_an_evacuation_are_shown_with_the_reason(self):
        self.answer("host.get_vms_which_prevent_evacuation", {ref(WEB): ["VM_HAS_PCI_ATTACHED", "x"]})
        self.prints(f"{WEB}    : VM_HAS_PCI_ATTACHED, x\n\n\n", "host-get-vms-which-prevent-evacuation", "uuid=" + HOST)
        self.answer("host.get_vms_which_prevent_evacuation", {})
        self.prints("", "host-get-vms-which-prevent-evacuation", "uuid=" + HOST)

    def test_the_state_of_bios_strings_is_told(self):
        for strings, said in (({}, "no BIOS strings yet"), ({"bios-vendor": "Xen"}, "BIOS-generic"),
                              ({"bios-vendor": "Maker"}, "BIOS-customized")):
            self.server.change("VM", ref(WEB), bios_strings=strings)
            self.assertIn(said, self.xe("vm-is-bios-customized", "vm=web1")[0])

    def test_what_holds_a_disk_is_shown(self):
        out, _ = self.xe("diagnostic-vdi-status", "uuid=" + DISK)
        for said in (f"Disk {DISK}, sharable: false", "vbd-uuid", WEB, "currently-attached"):
            self.assertIn(said, out)

    def test_where_a_vm_can_start_is_shown_with_its_disks(self):
        self.answer("VM.assert_agile")
        self.answer("VM.assert_can_boot_here")
        out, _ = self.xe("diagnostic-vm-status", "uuid=" + WEB)
        for said in ("any host that has room", "alpha", "can start here", f"Disk {DISK}"):
            self.assertIn(said, out)

        def refuse(*args):
            raise ApiError("HOST_NOT_ENOUGH_FREE_MEMORY", "2", "1")

        self.server.answers["VM.assert_agile"] = self.server.answers["VM.assert_can_boot_here"] = refuse
        out, _ = self.xe("diagnostic-vm-status", "uuid=" + WEB)
        self.assertIn("bound to hosts", out)
        self.assertNotIn("can start here", out)

    def test_crash_dumps_of_vms_are_listed(self):
        self.prints("", "vm-crashdump-list", "vm=web1")
        self.server.add("crashdump", uuid=DUMP, VM=ref(WEB), VDI=ref(DISK))
        self.server.change("VM", ref(WEB), crash_dumps=[ref(DUMP)])
        out, _ = self.xe("vm-crashdump-list", "vm=web1")
        for said in (DUMP, WEB, DISK):
            self.assertIn(said, out)

    def test_a_variant_of_a_driver_is_chosen_by_its_name(self):
        self.answer("Host_driver.select")
        self.server.add("Driver_variant", uuid=VARIANT, name="dev")
        self.server.add("Host_driver", uuid=DRIVER, variants=[ref(VARIANT)])
        self.prints("", "hostdriver-select", "uuid=" + DRIVER, "variant-name=dev")
        self.assertEqual(self.seen.pop(), ("Host_driver.select", ref(DRIVER), ref(VARIANT)))
        self.fails("Error: The driver has no variant old\n", "hostdriver-select", "uuid=" + DRIVER, "variant-name=old")

    def test_a_vlan_goes_by_its_uuid_or_that_of_its_interface(self):
        self.answer("VLAN.destroy")
        self.server.add("VLAN", uuid=VLAN)
        self.server.add("PIF", uuid=PIF, VLAN_master_of=ref(VLAN))
        for found in (VLAN, PIF):
            self.prints("", "vlan-destroy", "uuid=" + found)
            self.assertEqual(self.seen.pop(), ("VLAN.destroy", ref(VLAN)))
        self.server.change("PIF", ref(PIF), VLAN_master_of=NONE)
        self.fails(f"Error: {PIF} is no VLAN\n", "vlan-destroy", "uuid=" + PIF)
        self.xe("vlan-destroy", "uuid=" + WEB, code=1)
        self.assertEqual(self.seen, [])


if __name__ == "__main__":
    unittest.main()
