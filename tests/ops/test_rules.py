#!/usr/bin/env python3
"""What may be done to a VM in which state: the errors, and that allowed_operations says the same as the calls."""

import os
import subprocess
import threading

from daemon import (BUILD, Daemon, Failure, add_disk, default_network, default_sr, fails, make_vdi, make_vm, template, vbd,
                    vif, wait_until)

# Which power states each operation starts from, stated here independently of the daemon's own table.
ANY = {"Halted", "Paused", "Running", "Suspended"}
STATES = {
    "start": {"Halted"}, "start_on": {"Halted"}, "pause": {"Running"}, "unpause": {"Paused"},
    "clean_shutdown": {"Running"}, "clean_reboot": {"Running"}, "hard_shutdown": {"Paused", "Running", "Suspended"},
    "hard_reboot": {"Paused", "Running"}, "clone": {"Halted", "Suspended"}, "copy": {"Halted"},
    "destroy": {"Halted", "Suspended"}, "provision": {"Halted"}, "changing_VCPUs": {"Halted"},
    "changing_static_range": {"Halted", "Running"}, "changing_memory_limits": {"Halted", "Running"},
    "changing_shadow_memory": {"Halted"},
    "make_into_template": {"Halted"}, "snapshot": ANY, "changing_dynamic_range": {"Halted", "Running"},
    "changing_shadow_memory_live": {"Running"}, "send_trigger": {"Running"}, "send_sysrq": {"Running"},
}
ORDER = ["Halted", "Paused", "Running", "Suspended"]


def calls(c, vm):
    """Each operation as a call, with arguments that are right in themselves."""
    r = c.VM.get_record(vm)
    host = c.host.get_all()[0]
    return {
        "start": lambda: c.VM.start(vm, False, False),
        "start_on": lambda: c.VM.start_on(vm, host, False, False),
        "pause": lambda: c.VM.pause(vm),
        "unpause": lambda: c.VM.unpause(vm),
        "clean_shutdown": lambda: c.VM.clean_shutdown(vm),
        "clean_reboot": lambda: c.VM.clean_reboot(vm),
        "hard_shutdown": lambda: c.VM.hard_shutdown(vm),
        "hard_reboot": lambda: c.VM.hard_reboot(vm),
        "clone": lambda: c.VM.clone(vm, "a clone"),
        "copy": lambda: c.VM.copy(vm, "a copy", "OpaqueRef:NULL"),
        "snapshot": lambda: c.VM.snapshot(vm, "a snapshot"),
        "destroy": lambda: c.VM.destroy(vm),
        "provision": lambda: c.VM.provision(vm),
        "changing_VCPUs": lambda: c.VM.set_VCPUs_max(vm, 2),
        "changing_static_range": lambda: c.VM.set_memory_static_range(vm, 0, r["memory_static_max"]),
        "changing_memory_limits": lambda: c.VM.set_memory_limits(vm, 0, r["memory_static_max"], r["memory_dynamic_min"],
                                                                 r["memory_dynamic_max"]),
        "changing_dynamic_range": lambda: c.VM.set_memory_dynamic_range(vm, r["memory_dynamic_min"],
                                                                        r["memory_dynamic_max"]),
        "changing_shadow_memory": lambda: c.VM.set_HVM_shadow_multiplier(vm, 2.0),
        "changing_shadow_memory_live": lambda: c.VM.set_shadow_multiplier_live(vm, 1.5),
        "send_trigger": lambda: c.VM.send_trigger(vm, "nmi"),
        "send_sysrq": lambda: c.VM.send_sysrq(vm, "s"),
        "make_into_template": lambda: c.VM.set_is_a_template(vm, True),
    }


def bring(c, vm, state):
    """A fresh VM is halted."""
    if state != "Halted":
        c.VM.start(vm, state == "Paused", False)
    assert c.VM.get_power_state(vm) == state


def power_states(c):
    """Every operation from every state: the error names the states that it wants and the one that is."""
    for state in ("Halted", "Running", "Paused"):
        for op, wanted in STATES.items():
            vm = make_vm(c, f"{op} {state}", disks=0, nics=0)
            bring(c, vm, state)
            if state in wanted:
                try:
                    c.VM.assert_operation_valid(vm, op)
                except Failure as f:
                    assert f.code != "VM_BAD_POWER_STATE", (op, state, f)
                continue
            params = fails("VM_BAD_POWER_STATE", calls(c, vm)[op])
            names = ", ".join(s.lower() for s in ORDER if s in wanted)
            assert params == [vm, names, state.lower()], (op, state, params)
            assert c.VM.get_power_state(vm) == state
            assert c.VM.get_current_operations(vm) == {}


