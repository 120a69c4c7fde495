"""event.from, inject, and the older event calls."""

import os
import threading
import time
import xmlrpc.client

from daemon import fails, run, same


def inject(c, pool=None):
    pool = pool or c.call("pool.get_all")[0]
    return c.call("event.inject", "pool", pool)


def kinds(batch):
    return [(e["operation"], e["class"], e["ref"]) for e in batch["events"]]


class Later(threading.Thread):
    """Run a call on another connection; .value or .error when joined."""

    def __init__(self, client, *args):
        super().__init__()
        self.client, self.args, self.value, self.error = client, args, None, None
        self.start()

    def run(self):
        try:
            self.value = self.client.call(*self.args)
        except Exception as e:
            self.error = e

    def result(self):
        self.join(60)
        assert not self.is_alive(), "still waiting"
        if self.error:
            raise self.error
        return self.value


def the_first_batch_holds_everything_that_exists(d):
    c = d.login()
    batch = c.call("event.from", ["*"], "", 30.0)
    refs = {e["ref"]: e for e in batch["events"]}
    assert all(e["operation"] == "add" and e["timestamp"] == "0.0" for e in batch["events"])
    (pool,), (host,) = c.call("pool.get_all"), c.call("host.get_all")
    same(refs[pool]["snapshot"], c.call("pool.get_record", pool))
    same(refs[host]["class"], "host")
    counts = batch["valid_ref_counts"]
    same((counts["pool"], counts["host"], counts["vm"]), (1, 1, len(c.call("VM.get_all"))))
    assert "message" not in counts and "vm_guest_metrics" in counts
    assert len(batch["token"]) == 41 and batch["token"][20] == ",", batch["token"]


def json_batches_are_the_same(d):
    c = d.login()
    x, j = c.call("event.from", ["pool"], "", 0.0), c.json("event.from", ["pool"], "", 0.0)
    same([e["snapshot"]["uuid"] for e in x["events"]], [e["snapshot"]["uuid"] for e in j["events"]])
    same(x["valid_ref_counts"], j["valid_ref_counts"])
    c.json("event.from", ["pool"], j["token"], 0)


def nothing_new_is_answered_at_the_timeout(d):
    c = d.login()
    token = c.call("event.from", ["pool"], "", 0.0)["token"]
    start = time.monotonic()
    batch = c.call("event.from", ["pool"], token, 0.2)
    assert time.monotonic() - start >= 0.2
    same(batch["events"], [])
    assert batch["token"] >= token
    same(c.call("event.from", ["pool"], batch["token"], -1.0)["events"], [])


def changes_of_one_object_become_one_event(d):
    c = d.login()
    (pool,) = c.call("pool.get_all")
    token = c.call("event.from", ["pool", "secret"], "", 0.0)["token"]
    for name in ("a", "b", "c"):
        c.call("pool.set_name_label", pool, name)
    gone = c.call("secret.create", {"value": "1"})
    c.call("secret.destroy", gone)
    kept = c.call("secret.create", {"value": "2"})
    c.call("secret.set_value", kept, "3")
    batch = c.call("event.from", ["pool", "secret"], token, 30.0)
    same(kinds(batch), [("add", "secret", kept), ("mod", "pool", pool)])
    same(batch["events"][0]["snapshot"]["value"], "3")
    same(batch["events"][1]["snapshot"]["name_label"], "c")
    c.call("secret.destroy", kept)
    batch = c.call("event.from", ["pool", "secret"], batch["token"], 30.0)
    same(kinds(batch), [("del", "secret", kept)])
    assert "snapshot" not in batch["events"][0]
    same(batch["valid_ref_counts"]["secret"], len(c.call("secret.get_all")))


def writing_the_same_value_is_no_event(d):
    c = d.login()
    (pool,) = c.call("pool.get_all")
    c.call("pool.set_name_label", pool, "same")
    token = inject(c)
    token = c.call("event.from", ["pool"], token, 0.0)["token"]
    c.call("pool.set_name_label", pool, "same")
    same(c.call("event.from", ["pool"], token, 0.0)["events"], [])


def an_injected_token_sees_its_own_event(d):
    c = d.login()
    (pool,) = c.call("pool.get_all")
    token = inject(c, pool)
    same(kinds(c.call("event.from", ["pool"], token, 30.0)), [("mod", "pool", pool)])
    same(fails("HANDLE_INVALID", c.call, "event.inject", "pool", "OpaqueRef:x"), ["pool", "OpaqueRef:x"])
    fails("HANDLE_INVALID", c.call, "event.inject", "nothing", pool)
    fails("HANDLE_INVALID", c.call, "event.inject", "vm", pool)


def the_barrier_of_xen_api_works(d):
    c, other = d.login(), d.login()
    (pool,) = c.call("pool.get_all")
    token = c.call("event.from", ["*"], inject(c, pool), 30.0)["token"]
    later = Later(other, "event.from", ["*"], token, 60.0)
    key = "xo:barrier:" + os.urandom(4).hex()
    c.call("pool.add_to_other_config", pool, key, "")
    (event,) = [e for e in later.result()["events"] if e["ref"] == pool]
    assert key in event["snapshot"]["other_config"]
    c.call("pool.remove_from_other_config", pool, key)


