#!/usr/bin/env python3
"""Three daemons become a pool: any host answers, the coordinator may die, hosts come back and leave."""

import json
import os
import signal
import ssl
import sys
import time
import xmlrpc.client

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
import peer  # noqa: E402
from daemon import Failure, Lost, fails, wait_until  # noqa: E402
from pool import Pool, answers_as_member, is_live, join, leads  # noqa: E402


def any_host_answers(hosts):
    """What is written at one host is read at once there, and soon at the others."""
    clients = [h.client() for h in hosts]
    networks = [c.network.create({"name_label": f"from {h.address}", "name_description": "", "other_config": {},
                                  "MTU": "1500", "tags": []}) for h, c in zip(hosts, clients)]
    for c, network in zip(clients, networks):
        for i in range(20):
            c.network.set_name_description(network, str(i))
            assert c.network.get_name_description(network) == str(i)
    for c in clients:
        wait_until(lambda c=c: all(c.network.get_name_description(n) == "19" for n in networks), "all copies agree")
    # a session of one host is good at every other
    other = hosts[2].client()
    other.session = clients[1].session
    wait_until(lambda: knows_session(other), "the session is known at the other member")
    fails("HANDLE_INVALID", clients[1].network.get_record, "OpaqueRef:00000000-0000-4000-8000-000000000000")
    return networks


def knows_session(c):
    try:
        return len(c.host.get_all()) == 3
    except Failure as e:
        assert e.code == "SESSION_INVALID", e
        return False


def events_arrive(hosts, network):
    """A client of a member hears of what is done at the coordinator."""
    there, here = hosts[0].client(), hosts[2].client()
    token = here.call("event.from", ["network"], "", 0.0)["token"]
    there.network.set_name_label(network, "renamed")
    batch = here.call("event.from", ["network"], token, 30.0)
    assert any(e["snapshot"]["name_label"] == "renamed" for e in batch["events"]), batch


def machines_answer(hosts):
    """What concerns one machine is done there, whichever host is asked."""
    c, member = hosts[0].client(), hosts[1]
    ref = member.me(c)
    assert "joins pool" in c.host.get_log(ref), c.host.get_log(ref)[-500:]
    assert "joins pool" not in c.host.get_log(hosts[0].me(c))
    task = hosts[2].client().call("Async.host.get_log", ref)
    wait_until(lambda: c.task.get_status(task) == "success", "the task that another host works on")
    fails("HOST_NOT_DISABLED", c.host.reboot, ref)
    c.host.disable(ref)
    c.host.reboot(ref)
    with open(member.power_log) as f:
        assert f.read().split() == ["reboot"]
    assert not os.path.exists(hosts[0].power_log)
    c.host.enable(ref)
    for asked in hosts:
        zone = f"Etc/GMT+{hosts.index(asked)}"
        asked.client().host.set_timezone(ref, zone)
        assert os.readlink(os.path.join(member.machine, "etc/localtime")) == f"/usr/share/zoneinfo/{zone}"
        assert asked.client().host.get_timezone(ref) == zone
    assert not os.path.lexists(os.path.join(hosts[0].machine, "etc/localtime"))
    fails("INVALID_VALUE", c.host.set_timezone, ref, "nowhere")


def passwords_are_the_pools(hosts):
    """A password that is changed at one host lets one in at a member that has nobody to ask."""
    hosts[1].client().call("session.change_password", "", "changed")
    wait_until(lambda: lets_in(hosts[2], "changed"), "the member knows the new password")
    assert not lets_in(hosts[2], "secret")
    hosts[1].client().call("session.change_password", "", "secret")
    wait_until(lambda: lets_in(hosts[2], "secret"), "the member knows the old password again")


def lets_in(host, password):
    server = xmlrpc.client.ServerProxy(host.url, context=ssl._create_unverified_context())
    return server.session.slave_local_login_with_password("root", password)["Status"] == "Success"