def kinds(c):
    """VMs of every kind and state, each made anew by a function."""

    def plain(state, **more):
        def make():
            vm = make_vm(c, f"plain {state}", **more)
            bring(c, vm, state)
            return vm
        return make

    def own_template():
        vm = make_vm(c, "own template")
        c.VM.set_is_a_template(vm, True)
        return vm

    def snapshot():
        return c.VM.snapshot(make_vm(c, "snapshotted"), "snapshot")

    def blocked():
        vm = make_vm(c, "blocked")
        c.VM.add_to_blocked_operations(vm, "start", "not today")
        c.VM.add_to_blocked_operations(vm, "destroy", "")
        return vm

    return {
        "halted": plain("Halted"), "running": plain("Running"), "paused": plain("Paused"),
        "running without disks": plain("Running", disks=0), "own template": own_template, "snapshot": snapshot,
        "blocked": blocked,
        "default template": lambda: template(c),
        "control domain": lambda: next(r for r, v in c.VM.get_all_records().items() if v["is_control_domain"]),
    }


def advertised_is_enforced(c):
    """What allowed_operations lists works, and what it does not list is refused."""
    for kind, make in kinds(c).items():
        allowed = set(c.VM.get_allowed_operations(make()))
        for op in STATES:
            vm = make()
            if op == "make_into_template" and c.VM.get_is_a_template(vm):
                continue  # it is one already, which is no operation
            if op == "provision" and kind == "default template":
                continue  # allowed, but there would be one fewer
            done = worked(calls(c, vm)[op])
            assert done == (op in allowed), f"{op} on {kind}: worked is {done}, advertised {sorted(allowed)}"


def kinds_have_their_errors(c):
    t, vm = template(c), make_vm(c, "kinds", disks=0)
    assert fails("VM_IS_TEMPLATE", lambda: c.VM.start(t, False, False)) == [t, "start"]
    fails("VM_IS_TEMPLATE", lambda: c.VM.destroy(t))
    fails("OPERATION_NOT_ALLOWED", lambda: c.VM.set_is_a_template(t, False))
    fails("PROVISION_ONLY_ALLOWED_ON_TEMPLATE", lambda: c.VM.provision(vm))
    s = c.VM.snapshot(vm, "s")
    assert fails("VM_IS_SNAPSHOT", lambda: c.VM.start(s, False, False)) == [s, "start"]
    assert c.VM.get_snapshots(vm) == [s] and c.VM.get_snapshot_of(s) == vm
    c.VM.add_to_blocked_operations(vm, "start", "not today")
    assert fails("OPERATION_BLOCKED", lambda: c.VM.start(vm, False, False)) == [vm, "not today"]
    c.VM.remove_from_blocked_operations(vm, "start")
    c.VM.start(vm, False, False)
    dom0 = next(r for r, v in c.VM.get_all_records().items() if v["is_control_domain"])
    fails("OPERATION_NOT_ALLOWED", lambda: c.VM.clean_shutdown(dom0))
    fails("HANDLE_INVALID", lambda: c.VM.start("OpaqueRef:00000000-0000-0000-0000-000000000001", False, False))


