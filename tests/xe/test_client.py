#!/usr/bin/env -S python3 -B
"""xe as a client: options, help, the command line, contact and login, completion, the set of commands."""

import os
import socket
import ssl
import subprocess
import tempfile
import unittest
from pathlib import Path

from world import SOURCE, WEB, XE, Case

HINT = "For usage run: 'xe help'\n"
COMPLETION = SOURCE / "scripts" / "xe.bash-completion"


def names_in(path):
    return {line.split()[0] for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")}


class Options(Case):
    def where(self):
        return ["server=" + self.server.address, f"port={self.server.port}", "nossl=true"]

    def test_they_may_stand_anywhere_and_be_spelled_as_words(self):
        for words in ([*self.where(), "vm-list", "password=secret", "--minimal"],
                      ["vm-list", "-pw", "secret", "--minimal", "-u", "root", *self.where()]):
            self.assertEqual(self.raw(XE, *words, "name-label=web1")[0], WEB + "\n")

    def test_the_command_line_is_stronger_than_the_environment_and_that_than_the_file(self):
        with tempfile.TemporaryDirectory() as home:
            Path(home, ".xe").write_text("\n".join([*self.where(), "password=wrong", "username=nobody", "", "minimal=true"]))
            env = {"HOME": home, "XE_EXTRA_ARGS": "password=secret,name-label=a\\,b"}
            self.server.change("VM", "OpaqueRef:" + WEB, name_label="a,b")
            self.assertEqual(self.raw(XE, "vm-list", "-u", "root", env=env)[0], WEB + "\n")
            self.assertEqual(self.raw(XE, "vm-list", env=env, code=1)[1], "Authentication failed\n" + HINT)

    def test_a_bad_file_is_ignored_as_a_whole(self):
        with tempfile.TemporaryDirectory() as home:
            Path(home, ".xe").write_text("minimal=true\nnonsense\n")
            out, err = self.xe("vm-list", "name-label=web1", "params=uuid", env={"HOME": home})
            self.assertEqual(out, f"uuid ( RO)    : {WEB}\n\n\n")
            self.assertIn("nonsense", err)

    def test_a_password_file_has_the_user_and_the_password(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "pw")
            path.write_text("root\nsecret\n")
            out, _ = self.raw(XE, *self.where(), "-pwf", str(path), "vm-list", "name-label=web1", "--minimal")
            self.assertEqual(out, WEB + "\n")
            path.write_text("root\n")
            self.assertTrue(self.raw(XE, *self.where(), "-pwf", str(path), "vm-list", code=1)[1])
        self.assertTrue(self.raw(XE, *self.where(), "-pwf", str(path), "vm-list", code=1)[1])

    def test_a_bad_port_shows_the_usage_and_ends_with_0(self):
        for port in ("65536", "-1", "http", ""):
            out, err = self.raw(XE, "-p", port, "vm-list")
            self.assertEqual(out, "")
            self.assertIn("Usage: xe", err)

    def test_no_command_or_help_shows_the_usage_on_stderr(self):
        for words in ([], ["vm-list", "--help"], ["-help"]):
            out, err = self.raw(XE, *words)
            self.assertEqual(out, "")
            self.assertTrue(err.startswith("Usage: xe"))

    def test_the_version_is_that_of_the_thin_protocol(self):
        self.assertEqual(self.raw(XE, "-version"), ("ThinCLI protocol: 0.2\n", ""))

    def test_calls_carry_their_origin_and_trace(self):
        self.xe("vm-list", "--traceparent", "00-ab-cd-01", env={"BAGGAGE": "k=v"})
        headers = self.server.headers
        self.assertEqual([headers[name] for name in ("user-agent", "originator", "traceparent", "baggage")],
                         ["xe-cli/Unix/0.2", "cli", "00-ab-cd-01", "k=v"])
        self.xe("vm-list", "--traceparent", "a\r\nx: y")
        self.assertNotIn("x", self.server.headers)

    def test_debug_names_the_calls_and_debug_on_fail_only_when_it_fails(self):
        self.assertIn("VM.get_all_records_where", self.xe("vm-list", "--debug")[1])
        self.assertEqual(self.xe("vm-list", "--debug-on-fail")[1], "")
        self.assertIn("VM.get_by_uuid", self.xe("vm-destroy", "uuid=x", "--debug-on-fail", code=1)[1])


class CommandLine(Case):
    def test_an_unknown_command_is_refused_without_a_login(self):
        self.fails("Unknown command: vm-lst\n" + HINT, "vm-lst")
        self.assertEqual(self.server.calls, [])

    def test_what_cannot_be_read_is_a_syntax_error(self):
        for words in (["a=b"], ["vm-list", "-x"], ["vm-list", "-x", "y"], ["=", "vm-list"]):
            self.fails("Syntax error: \n" + HINT, *words)

    def test_a_missing_argument_is_named_without_a_login(self):
        self.fails("Required parameter not found: new-name-label\n" + HINT, "vm-clone")
        self.assertEqual(self.server.calls, [])

    def test_an_empty_argument_is_there(self):
        _, err = self.xe("vm-destroy", "uuid=", code=1)
        self.assertEqual(err, "The uuid you supplied was invalid.\ntype: VM\nuuid: \n")

    def test_a_gap_says_so(self):
        for gap in sorted(names_in(SOURCE / "xe" / "gaps.txt"))[:1]:
            self.fails(f"Error: The command {gap} is not implemented yet\n", gap)

    def test_the_first_of_two_equal_keys_counts(self):
        self.prints(WEB + "\n", "vm-list", "params=uuid", "params=name-label", "name-label=web1", "--minimal")

    def test_hostile_arguments_do_no_harm(self):
        for word in ("\"'\\", "name-label=\" or \"\"=\"", "params=,,,", "%s%n=%s", "x" * 100000, "=" * 50, "--", "--=",
                     "other-config:=", "params=" + "a," * 20000, "\u202e=\u0000".replace("\0", ""), "tags:"):
            done = subprocess.run([XE, "-s", self.server.address, "-p", str(self.server.port), "--nossl", "-u", "root",
                                   "-pw", "secret", "vm-list", word], capture_output=True, timeout=300)
            self.assertIn(done.returncode, (0, 1), word[:50])
        done = subprocess.run([XE.encode(), b"-s", self.server.address.encode(), b"-p", str(self.server.port).encode(),
                               b"--nossl", b"-pw", b"secret", b"vm-list", b"name-label=\xff\xfe"], capture_output=True,
                              timeout=300)
        self.assertIn(done.returncode, (0, 1))


class Contact(Case):
    def test_a_wrong_password_is_refused(self):
        out, err = self.raw(XE, "-s", self.server.address, "-p", str(self.server.port), "--nossl", "-u", "root", "-pw",
                            "wrong", "vm-list", code=1)
        self.assertEqual((out, err), ("", "Authentication failed\n" + HINT))

    def test_an_empty_user_is_refused(self):
        _, err = self.raw(XE, "-s", self.server.address, "-p", str(self.server.port), "--nossl", "-u", "", "vm-list",
                          code=1)
        self.assertEqual(err, "Username/password must be specified\n" + HINT)

    def test_a_refused_connection_is_an_error(self):
        with socket.create_server(("127.0.28.2", 0)) as s:
            port = s.getsockname()[1]
        out, err = self.raw(XE, "-s", "127.0.28.2", "-p", str(port), "--nossl", "-u", "root", "-pw", "x", "vm-list",
                            code=1)
        self.assertEqual(out, "")
        self.assertTrue(err.startswith("Error: "), err)
        self.assertIn("refused", err)

    def test_a_host_that_does_not_exist_is_an_error(self):
        _, err = self.raw(XE, "-s", "host.invalid", "--nossl", "-u", "root", "-pw", "x", "vm-list", code=1)
        self.assertTrue(err.startswith("Error: "), err)

    def test_the_session_ends_with_the_command(self):
        self.xe("vm-list")
        self.xe("vm-destroy", "uuid=nonsense", code=1)
        self.assertEqual(self.server.calls.count("session.logout"), 2)

    def test_tls_is_spoken_unless_told_otherwise(self):
        with tempfile.TemporaryDirectory() as folder:
            made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                                   "-keyout", folder + "/key", "-out", folder + "/cert", "-subj", "/CN=x", "-days", "1"],
                                  capture_output=True)
            self.assertEqual(made.returncode, 0, made.stderr)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder + "/cert", folder + "/key")
        self.server.http.socket = context.wrap_socket(self.server.http.socket, server_side=True)
        out, _ = self.raw(XE, "-s", self.server.address, "-p", str(self.server.port), "-u", "root", "-pw", "secret",
                          "vm-list", "name-label=web1", "--minimal")
        self.assertEqual(out, WEB + "\n")

    def test_output_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([XE, "help"], stdout=full, stderr=subprocess.PIPE, timeout=300)
        self.assertEqual(done.returncode, 1)


