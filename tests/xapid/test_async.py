"""Async calls and tasks."""

import os

from daemon import NULL, Daemon, fails, run, same


def wait_for(c, task):
    """The task's record once it is no longer pending, learnt from events as clients do."""
    token = ""
    while True:
        batch = c.call("event.from", ["task/" + task], token, 30.0)
        token = batch["token"]
        for e in batch["events"]:
            if e["operation"] != "del" and e["snapshot"]["status"] != "pending":
                return e["snapshot"]


def an_async_call_answers_a_task_that_ends_with_the_result(d):
    c = d.login()
    task = c.call("Async.secret.create", {"value": "x"})
    record = wait_for(c, task)
    same((record["status"], record["name_label"], record["progress"]), ("success", "Async.secret.create", 1.0))
    same((record["type"], record["error_info"], record["subtask_of"]), ("<none/>", [], NULL))
    same((record["allowed_operations"], record["current_operations"]), ([], {}))
    same(record["resident_on"], c.call("host.get_all")[0])
    assert str(record["finished"]) >= str(record["created"]) > "2020"
    (secret,) = c.call("secret.get_all")
    same(record["result"], f"<value>{secret}</value>")
    same(c.json("task.get_result", task), f"<value>{secret}</value>")
    assert task in c.call("session.get_tasks", c.session)
    void = wait_for(c, c.json("Async.secret.destroy", secret))
    same((void["status"], void["result"]), ("success", "<value></value>"))
    c.call("task.destroy", task)
    fails("HANDLE_INVALID", c.call, "task.get_record", task)


def a_failure_is_told_in_error_info(d):
    c = d.login()
    record = wait_for(c, c.call("Async.secret.destroy", "OpaqueRef:gone"))
    same((record["status"], record["error_info"], record["result"]),
         ("failure", ["HANDLE_INVALID", "secret", "OpaqueRef:gone"], ""))
    fails("MESSAGE_PARAMETER_COUNT_MISMATCH", c.call, "Async.secret.destroy")


def a_client_s_own_task_is_written_by_it(d):
    c = d.login()
    task = c.call("task.create", "label", "description")
    record = c.call("task.get_record", task)
    same((record["name_label"], record["name_description"], record["status"]), ("label", "description", "pending"))
    same(str(record["finished"]), "19700101T00:00:00Z")
    c.call("task.set_progress", task, 0.5)
    same(c.json("task.get_progress", task), 0.5)
    c.call("task.add_to_other_config", task, "k", "v")
    fails("MAP_DUPLICATE_KEY", c.call, "task.add_to_other_config", task, "k", "v")
    same(c.call("task.get_other_config", task), {"k": "v"})
    c.call("task.remove_from_other_config", task, "k")
    c.call("task.set_other_config", task, {"a": "b"})
    c.call("task.set_result", task, "<value>1</value>")
    c.call("task.set_error_info", task, ["CODE", "p"])
    c.call("task.set_status", task, "success")
    record = c.call("task.get_record", task)
    same((record["status"], record["progress"], record["result"]), ("success", 1.0, "<value>1</value>"))
    assert str(record["finished"]) > "2020"
    c.call("task.destroy", task)


def destroying_a_pending_task_waits_for_its_end(d):
    c = d.login()
    task = c.call("task.create", "label", "")
    c.call("task.destroy", task)
    same(c.call("task.get_current_operations", task), {task: "destroy"})
    c.call("task.set_status", task, "success")
    fails("HANDLE_INVALID", c.call, "task.get_status", task)


def cancelling_is_marked_and_never_refused(d):
    c = d.login()
    task = c.call("task.create", "label", "")
    same(c.call("task.get_allowed_operations", task), [])
    c.call("task.cancel", task)
    same((c.call("task.get_current_operations", task), c.call("task.get_status", task)), ({task: "cancel"}, "pending"))
    c.call("task.cancel", task)
    c.call("task.set_status", task, "cancelled")
    c.call("task.cancel", task)
    same(c.call("task.get_status", task), "cancelled")
    c.call("task.destroy", task)
    fails("HANDLE_INVALID", c.call, "task.cancel", task)


def tasks_make_exact_counts(d):
    c = d.login()
    for n in range(3):
        c.call("task.create", str(n), "")
    batch = c.call("event.from", ["task"], "", 0.0)
    same(batch["valid_ref_counts"]["task"], len(c.call("task.get_all_records")))
    for task in c.call("task.get_all"):
        c.call("task.set_status", task, "failure")
        c.call("task.destroy", task)
    same(c.call("event.from", ["task"], batch["token"], 0.0)["valid_ref_counts"]["task"], 0)


def slow_daemon(script):
    """A daemon whose simulated guests behave as the script says."""
    own = Daemon()
    path = os.path.join(own.dir, "script")
    with open(path, "w") as f:
        f.write(script)
    own.options += ["--sim-script", path]
    return own


def a_halted_vm(c):
    (template,) = c.call("VM.get_by_name_label", "Other install media")
    vm = c.call("VM.clone", template, "test")
    c.call("VM.provision", vm)
    return vm


def until(c, what, field):
    """Wait, by events, until a field of an object is what is wanted."""
    cls, ref, name = field
    token = ""
    while c.call(f"{cls}.get_{name}", ref) != what:
        token = c.call("event.from", [f"{cls}/{ref}"], token, 30.0)["token"]


def a_running_operation_is_cancelled_and_leaves_nothing(d):
    with slow_daemon("start delay=60s\n") as own:
        c = own.login()
        vm = a_halted_vm(c)
        task = c.call("Async.VM.start", vm, False, False)
        until(c, {task: "start"}, ("VM", vm, "current_operations"))
        same(c.call("task.get_allowed_operations", task), ["cancel"])
        c.call("task.cancel", task)
        record = wait_for(c, task)
        same((record["status"], record["error_info"]), ("cancelled", ["TASK_CANCELLED", task]))
        same((c.call("VM.get_power_state", vm), c.call("VM.get_current_operations", vm)), ("Halted", {}))
        assert "start" in c.call("VM.get_allowed_operations", vm)
        hidden = c.call("Async.VM.start", vm, False, False)
        until(c, {hidden: "start"}, ("VM", vm, "current_operations"))
        c.call("task.destroy", hidden)
        same(c.call("task.get_status", hidden), "pending")
        c.call("task.cancel", hidden)
        token = ""
        while hidden in c.call("task.get_all"):
            token = c.call("event.from", ["task"], token, 30.0)["token"]
        same(c.call("VM.get_power_state", vm), "Halted")


def stopping_the_daemon_unwinds_what_runs(d):
    with slow_daemon("start delay=60s\n") as own:
        c = own.login()
        vm = a_halted_vm(c)
        task = c.call("Async.VM.start", vm, False, False)
        until(c, {task: "start"}, ("VM", vm, "current_operations"))
        same(own.stop(), 0)
        own.start()
        c = own.login()
        same((c.call("VM.get_power_state", vm), c.call("VM.get_current_operations", vm)), ("Halted", {}))


run([an_async_call_answers_a_task_that_ends_with_the_result, a_failure_is_told_in_error_info,
     a_client_s_own_task_is_written_by_it, destroying_a_pending_task_waits_for_its_end,
     cancelling_is_marked_and_never_refused, tasks_make_exact_counts,
     a_running_operation_is_cancelled_and_leaves_nothing, stopping_the_daemon_unwinds_what_runs])