def drives(c):
    vm, vdi = make_vm(c, "drives", disks=0, nics=0), make_vdi(c)
    disk = add_disk(c, vm, vdi)
    cd = c.VBD.create(vbd(vm, "OpaqueRef:NULL", "3", mode="RO", type="CD", empty=True))
    assert c.VBD.get_userdevice(disk) == "0"
    assert "0" not in c.VM.get_allowed_VBD_devices(vm) and "1" in c.VM.get_allowed_VBD_devices(vm)
    fails("DEVICE_ALREADY_EXISTS", c.VBD.create, vbd(vm, vdi, "0"))
    fails("DEVICE_ALREADY_EXISTS", c.VBD.create, vbd(vm, vdi, "xvdd"))
    fails("INVALID_DEVICE", c.VBD.create, vbd(vm, vdi, "nonsense"))
    fails("VBD_CDS_MUST_BE_READONLY", c.VBD.create, vbd(vm, vdi, type="CD"))
    fails("VBD_NOT_REMOVABLE_MEDIA", c.VBD.create, vbd(vm, "OpaqueRef:NULL", empty=True))
    fails("HANDLE_INVALID", c.VBD.create, vbd(vm, "OpaqueRef:NULL"))
    assert fails("VBD_NOT_REMOVABLE_MEDIA", c.VBD.insert, disk, vdi) == [disk]
    assert fails("VBD_IS_EMPTY", c.VBD.eject, cd) == [cd]
    assert fails("VM_BAD_POWER_STATE", c.VBD.plug, disk) == [vm, "running", "halted"]
    c.VBD.insert(cd, vdi)
    assert fails("VBD_NOT_EMPTY", c.VBD.insert, cd, vdi) == [cd]
    c.VBD.eject(cd)
    assert c.VBD.get_empty(cd) and c.VBD.get_VDI(cd) == "OpaqueRef:NULL"
    c.VM.start(vm, False, False)
    assert c.VBD.get_currently_attached(disk) and c.VBD.get_device(disk) == "xvda"
    assert fails("VDI_IN_USE", c.VDI.destroy, vdi) == [vdi, "destroy"]
    fails("VDI_IN_USE", c.VDI.resize, vdi, 32 << 20)
    fails("OPERATION_NOT_ALLOWED", c.VBD.destroy, disk)
    other = make_vm(c, "other", disks=0, nics=0)
    add_disk(c, other, vdi)
    assert fails("VDI_IN_USE", c.VM.start, other, False, False)[0] == vdi
    c.VM.hard_shutdown(vm)
    c.VM.start(other, False, False)
    c.VM.hard_shutdown(other)
    c.VDI.destroy(vdi)
    assert c.VM.get_VBDs(other) == [] and c.VM.get_VBDs(vm) == [cd]


def nics(c):
    vm = make_vm(c, "nics", disks=0, nics=0)
    nic = c.VIF.create(vif(c, vm, "0"))
    r = c.VIF.get_record(nic)
    assert r["MAC_autogenerated"] and int(r["MAC"][:2], 16) & 3 == 2, r["MAC"]
    fails("DEVICE_ALREADY_EXISTS", c.VIF.create, vif(c, vm, "0"))
    fails("INVALID_DEVICE", c.VIF.create, vif(c, vm, "7"))
    fails("MAC_INVALID", c.VIF.create, vif(c, vm, "1", MAC="nonsense"))
    fails("MAC_INVALID", c.VIF.create, vif(c, vm, "1", MAC="01:00:00:00:00:01"))
    second = c.VIF.create(vif(c, vm, "autodetect", MAC="02:AA:bb:00:00:01", MTU=0))
    assert c.VIF.get_device(second) == "1" and c.VIF.get_MAC(second) == "02:aa:bb:00:00:01"
    assert not c.VIF.get_MAC_autogenerated(second) and c.VIF.get_MTU(second) in (1500, "1500")
    c.VIF.destroy(nic)
    assert c.VIF.get_MAC(c.VIF.create(vif(c, vm, "0"))) == r["MAC"], "the seed gives the same address again"
    network = c.network.create({"name_label": "n", "name_description": "", "other_config": {}})
    assert len(c.network.get_bridge(network)) <= 15
    moved = c.VIF.create(vif(c, vm, "2", network=network))
    assert fails("NETWORK_CONTAINS_VIF", c.network.destroy, network) == [moved]
    c.VIF.move(moved, default_network(c))
    c.network.destroy(network)
    copy = c.VM.clone(vm, "copy")
    macs = lambda v: {x["MAC"] for x in c.VIF.get_all_records().values() if x["VM"] == v}  # noqa: E731
    assert len(macs(copy)) == 3 and not macs(copy) & macs(vm)