class Help(Case):
    def test_a_command_is_explained_in_fixed_rows(self):
        out, _ = self.raw(XE, "help", "vbd-unplug")
        self.assertEqual(out.split("description")[0],
                         "command name       : vbd-unplug\n        reqd params: uuid\n    optional params: timeout, force\n"
                         "        ")

    def test_selectors_follow_the_optional_arguments(self):
        out, _ = self.raw(XE, "help", "vm-start")
        self.assertIn("    optional params: force, on, paused, <vm-selectors>\n", out)

    def test_an_unknown_command_is_named_on_stdout(self):
        self.assertEqual(self.raw(XE, "help", "vm-lst"), ("Unknown command 'vm-lst'\n", ""))

    def test_the_list_is_wrapped_at_74_columns(self):
        out, _ = self.raw(XE, "help", "--all")
        lines = [line for line in out.split("-----------------\n")[1].splitlines() if line]
        self.assertTrue(all(line.startswith("    ") and len(line) <= 74 for line in lines))
        self.assertFalse(any(line.endswith(",") for line in lines))
        self.assertEqual(lines.count("    "), 2)

    def test_class_commands_name_every_parameter(self):
        out, _ = self.raw(XE, "help", "secret-list", "secret-param-set")
        self.assertIn("    optional params: params, database:, uuid, value\n", out)
        self.assertIn("    optional params: value\n", out)