def believes(coordinator, host):
    """Does the coordinator take it from this host that root calls? Speaks as the host's daemon does, by its certificate."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "session.login_with_password", "params": ["root", "wrong"]})
    try:
        _, answer = peer.request(host, coordinator, "POST /jsonrpc", body, "xapid-caller: x\r\nxapid-local-root: yes\r\n")
    except ssl.SSLError:  # either does not know the other's authority any more
        return False
    assert '"result"' in answer or "SESSION_AUTHENTICATION_FAILED" in answer, answer
    return '"result"' in answer


def refusals(hosts):
    fails("HOST_IS_SLAVE", hosts[1].client().pool.join, hosts[0].address, "root", "secret")
    c = hosts[0].client()
    fails("OPERATION_NOT_ALLOWED", c.pool.eject, hosts[0].me(c))
    fails("HOST_CANNOT_DESTROY_SELF", c.host.destroy, hosts[0].me(c))
    fails("HOST_IS_LIVE", c.host.destroy, hosts[1].me(c))
    fails("HOST_IS_LIVE", c.host.declare_dead, hosts[1].me(c))
    local = hosts[1].client_of_its_own()
    fails("NOT_IN_EMERGENCY_MODE", local.pool.emergency_transition_to_master)
    fails("HOST_ITS_OWN_SLAVE", local.pool.emergency_reset_master, hosts[1].address)
    for nonsense in ("", "localhost", "127.0.0.256"):
        fails("INVALID_IP_ADDRESS_SPECIFIED", local.pool.emergency_reset_master, nonsense)
    assert local.host.is_in_emergency_mode() is False and local.host.ha_xapi_healthcheck() is True
    assert believes(hosts[0], hosts[1])


def coordinator_dies(hosts, networks):
    """A member takes over with everything, the others follow, and the old coordinator comes back as a member."""
    old, new, other = hosts
    c = new.client()
    old.kill()
    local = new.client_of_its_own()
    wait_until(local.host.is_in_emergency_mode, "the member notices")
    assert len(local.host.get_all_records()) == 3 and local.host.get_system_status_capabilities(new.me(local))
    assert sorted(n["name_description"] for n in c.network.get_all_records().values()).count("19") == 3
    fails("HOST_STILL_BOOTING", c.network.set_name_label, networks[0], "nobody leads")
    local.pool.emergency_transition_to_master()
    wait_until(lambda: leads(new), "the member leads")
    c = new.client()
    assert all(c.network.get_name_description(n) == "19" for n in networks)
    c.network.set_name_description(networks[0], "new term")
    assert sorted(c.pool.recover_slaves()) == [other.me(c)]
    wait_until(lambda: is_live(new, other), "the other member follows")
    assert not is_live(new, old)
    old.start()
    wait_until(lambda: is_live(new, old), "the old coordinator follows")
    wait_until(lambda: answers_as_member(old, new), "the old coordinator answers as a member")
    assert old.client().network.get_name_description(networks[0]) == "new term"


def office_is_handed_over(hosts):
    first, second = hosts[1], hosts[2]
    c = first.client()
    c.pool.designate_new_master(second.me(c))
    wait_until(lambda: leads(second), "the designated host leads")
    for h in (hosts[0], first):
        wait_until(lambda h=h: is_live(second, h), f"{h.address} follows")
    c = hosts[0].client()
    network = c.network.get_all()[0]
    c.network.set_name_description(network, "third term")
    assert second.client().network.get_name_description(network) == "third term"


def a_decision_is_shared(c, dead, member):
    """It waits for a member to have it, and not for ever."""
    member.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    c.host.destroy(dead)
    took = time.monotonic() - began
    member.process.send_signal(signal.SIGCONT)
    assert 0.5 <= took, took


def hosts_leave(hosts):
    staying, leaving, dead = hosts[2], hosts[0], hosts[1]
    c = staying.client()
    ref = dead.me(c)
    dead.kill()
    wait_until(lambda: not is_live(staying, dead), "the dead host is missed")
    c.host.declare_dead(ref)
    a_decision_is_shared(c, ref, leaving)
    gone = leaving.me(c)
    c.pool.eject(gone)
    assert gone not in c.host.get_all()
    wait_until(lambda: len(alone(leaving)) == 1, "the ejected host is a pool of its own")
    fails("OPERATION_NOT_ALLOWED", leaving.client().pool.emergency_reset_master, staying.address)
    assert len(c.host.get_all()) == 1 and len(c.PIF.get_all()) == 1 and len(c.SR.get_all()) == 2
    assert not believes(staying, dead)
    dead.start(wait=False)
    wait_until(lambda: "HOST_UNKNOWN_TO_MASTER" in dead.log(), "a forgotten host is not taken in")
    join(leaving, staying)
    assert len(c.host.get_all()) == 2


def alone(host):
    try:
        return host.client().host.get_all()
    except (Lost, Failure, OSError):
        return []


def main():
    with Pool(3) as hosts:
        networks = any_host_answers(hosts)
        events_arrive(hosts, networks[0])
        machines_answer(hosts)
        passwords_are_the_pools(hosts)
        refusals(hosts)
        coordinator_dies(hosts, networks)
        office_is_handed_over(hosts)
        hosts_leave(hosts)


if __name__ == "__main__":
    main()