def nics_in_use(c):
    """What may be changed of a NIC while its guest has it, and what stands in the way."""
    network, other = (c.network.create({"name_label": n, "name_description": "", "other_config": {}}) for n in "no")
    vm = make_vm(c, "locked", disks=0, nics=0)
    fails("INVALID_IP_ADDRESS_SPECIFIED", c.VIF.create, vif(c, vm, "0", ipv4_allowed=["10.0.0.256"]))
    fails("INVALID_IP_ADDRESS_SPECIFIED", c.VIF.create, vif(c, vm, "0", ipv6_allowed=["10.0.0.2"]))
    nic = c.VIF.create(vif(c, vm, "0", network=network, locking_mode="locked", ipv4_allowed=["10.0.0.2"]))
    assert c.VIF.get_locking_mode(nic) == "locked" and c.VIF.get_ipv4_allowed(nic) == ["10.0.0.2"]
    c.VM.start(vm, False, False)
    c.VIF.move(nic, other)
    assert c.VIF.get_network(nic) == other and c.VIF.get_currently_attached(nic)
    assert fails("NETWORK_CONTAINS_VIF", c.network.destroy, other) == [nic]
    for mode in ("unlocked", "disabled", "locked"):
        c.VIF.set_locking_mode(nic, mode)
        assert c.VIF.get_locking_mode(nic) == mode
    fails("INVALID_IP_ADDRESS_SPECIFIED", c.VIF.set_ipv4_allowed, nic, ["10.0.0.3", "10.0.0.0/24"])
    fails("INVALID_IP_ADDRESS_SPECIFIED", c.VIF.add_ipv6_allowed, nic, "fe80::g")
    c.VIF.add_ipv4_allowed(nic, "10.0.0.3")
    c.VIF.remove_ipv4_allowed(nic, "10.0.0.2")
    c.VIF.set_ipv6_allowed(nic, ["2001:db8::1", "2001:db8::2"])
    assert c.VIF.get_ipv4_allowed(nic) == ["10.0.0.3"] and len(c.VIF.get_ipv6_allowed(nic)) == 2
    c.network.set_default_locking_mode(other, "disabled")
    c.VIF.set_locking_mode(nic, "network_default")
    assert fails("VIF_IN_USE", c.network.set_default_locking_mode, other, "unlocked") == [other, nic]
    c.VM.suspend(vm)
    c.VIF.move(nic, network)
    c.VM.resume(vm, False, False)
    assert c.VIF.get_network(nic) == network and c.VIF.get_current_operations(nic) == {}
    c.VM.hard_shutdown(vm)
    c.network.set_default_locking_mode(other, "unlocked")


def memory_and_processors(c):
    vm = make_vm(c, "memory", disks=0, nics=0)
    fails("MEMORY_CONSTRAINT_VIOLATION", c.VM.set_memory_limits, vm, 64 << 20, 32 << 20, 64 << 20, 64 << 20)
    c.VM.set_memory(vm, 128 << 20)
    assert int(c.VM.get_memory_static_max(vm)) == int(c.VM.get_memory_dynamic_min(vm)) == 128 << 20
    fails("INVALID_VALUE", c.VM.set_VCPUs_at_startup, vm, 0)
    c.VM.set_VCPUs_max(vm, 4)
    fails("INVALID_VALUE", c.VM.set_VCPUs_at_startup, vm, 5)
    most = (1 << 63) - 1
    fails("INVALID_VALUE", c.VM.set_VCPUs_max, vm, most)
    fails("MEMORY_CONSTRAINT_VIOLATION", c.VM.set_memory_limits, vm, 0, most, 64 << 20, 64 << 20)
    fails("INVALID_VALUE", c.VM.maximise_memory, vm, most, False)
    assert int(c.VM.maximise_memory(vm, -1 << 63, False)) == 0
    host = c.host.get_all()[0]
    huge = int(c.host.compute_free_memory(host)) + 1
    c.VM.set_memory_limits(vm, 0, huge, huge, huge)
    fails("HOST_NOT_ENOUGH_FREE_MEMORY", c.VM.start, vm, False, False)
    assert c.VM.get_possible_hosts(vm) == []
    c.VM.set_memory(vm, 64 << 20)
    assert c.VM.get_possible_hosts(vm) == [host]
    before = int(c.host.compute_free_memory(host))
    c.VM.start(vm, False, False)
    assert int(c.host.compute_free_memory(host)) < before
    c.VM.hard_shutdown(vm)
    assert int(c.host.compute_free_memory(host)) == before
    c.host.disable(host)
    assert fails("HOST_DISABLED", c.VM.start, vm, False, False) == [host]
    c.host.enable(host)


def worked(call):
    try:
        call()
        return True
    except Failure as f:
        assert f.code not in ("INTERNAL_ERROR", "NOT_IMPLEMENTED"), f
        return False


def hold_to(c, cls, make, calls_of):
    """Each operation of a class, on an object made anew: it works when it is advertised, else not."""
    allowed = set(c.call(f"{cls}.get_allowed_operations", make()))
    for op in calls_of(make()):
        ref = make()
        assert worked(calls_of(ref)[op]) == (op in allowed), f"{op} on {cls}: advertised {sorted(allowed)}"
    known = set(calls_of(make()))
    assert allowed <= known, f"{cls}: advertised but not tried: {allowed - known}"