class Commands(Case):
    def test_every_command_of_the_reference_is_here_or_in_the_gap_list(self):
        reference = names_in(SOURCE / "tests" / "xe" / "reference-commands.txt")
        gaps = names_in(SOURCE / "xe" / "gaps.txt")
        out, _ = self.raw(XE, "help", *sorted(reference))
        here = {line.split(": ")[1] for line in out.splitlines() if line.startswith("command name")}
        self.assertEqual(here & gaps, set(), "in the gap list, but here")
        self.assertEqual(reference - here - gaps, set(), "neither here nor in the gap list")
        self.assertEqual(gaps - reference, set(), "not a command of the reference")


class Completion(Case):
    def complete(self, line):
        script = ('source "$1"; COMP_LINE=$2; COMP_POINT=${#COMP_LINE}; _xe; printf "%s\\n" "${COMPREPLY[@]}"')
        env = {"PATH": os.path.dirname(XE) + ":" + os.environ["PATH"]}
        return self.raw("bash", "-c", script, "bash", str(COMPLETION), line, env=env)[0].split("\n")[:-1]

    def at(self, rest):
        return f"xe -s {self.server.address} -p {self.server.port} --nossl -u root -pw secret {rest}"

    def test_commands(self):
        self.assertEqual(self.complete("xe vm-disk-"), ["vm-disk-add", "vm-disk-list", "vm-disk-remove"])

    def test_arguments_of_a_command(self):
        self.assertEqual(self.complete("xe vm-start pa"), ["paused="])
        self.assertIn("vm=", self.complete("xe vm-start "))

    def test_values_from_the_server(self):
        self.assertEqual(self.complete(self.at("vm-start vm=w")), ["web1"])
        self.assertEqual(self.complete(self.at("vm-destroy uuid=" + WEB[:-1])), [WEB, *self.others()])

    def others(self):
        return sorted(r["uuid"] for r in self.server.tables["VM"].values()
                      if r["uuid"].startswith(WEB[:-1]) and r["uuid"] != WEB and not r["is_a_template"])

    def test_words_that_are_known(self):
        self.assertEqual(self.complete("xe vbd-create type="), ["CD", "Disk", "Floppy"])
        self.assertEqual(self.complete("xe vdi-create type=s"), ["system", "suspend"])

    def test_types_of_storage_are_the_servers(self):
        for kind in ("nfs", "file"):
            self.server.add("SM", type=kind)
        self.assertEqual(sorted(self.complete(self.at("sr-create type="))), ["file", "nfs"])

    def test_a_name_with_blanks(self):
        self.server.change("VM", "OpaqueRef:" + WEB, name_label="my web 1")
        self.assertEqual(self.complete(self.at("vm-start vm=my\\ w")), ["my\\ web\\ 1"])
        self.assertEqual(self.complete(self.at("vm-start vm=my\\ web\\ 1 pa")), ["paused="])

    def test_a_value_is_offered_once(self):
        states = self.complete(self.at("vm-list power-state="))
        self.assertEqual(sorted(states), sorted(set(states)))
        self.assertIn("halted", states)

    def test_keys_that_an_object_has(self):
        self.assertEqual(self.complete(self.at(f"vm-param-remove uuid={WEB} param-name=other-config param-key=")),
                         ["mac_seed", "folder"])
        self.assertEqual(self.complete(self.at(f"vm-param-remove uuid={WEB} param-name=tags param-key=")), ["a", "b"])
        self.assertEqual(self.complete(self.at(f"vm-param-set uuid={WEB} other-config:f")), ["other-config:folder="])
        self.assertEqual(self.complete(self.at("vm-param-remove uuid=nobody param-name=tags param-key=")), [""])

    def test_switches(self):
        self.assertEqual(self.complete("xe vm-shutdown --"), ["--minimal", "--force", "--multiple"])
        self.assertEqual(self.complete("xe vm-destroy --m"), ["--minimal"])
        self.assertEqual(self.complete("xe --n"), ["--nossl"])
        self.assertIn("-pwf", self.complete("xe -p"))

    def test_one_of_several_params(self):
        self.assertEqual(self.complete("xe vm-list params=uuid,name-l"), ["uuid,name-label"])


if __name__ == "__main__":
    unittest.main()
