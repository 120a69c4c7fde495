#!/usr/bin/env -S python3 -B
"""The generated class commands of xe, word for word."""

import unittest

from fake_server import ApiError
from world import CD_VBD, DB, DISK, HOST, POOL, ROOT_VBD, SNAPSHOT, SR, TEMPLATE, VIF, WEB, Case, ref, uuid


class List(Case):
    def test_a_record_is_laid_out_in_columns_with_access_marks(self):
        self.prints(
            f"uuid ( RO)           : {WEB}\n"
            "     name-label ( RW): web1\n"
            "    power-state ( RO): running\n\n\n",
            "vm-list", "name-label=web1")

    def test_records_follow_each_other_after_two_blank_lines(self):
        out, _ = self.xe("vm-list", "params=name-label")
        self.assertEqual(
            out, "name-label ( RW)    : web1\n\n\nname-label ( RW)    : db\n\n\nname-label ( RW)    : Control domain\n\n\n")

    def test_nothing_is_printed_for_no_records(self):
        self.prints("", "vm-list", "name-label=none")

    def test_minimal_prints_the_first_shown_field_of_each(self):
        self.prints(f"{WEB},{DB}\n", "vm-list", "is-control-domain=false", "--minimal")

    def test_minimal_follows_the_records_order_not_that_of_params(self):
        self.prints("web1\n", "vm-list", "uuid=" + WEB, "params=power-state,name-label", "--minimal")

    def test_minimal_escapes_commas_and_backslashes(self):
        self.server.change("VM", ref(WEB), name_label="a,b\\c")
        self.prints("a\\,b\\\\c\n", "vm-list", "uuid=" + WEB, "params=name-label", "minimal=true")

    def test_minimal_prints_an_empty_line_when_nothing_matches(self):
        self.prints("\n", "vm-list", "name-label=none", "--minimal")

    def test_a_record_without_a_shown_field_suppresses_the_minimal_block(self):
        self.prints("\n", "vm-list", "params=nonsense", "--minimal")

    def test_unknown_names_in_params_are_ignored(self):
        self.prints(f"uuid ( RO)    : {WEB}\n\n\n", "vm-list", "uuid=" + WEB, "params=nonsense,uuid")

    def test_templates_and_snapshots_are_lists_of_their_own(self):
        self.prints(TEMPLATE + "\n", "template-list", "--minimal")
        self.prints(SNAPSHOT + "\n", "snapshot-list", "--minimal")

    def test_filters_compare_what_is_shown(self):
        self.prints(WEB + "\n", "vm-list", "power-state=running", "is-control-domain=false", "--minimal")
        self.prints("\n", "vm-list", "power-state=Running", "--minimal")

    def test_a_key_of_a_map_filters_in_both_spellings(self):
        self.prints(WEB + "\n", "vm-list", "other-config:folder=/prod", "--minimal")
        self.prints(WEB + "\n", "vm-list", "other-config-folder=/prod", "--minimal")
        self.prints("\n", "vm-list", "other-config:folder=/test", "--minimal")

    def test_a_set_filters_by_what_it_contains(self):
        self.prints(WEB + "\n", "vm-list", "tags:contains=b", "--minimal")
        self.prints("\n", "vm-list", "tags:contains=c", "--minimal")
        self.fails("Error: A set can only be asked what it contains: tags:contains=VALUE\n", "vm-list", "tags:has=b")

    def test_a_mac_address_filters_without_regard_to_case(self):
        self.prints(VIF + "\n", "vif-list", "MAC=02:00:00:00:00:ab", "--minimal")

    def test_an_unknown_filter_is_an_error_only_while_records_are_left(self):
        self.fails("Error: Unknown field 'colour'\n", "vm-list", "colour=red")
        self.prints("", "vm-list", "name-label=none", "colour=red")

    def test_all_prints_every_record_whatever_the_filters(self):
        self.prints("web1,db,Control domain\n", "vm-list", "name-label=web1", "--all", "params=name-label", "--minimal")

    def test_references_show_as_uuids_and_names(self):
        self.prints(
            f"uuid ( RO)             : {ROOT_VBD}\n"
            f"          vm-uuid ( RO): {WEB}\n"
            "    vm-name-label ( RO): web1\n"
            f"         vdi-uuid ( RO): {DISK}\n"
            "            empty ( RO): false\n"
            "           device ( RO): vda\n\n\n",
            "vbd-list", "uuid=" + ROOT_VBD)

    def test_a_null_reference_is_not_in_the_database(self):
        self.prints(f"vdi-uuid ( RO)    : <not in database>\n\n\n", "vbd-list", "uuid=" + CD_VBD, "params=vdi-uuid")

    def test_the_host_of_an_sr_is_a_name_or_shared(self):
        self.prints("host ( RO)    : alpha\n\n\n", "sr-list", "uuid=" + SR, "params=host")
        self.server.change("SR", ref(SR), PBDs=[ref("x"), ref("y")])
        self.prints("host ( RO)    : <shared>\n\n\n", "sr-list", "uuid=" + SR, "params=host")

    def test_sets_and_maps_have_their_separators(self):
        self.prints("tags (SRW)    : a, b\n\n\n", "vm-list", "uuid=" + WEB, "params=tags")
        self.prints("other-config (MRW)    : mac_seed: x; folder: /prod\n\n\n", "vm-list", "uuid=" + WEB,
                    "params=other-config")

    def test_metrics_of_a_halted_vm_are_not_in_the_database(self):
        self.prints("memory-actual ( RO)    : 268435456\n\n\nmemory-actual ( RO)    : <not in database>\n\n\n",
                    "vm-list", "is-control-domain=false", "params=memory-actual")

    def test_expensive_values_are_left_out_of_lists(self):
        self.prints("possible-hosts ( RO)    : <expensive field>\n\n\n", "vm-list", "uuid=" + WEB,
                    "params=possible-hosts")

    def test_deprecated_parameters_say_so(self):
        self.prints("ha-always-run ( RW) [DEPRECATED]    : false\n\n\n", "vm-list", "uuid=" + WEB,
                    "params=ha-always-run")

    def test_a_list_of_ten_thousand_vms_costs_three_calls(self):
        for n in range(10, 10010):
            self.server.tables["VM"][f"OpaqueRef:{n}"] = self.server.tables["VM"][ref(DB)]
        out, _ = self.xe("vm-list", "--minimal")
        self.assertEqual(len(out.split(",")), 10003)
        self.assertEqual(self.server.calls,
                         ["session.login_with_password", "VM.get_all_records_where", "session.logout"])

    def test_names_of_other_objects_are_looked_up_in_a_handful_of_calls(self):
        for n in range(10, 110):
            vm = self.server.add("VM", uuid=uuid("00a1", n), name_label=f"vm{n}")
            self.server.add("VBD", uuid=uuid("00c1", n), VM=vm)
        out, _ = self.xe("vbd-list", "params=vm-name-label", "--minimal")
        self.assertEqual(len(out.split(",")), 102)
        self.assertLessEqual(len(self.server.calls), 8)

    def test_a_role_counts_only_when_it_has_subroles(self):
        permission = self.server.add("role", uuid=uuid("00f1"), name_label="vm.start")
        self.server.add("role", uuid=uuid("00f2"), name_label="pool-admin", subroles=[permission])
        self.prints("pool-admin\n", "role-list", "params=name", "--minimal")