def advertised_of_devices(c):
    """The same for drives, disks, NICs, SRs and appliances."""
    medium = make_vdi(c, "medium")

    def drive(state, kind, full=True):
        def make():
            vm = make_vm(c, f"{state} {kind}", disks=0, nics=0)
            ref = c.VBD.create(vbd(vm, medium if full and kind == "CD" else make_vdi(c) if full else "OpaqueRef:NULL",
                                   mode="RO" if kind == "CD" else "RW", type=kind, empty=not full))
            bring(c, vm, state)
            return ref
        return make

    def of_drive(ref):
        return {"insert": lambda: c.VBD.insert(ref, medium), "eject": lambda: c.VBD.eject(ref),
                "plug": lambda: c.VBD.plug(ref), "unplug": lambda: c.VBD.unplug(ref),
                "unplug_force": lambda: c.VBD.unplug_force(ref), "attach": lambda: c.VBD.assert_attachable(ref)}

    for state in ("Halted", "Running"):
        for kind, full in (("Disk", True), ("CD", True), ("CD", False)):
            hold_to(c, "VBD", drive(state, kind, full), of_drive)

    def disk(state):
        return lambda: c.VBD.get_VDI(drive(state, "Disk")())

    def of_disk(ref):
        return {"clone": lambda: c.VDI.clone(ref), "snapshot": lambda: c.VDI.snapshot(ref),
                "copy": lambda: c.VDI.copy(ref, default_sr(c)), "resize": lambda: c.VDI.resize(ref, 32 << 20),
                "resize_online": lambda: c.VDI.resize_online(ref, 32 << 20),
                "destroy": lambda: c.VDI.destroy(ref), "forget": lambda: c.VDI.forget(ref),
                "update": lambda: c.VDI.update(ref), "revert_from": lambda: c.VDI.revert(ref),
                "revert_to": lambda: c.VDI.revert(c.VDI.snapshot(ref)),
                "mirror": lambda: c.VDI.pool_migrate(ref, default_sr(c), {})}

    for state in ("Halted", "Running"):
        hold_to(c, "VDI", disk(state), of_disk)

    def nic(state):
        def make():
            vm = make_vm(c, f"NIC {state}", disks=0, nics=1)
            bring(c, vm, state)
            return c.VM.get_VIFs(vm)[0]
        return make

    for state in ("Halted", "Running"):
        hold_to(c, "VIF", nic(state), lambda ref: {
            "plug": lambda: c.VIF.plug(ref), "unplug": lambda: c.VIF.unplug(ref),
            "attach": lambda: None if not c.VIF.get_currently_attached(ref) else c.VIF.plug(ref)})

    def appliance(state):
        def make():
            ref = c.VM_appliance.create({"name_label": "a", "name_description": ""})
            for i in range(2):
                vm = make_vm(c, f"member {i}", disks=0, nics=0)
                c.VM.set_appliance(vm, ref)
                c.VM.set_order(vm, 2 - i)
                bring(c, vm, state)
            return ref
        return make

    def of_appliance(ref):
        return {"start": lambda: c.VM_appliance.start(ref, False),
                "clean_shutdown": lambda: c.VM_appliance.clean_shutdown(ref),
                "hard_shutdown": lambda: c.VM_appliance.hard_shutdown(ref),
                "shutdown": lambda: c.VM_appliance.shutdown(ref)}

    for state in ("Halted", "Running", "Paused"):
        hold_to(c, "VM_appliance", appliance(state), of_appliance)


def appliances(c):
    ref = c.VM_appliance.create({"name_label": "a", "name_description": ""})
    fails("OPERATION_NOT_ALLOWED", c.VM_appliance.start, ref, False)
    vms = [make_vm(c, f"member {i}", disks=0, nics=0) for i in range(3)]
    for order, vm in zip((5, 1, 3), vms):
        c.VM.set_appliance(vm, ref)
        c.VM.set_order(vm, order)
    assert sorted(c.VM_appliance.get_VMs(ref)) == sorted(vms)
    c.VM_appliance.start(ref, True)
    assert {c.VM.get_power_state(vm) for vm in vms} == {"Paused"}
    c.VM_appliance.hard_shutdown(ref)
    c.VM_appliance.start(ref, False)
    domids = [int(c.VM.get_domid(vm)) for vm in vms]
    assert sorted(domids) == [domids[1], domids[2], domids[0]], f"started in another order: {domids}"
    c.VM_appliance.clean_shutdown(ref)
    assert {c.VM.get_power_state(vm) for vm in vms} == {"Halted"}
    c.VM_appliance.destroy(ref)
    assert c.VM.get_appliance(vms[0]) == "OpaqueRef:NULL"