def a_waiting_call_hears_of_its_objects_only(d):
    c, other = d.login(), d.login()
    (pool,), (host,) = c.call("pool.get_all"), c.call("host.get_all")
    token = c.call("event.from", ["*"], "", 0.0)["token"]
    later = Later(other, "event.from", ["Host/" + host], token, 60.0)
    c.call("pool.set_name_description", pool, os.urandom(4).hex())
    c.call("host.set_name_description", host, os.urandom(4).hex())
    same(kinds(later.result()), [("mod", "host", host)])


def a_logout_wakes_who_waits(d):
    c, other = d.login(), d.login()
    waiting = d.client()
    waiting.session = other.session
    token = c.call("event.from", ["pool"], "", 0.0)["token"]
    later = Later(waiting, "event.from", ["pool"], token, 60.0)
    other.call("session.logout")
    same(fails("SESSION_INVALID", later.result), [other.session])


def bad_tokens_and_subscriptions_are_refused(d):
    c = d.login()
    same(fails("EVENT_FROM_TOKEN_PARSE_FAILURE", c.call, "event.from", ["*"], "nonsense", 0.0), ["nonsense"])
    same(fails("EVENT_SUBSCRIPTION_PARSE_FAILURE", c.call, "event.from", ["vm/a/b"], "", 0.0), ["vm/a/b"])
    same(c.call("event.from", ["nosuchclass"], "", 0.0)["events"], [])
    fails("EVENTS_LOST", c.call, "event.from", ["*"], "0" + "9" * 19 + ",0" + "9" * 19, 0.0)


def messages_are_told_first(d):
    c = d.login()
    (host,) = c.call("host.get_all")
    token = c.call("event.from", ["*"], "", 0.0)["token"]
    secret = c.call("secret.create", {"value": ""})
    message = c.call("message.create", "M", 3, "Host", c.call("host.get_uuid", host), "b")
    batch = c.call("event.from", ["*"], token, 30.0)
    same(kinds(batch)[:2], [("add", "message", message), ("add", "secret", secret)])
    same(batch["events"][0]["snapshot"]["name"], "M")
    c.call("message.destroy", message)
    same(kinds(c.call("event.from", ["message"], batch["token"], 30.0)), [("del", "message", message)])


def a_client_that_goes_away_does_no_harm(d):
    c = d.login()
    (pool,) = c.call("pool.get_all")
    token = c.call("event.from", ["*"], "", 0.0)["token"]
    body = xmlrpc.client.dumps((c.session, ["pool"], token, 5.0), "event.from").encode()
    for client in [d.client() for _ in range(5)] + [d.unix() for _ in range(5)]:
        client.connection.request("POST", "/", body)
        client.connection.close()
    c.call("pool.set_name_label", pool, os.urandom(4).hex())
    same(kinds(c.call("event.from", ["pool"], token, 30.0)), [("mod", "pool", pool)])


def many_objects_come_in_one_batch_and_in_order(d):
    c = d.login()
    token = c.call("event.from", ["secret"], "", 0.0)["token"]
    made = [c.call("secret.create", {"value": str(n)}) for n in range(300)]
    batch = c.call("event.from", ["secret"], token, 30.0)
    same(kinds(batch), [("add", "secret", ref) for ref in made])
    for ref in made[:100]:
        c.call("secret.destroy", ref)
    c.call("secret.set_value", made[150], "x")
    new = c.call("secret.create", {"value": "new"})
    batch = c.call("event.from", ["secret"], batch["token"], 30.0)
    same(kinds(batch), [("add", "secret", new), ("mod", "secret", made[150])] + [("del", "secret", r) for r in made[:100]])
    for ref in made[100:] + [new]:
        c.call("secret.destroy", ref)


def many_wait_and_all_are_woken(d):
    c = d.login()
    (pool,) = c.call("pool.get_all")
    token = c.call("event.from", ["*"], "", 0.0)["token"]
    waiting = []
    for _ in range(40):
        client = d.client()
        client.session = c.session
        waiting.append(Later(client, "event.from", ["pool/" + pool], token, 60.0))
    c.call("pool.set_name_label", pool, os.urandom(4).hex())
    for later in waiting:
        same(kinds(later.result()), [("mod", "pool", pool)])


def the_older_calls_work(d):
    c, other = d.login(), d.login()
    (pool,) = c.call("pool.get_all")
    same(fails("SESSION_NOT_REGISTERED", c.call, "event.next"), [c.session])
    c.call("event.register", ["pool"])
    first = int(c.call("event.get_current_id"))
    other.call("pool.set_name_label", pool, os.urandom(4).hex())
    (event,) = c.call("event.next")
    same((event["class"], event["operation"], event["ref"]), ("pool", "mod", pool))
    assert float(event["timestamp"]) > 1e9 and int(c.call("event.get_current_id")) > first
    waiting = d.client()
    waiting.session = c.session
    later = Later(waiting, "event.next")
    other.call("pool.set_name_label", pool, os.urandom(4).hex())
    same(len(later.result()), 1)
    c.call("event.unregister", ["pool"])
    fails("SESSION_NOT_REGISTERED", c.call, "event.next")


run([the_first_batch_holds_everything_that_exists, json_batches_are_the_same, nothing_new_is_answered_at_the_timeout,
     changes_of_one_object_become_one_event, writing_the_same_value_is_no_event, an_injected_token_sees_its_own_event,
     the_barrier_of_xen_api_works, a_waiting_call_hears_of_its_objects_only, a_logout_wakes_who_waits,
     bad_tokens_and_subscriptions_are_refused, messages_are_told_first, a_client_that_goes_away_does_no_harm,
     many_objects_come_in_one_batch_and_in_order, many_wait_and_all_are_woken,
     the_older_calls_work])