class ParamGet(Case):
    def test_a_value_is_printed_alone(self):
        self.prints("running\n", "vm-param-get", "uuid=" + WEB, "param-name=power-state")

    def test_a_key_of_a_map_is_printed_alone(self):
        self.prints("/prod\n", "vm-param-get", "uuid=" + WEB, "param-name=other-config", "param-key=folder")

    def test_a_missing_key_is_an_error(self):
        self.fails("Error: Key colour not found in map\n", "vm-param-get", "uuid=" + WEB, "param-name=other-config",
                   "param-key=colour")

    def test_an_unknown_parameter_is_an_error(self):
        self.fails("Error code: Missing parameter\nError parameters: colour\n", "vm-param-get", "uuid=" + WEB,
                   "param-name=colour")

    def test_an_unknown_uuid_is_an_error(self):
        self.fails("The uuid you supplied was invalid.\ntype: VM\nuuid: nonsense\n", "vm-param-get", "uuid=nonsense",
                   "param-name=uuid")

    def test_an_expensive_value_is_fetched(self):
        self.server.answers["VM.get_possible_hosts"] = lambda vm: [ref(HOST)]
        self.prints(HOST + "\n", "vm-param-get", "uuid=" + WEB, "param-name=possible-hosts")

    def test_what_the_server_refuses_is_unknown(self):
        self.prints("<unknown>\n", "vm-param-get", "uuid=" + WEB, "param-name=memory-target")

    def test_a_pools_setting_that_hosts_disagree_on_is_inconsistent(self):
        self.prints("false\n", "pool-param-get", "uuid=" + POOL, "param-name=ssh-enabled")
        self.server.add("host", uuid=uuid("00b1", 2), name_label="beta", ssh_enabled=True)
        self.prints("<inconsistent>\n", "pool-param-get", "uuid=" + POOL, "param-name=ssh-enabled")

    def test_operations_are_spelled_as_at_the_shell(self):
        self.server.change("SR", ref(SR), allowed_operations=["vdi_create", "scan"],
                           current_operations={"OpaqueRef:t": "pbd_destroy"})
        self.prints("VDI.create; scan\n", "sr-param-get", "uuid=" + SR, "param-name=allowed-operations")
        self.prints("PBD.destroy\n", "sr-param-get", "uuid=" + SR, "param-name=current-operations")

    def test_an_empty_drive_says_so(self):
        self.prints("<EMPTY>\n", "vbd-param-get", "uuid=" + CD_VBD, "param-name=vdi-name-label")

    def test_a_float_has_three_places(self):
        task = self.server.add("task", uuid=uuid("00f3"), name_label="t", progress=0.25)
        self.prints("0.250\n", "task-param-get", "uuid=" + uuid("00f3"), "param-name=progress")
        self.assertTrue(task)