def buttons_and_keys(c):
    vm = make_vm(c, "keys", disks=0, nics=0)
    assert fails("INVALID_VALUE", c.VM.send_trigger, vm, "reset") == ["trigger", "reset"]
    for key in ("", "ss", "S", "+", "\u00df"):
        assert fails("INVALID_VALUE", c.VM.send_sysrq, vm, key) == ["key", key]
    fails("HANDLE_INVALID", c.VM.send_sysrq, "OpaqueRef:00000000-0000-0000-0000-000000000001", "")
    assert fails("VM_BAD_POWER_STATE", c.VM.restart_device_models, vm) == [vm, "running", "halted"]
    fails("VM_IS_TEMPLATE", c.VM.restart_device_models, template(c))
    c.VM.start(vm, False, False)
    for trigger in ("nmi", "power", "sleep"):
        c.VM.send_trigger(vm, trigger)
    fails("OPERATION_NOT_ALLOWED", c.VM.send_trigger, vm, "s3resume")
    fails("INVALID_VALUE", c.VM.set_shadow_multiplier_live, vm, 0.5)
    c.VM.set_shadow_multiplier_live(vm, 2.5)
    assert float(c.VM.get_HVM_shadow_multiplier(vm)) == 2.5
    assert fails("CANNOT_RESTART_DEVICE_MODEL", c.VM.restart_device_models, vm) == [vm]
    c.VM.pause(vm)
    assert fails("VM_BAD_POWER_STATE", c.VM.send_trigger, vm, "nmi") == [vm, "running", "paused"]


def hosts_and_pools(c):
    host, pool = c.host.get_all()[0], c.pool.get_all()[0]
    assert abs(int(c.host.compute_memory_overhead(host))) > 0
    assert c.host.get_servertime(host).endswith("Z") and c.host.get_server_localtime(host)
    assert "VM.start" in c.host.list_methods()
    assert c.PIF.get_management(c.host.get_management_interface(host))
    c.host.disable(host)
    fails("HOST_DISABLED", c.VM.start, make_vm(c, "x", disks=0, nics=0), False, False)
    assert "vm_start" not in c.host.get_allowed_operations(host)
    c.host.enable(host)
    assert "vm_start" in c.host.get_allowed_operations(host)
    fails("XENAPI_MISSING_PLUGIN", c.host.call_plugin, host, "p", "f", {})
    fails("HOST_NAME_INVALID", c.host.set_hostname_live, host, "not a name")
    c.host.set_hostname_live(host, "name-1.example")
    assert c.host.get_hostname(host) == "name-1.example"
    assert c.pool.get_license_state(pool)["edition"] and c.pool.sync_database() is not False
    vm = make_vm(c, "resident", disks=0, nics=0)
    c.host.assert_can_evacuate(host)
    c.VM.start(vm, False, False)
    assert vm in c.host.get_vms_which_prevent_evacuation(host)
    assert vm in fails("CANNOT_EVACUATE_HOST", c.host.assert_can_evacuate, host)[0]


def interfaces(c, d):
    """Records of interfaces, by hand; the one that the host is managed by stays."""
    host, network = c.host.get_all()[0], c.network.get_all()[0]
    own = c.host.get_management_interface(host)
    for name in ("forget", "db_forget"):
        assert fails("PIF_IS_MANAGEMENT_INTERFACE", getattr(c.PIF, name), own) == [own]
        fails("HANDLE_INVALID", getattr(c.PIF, name), "OpaqueRef:none")

    def new(device="eth7", mac="02:00:00:00:00:07", vlan=-1, management=False, network=network, host=host):
        return c.PIF.db_introduce(device, network, host, mac, 1500, vlan, True, "Static", "10.1.1.7", "255.255.255.0", "10.1.1.1",
                                  "", "OpaqueRef:NULL", "OpaqueRef:NULL", management, {"a": "b"})

    pif = new()
    record = c.PIF.get_record(pif)
    assert [record[k] for k in ("device", "MAC", "IP", "MTU", "ip_configuration_mode", "other_config", "managed")] == [
        "eth7", "02:00:00:00:00:07", "10.1.1.7", 1500, "Static", {"a": "b"}, True], record
    assert c.PIF_metrics.get_device_name(record["metrics"]) == "eth7"
    assert fails("DUPLICATE_PIF_DEVICE_NAME", new) == ["eth7"]
    assert fails("MAC_INVALID", new, "eth8", "02") == ["02"]
    assert fails("VLAN_TAG_INVALID", new, "eth8", "02:00:00:00:00:08", 4096) == ["4096"]
    fails("INVALID_VALUE", new, "")
    fails("INVALID_VALUE", new, "eth8", "02:00:00:00:00:08", -1, True)
    fails("HANDLE_INVALID", new, "eth8", "02:00:00:00:00:08", -1, False, "OpaqueRef:none")
    c.PIF.set_property(pif, "gro", "off")
    assert c.PIF.get_properties(pif) == {"gro": "off"}
    assert fails("INVALID_VALUE", c.PIF.set_property, pif, "speed", "1") == ["name", "speed"]
    assert fails("INVALID_VALUE", c.PIF.set_property, pif, "gro", "1") == ["value", "1"]
    c.PIF.set_disallow_unplug(pif, True)
    assert c.PIF.get_disallow_unplug(pif) and fails("PIF_DOES_NOT_ALLOW_UNPLUG", c.PIF.forget, pif) == [pif]
    c.PIF.set_disallow_unplug(pif, False)
    code = subprocess.run([os.path.join(BUILD, "xe", "xe"), "-s", d.socket, "pif-forget", f"uuid={record['uuid']}"]).returncode
    assert code == 0 and pif not in c.PIF.get_all() and record["metrics"] not in c.PIF_metrics.get_all()
    c.PIF.db_forget(new("eth8", "02:00:00:00:00:08"))


def small_answers(c, d):
    host, pool, sr = c.host.get_all()[0], c.pool.get_all()[0], default_sr(c)
    fails("LICENSE_PROCESSING_ERROR", c.host.license_add, host, "eA==")
    c.host.license_remove(host)
    assert fails("SR_OPERATION_NOT_SUPPORTED", c.SR.assert_can_host_ha_statefile, sr) == [sr]
    assert fails("SR_OPERATION_NOT_SUPPORTED", c.SR.assert_supports_database_replication, sr) == [sr]
    assert fails("VALUE_NOT_SUPPORTED", c.pool.set_local_auth_max_threads, pool, 0)[:2] == ["local_auth_max_threads", "0"]
    c.pool.set_local_auth_max_threads(pool, 1)
    assert int(c.pool.get_local_auth_max_threads(pool)) == 1
    seen = set()
    for _ in range(2):
        c.pool.reset_telemetry_uuid(pool)
        seen.add((c.pool.get_telemetry_uuid(pool), c.secret.get_value(c.pool.get_telemetry_uuid(pool))))
    assert len(seen) == 2 and len([s for s, _ in seen if s in c.secret.get_all()]) == 1


def waiting_its_turn(c, d):
    """Operations that are in each other's way wait instead of failing; all of them run."""
    vm = make_vm(c, "turns", disks=1, nics=0)
    failed = []

    def cycle():
        mine = d.client()
        for _ in range(20):
            for call in (lambda: mine.VM.start(vm, False, False), lambda: mine.VM.hard_shutdown(vm)):
                try:
                    call()
                except Failure as f:
                    if f.code != "VM_BAD_POWER_STATE":
                        failed.append(f)

    threads = [threading.Thread(target=cycle) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed, failed[:3]
    assert c.VM.get_current_operations(vm) == {}
    wait_until(lambda: c.VM.get_power_state(vm) == "Halted" or c.VM.hard_shutdown(vm) == "", "halted")


def main():
    for test in (power_states, advertised_is_enforced, kinds_have_their_errors, drives, nics, nics_in_use, memory_and_processors,
                 advertised_of_devices, appliances, buttons_and_keys, hosts_and_pools):
        with Daemon("sim") as d:
            test(d.client())
            print(f"ok {test.__name__}")
    with Daemon("sim") as d:
        for test in (interfaces, small_answers, waiting_its_turn):
            test(d.client(), d)
            print(f"ok {test.__name__}")


if __name__ == "__main__":
    main()