class ParamList(Case):
    def test_every_parameter_is_shown_but_hidden_ones(self):
        out, _ = self.xe("vm-param-list", "uuid=" + WEB)
        labels = [line.rpartition("): ")[0].strip() for line in out.splitlines() if "): " in line]
        self.assertIn("possible-hosts ( RO", labels)
        self.assertNotIn("NVRAM (MRW", labels)
        self.assertEqual(len(out.rstrip("\n").split("\n")), 105)

    def test_a_task_shows_its_current_operations_as_words(self):
        self.server.add("task", uuid=uuid("00f3"), allowed_operations=["cancel"], current_operations={"x": "destroy"})
        out, _ = self.xe("task-param-list", "uuid=" + uuid("00f3"))
        self.assertIn("allowed_operations ( RO): Cancel\n", out)
        self.assertIn("current_operations ( RO): Destroy\n", out)


class ParamSet(Case):
    def vm(self, field):
        return self.server.tables["VM"][ref(WEB)][field]

    def test_several_values_are_set_without_a_word(self):
        self.prints("", "vm-param-set", "uuid=" + WEB, "name-label=www", "memory-static-max=1024", "is-a-template=true")
        self.assertEqual((self.vm("name_label"), self.vm("memory_static_max"), self.vm("is_a_template")),
                         ("www", "1024", True))

    def test_a_key_of_a_map_is_replaced(self):
        self.prints("", "vm-param-set", "uuid=" + WEB, "other-config:folder=/test", "other-config-new=1")
        self.assertEqual(self.vm("other_config"), {"mac_seed": "x", "folder": "/test", "new": "1"})

    def test_a_reference_is_given_by_uuid_and_cleared_by_nothing(self):
        self.prints("", "vm-param-set", "uuid=" + WEB, "affinity=" + HOST)
        self.assertEqual(self.vm("affinity"), ref(HOST))
        self.prints("", "vm-param-set", "uuid=" + WEB, "affinity=")
        self.assertEqual(self.vm("affinity"), "OpaqueRef:NULL")

    def test_words_of_the_shell_become_those_of_the_api_in_any_case(self):
        self.prints("", "vm-param-set", "uuid=" + WEB, "actions-after-crash=core dump and restart")
        self.assertEqual(self.vm("actions_after_crash"), "coredump_and_restart")
        self.prints("", "vbd-param-set", "uuid=" + ROOT_VBD, "mode=ro", "type=cd")
        self.assertEqual(self.server.tables["VBD"][ref(ROOT_VBD)]["mode"], "RO")
        self.assertEqual(self.server.tables["VBD"][ref(ROOT_VBD)]["type"], "CD")

    def test_a_set_that_has_a_setter_takes_commas(self):
        self.prints("", "vif-param-set", "uuid=" + VIF, "ipv4-allowed=192.0.2.1,192.0.2.2")
        self.assertEqual(self.server.tables["VIF"][ref(VIF)]["ipv4_allowed"], ["192.0.2.1", "192.0.2.2"])

    def test_a_map_with_one_setter_gets_all_its_keys_at_once(self):
        self.server.answers["VM.set_bios_strings"] = lambda vm, value: self.server.change("VM", vm, bios_strings=value) or ""
        self.prints("", "vm-param-set", "uuid=" + WEB, "bios-strings:bios-vendor=me", "bios-strings:bios-version=1")
        self.assertEqual(self.vm("bios_strings"), {"bios-vendor": "me", "bios-version": "1"})
        self.assertEqual(self.server.calls.count("VM.set_bios_strings"), 1)

    def test_wrong_kinds_of_values_are_refused(self):
        self.fails("Error: Failed to parse parameter 'memory-static-max': expecting an integer\n", "vm-param-set",
                   "uuid=" + WEB, "memory-static-max=1GiB")
        self.fails("Error: Failed to parse parameter 'is-a-template': expecting a boolean (true or false)\n",
                   "vm-param-set", "uuid=" + WEB, "is-a-template=yes")
        self.fails("Error: Parameter 'power-state' is read-only\n", "vm-param-set", "uuid=" + WEB, "power-state=halted")
        self.fails("Error: Parameter 'other-config' is a map: give one key of it as other-config:KEY=VALUE\n",
                   "vm-param-set", "uuid=" + WEB, "other-config=x")
        self.fails("Error: Parameter 'tags' is a set: use the commands -param-add and -param-remove\n",
                   "vm-param-set", "uuid=" + WEB, "tags=x")
        self.fails("Error code: Missing parameter\nError parameters: colour\n", "vm-param-set", "uuid=" + WEB,
                   "colour=red")


class ParamAddRemoveClear(Case):
    def vm(self, field):
        return self.server.tables["VM"][ref(WEB)][field]

    def test_members_are_added_and_removed(self):
        self.prints("", "vm-param-add", "uuid=" + WEB, "param-name=tags", "param-key=c")
        self.prints("", "vm-param-remove", "uuid=" + WEB, "param-name=tags", "param-key=a")
        self.assertEqual(self.vm("tags"), ["b", "c"])

    def test_pairs_are_added_and_removed(self):
        self.prints("", "vm-param-add", "uuid=" + WEB, "param-name=other-config", "k=v", "k2=v2")
        self.prints("", "vm-param-remove", "uuid=" + WEB, "param-name=other-config", "param-key=folder")
        self.assertEqual(self.vm("other_config"), {"mac_seed": "x", "k": "v", "k2": "v2"})

    def test_a_key_that_is_there_is_the_servers_error(self):
        _, err = self.xe("vm-param-add", "uuid=" + WEB, "param-name=other-config", "folder=x", code=1)
        self.assertTrue(err.startswith("Error code: MAP_DUPLICATE_KEY\n") or "key: folder\n" in err, err)

    def test_what_is_not_there_cannot_be_removed(self):
        self.fails("Error: Key colour not found in map\n", "vm-param-remove", "uuid=" + WEB, "param-name=other-config",
                   "param-key=colour")
        self.fails("Error: Value z not found in set\n", "vm-param-remove", "uuid=" + WEB, "param-name=tags",
                   "param-key=z")

    def test_sets_maps_and_texts_are_cleared(self):
        self.prints("", "vm-param-clear", "uuid=" + WEB, "param-name=tags")
        self.prints("", "vm-param-clear", "uuid=" + WEB, "param-name=other-config")
        self.prints("", "vm-param-clear", "uuid=" + WEB, "param-name=name-label")
        self.assertEqual((self.vm("tags"), self.vm("other_config"), self.vm("name_label")), ([], {}, ""))

    def test_a_number_cannot_be_cleared(self):
        self.fails("Error: Parameter 'VCPUs-max' cannot be empty\n", "vm-param-clear", "uuid=" + WEB,
                   "param-name=VCPUs-max")

    def test_a_set_without_messages_of_its_own_is_written_as_a_whole(self):
        observer = self.server.add("Observer", uuid=uuid("00f4"), endpoints=["one"], hosts=[])
        self.prints("", "observer-param-add", "uuid=" + uuid("00f4"), "param-name=endpoints", "param-key=two")
        self.prints("", "observer-param-add", "uuid=" + uuid("00f4"), "param-name=host-uuids", "param-key=" + HOST)
        self.prints("", "observer-param-remove", "uuid=" + uuid("00f4"), "param-name=endpoints", "param-key=one")
        record = self.server.tables["Observer"][observer]
        self.assertEqual((record["endpoints"], record["hosts"]), (["two"], [ref(HOST)]))


class EveryClass(Case):
    """Each class command runs on a made-up object and shows every parameter."""

    def test_every_class_lists_and_shows_an_object(self):
        names = self.xe("help", "--all", "--minimal")[0].strip().split(",")
        classes = [n.removesuffix("-param-list") for n in names if n.endswith("-param-list")]
        self.assertEqual(len(classes), 55)
        apis = {}
        for name in classes:
            self.server.calls.clear()
            self.xe(name + "-list", "params=all")
            apis[name] = next(c for c in self.server.calls if "get_all_records_where" in c).split(".")[0]
        for n, (name, api) in enumerate(apis.items(), 100):
            self.server.add(api, uuid=uuid("00aa", n))
            out, err = self.xe(name + "-param-list", "uuid=" + uuid("00aa", n))
            self.assertEqual(err, "")
            self.assertTrue(out.startswith("uuid ( RO)"), out)


class Refusals(Case):
    def test_a_server_error_shows_its_sentence_and_parameters(self):
        def refuse(*args):
            raise ApiError("VM_BAD_POWER_STATE", ref(WEB), "halted", "running", "more")

        self.server.answers["VM.set_name_label"] = refuse
        _, err = self.xe("vm-param-set", "uuid=" + WEB, "name-label=x", code=1)
        lines = err.splitlines()
        self.assertTrue(lines[0].endswith("."), err)
        self.assertEqual(lines[1:], [f"vm: {WEB} (web1)", "expected: halted", "actual: running", "<extra>: more"])

    def test_too_few_parameters_are_unknown(self):
        def refuse(*args):
            raise ApiError("VM_BAD_POWER_STATE", ref(WEB))

        self.server.answers["VM.set_name_label"] = refuse
        _, err = self.xe("vm-param-set", "uuid=" + WEB, "name-label=x", code=1)
        self.assertEqual(err.splitlines()[1:], [f"vm: {WEB} (web1)", "expected: <unknown>", "actual: <unknown>"])

    def test_an_error_that_the_model_does_not_know_shows_its_code(self):
        def refuse(*args):
            raise ApiError("TEAPOT", "short", "stout")

        self.server.answers["VM.set_name_label"] = refuse
        self.fails("Error code: TEAPOT\nError parameters: short, stout\n", "vm-param-set", "uuid=" + WEB,
                   "name-label=x")


if __name__ == "__main__":
    unittest.main()
