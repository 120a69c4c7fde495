"""Settings of a host's machine: files below a root of their own, and services through a systemctl of their own."""

import os
import stat
import tempfile
import time

from daemon import NULL, Daemon, fails, run, same, wait_until
import xmlrpc.client

ROOT = tempfile.TemporaryDirectory()
CHRONY = """# distribution's
confdir /etc/chrony/conf.d
pool 2.debian.pool.ntp.org iburst
sourcedir /run/chrony-dhcp
sourcedir /etc/chrony/sources.d
makestep 1 3
"""

# Programs note what they were asked to do. A file "fail" makes systemctl fail, "active" is a service's state.
PROGRAMS = {
    "systemctl": """[ "$1" = is-active ] && { [ -e ROOT/active ] && exit 0 || exit 3; }
[ -e ROOT/fail ] && echo "no such unit" >&2 && exit 5
[ "$1" = enable ] && [ "$3" = ssh ] && touch ROOT/active
[ "$1" = disable ] && [ "$3" = ssh ] && rm -f ROOT/active
exit 0""",
    "date": "",
    "chronyc": """cat <<END
^,*,one.example,2,6,377,12,0.1,0.1,0.1
^,?,192.0.2.1,0,6,0,4294967295,0.0,0.0,0.0
^,x,false.example,2,6,377,12,9.1,9.1,0.1
#,*,PPS0,0,4,377,1,0.0,0.0,0.0
nonsense
^,
END""",
    "timedatectl": "echo ServerName=time.example; echo 'NTPMessage={ Leap=0 }'",
}


def path(name):
    return os.path.join(ROOT.name, name)


def text(name):
    with open(path(name)) as f:
        return f.read()


def make(name, content=""):
    os.makedirs(os.path.dirname(path(name)), exist_ok=True)
    with open(path(name), "w") as f:
        f.write(content)


def asked():
    """What programs were asked since the last time."""
    lines = text("asked").splitlines()
    make("asked")
    return [line for line in lines if "is-active" not in line]


def set_up():
    for name in ("etc/profile.d", "etc/systemd/system", "proc", "bin"):
        os.makedirs(path(name))
    make("asked")
    make("proc/sysrq-trigger")
    for name, body in PROGRAMS.items():
        make("bin/" + name, f'#!/bin/sh\necho "{name} $*" >>ROOT/asked\n{body}\n'.replace("ROOT", ROOT.name))
        os.chmod(path("bin/" + name), 0o755)
    os.symlink("/usr/share/zoneinfo/Europe/Paris", path("etc/localtime"))
    os.environ["PATH"] = path("bin") + ":" + os.environ["PATH"]


def host_of(c):
    return c.call("host.get_all")[0]


def the_row_says_how_the_machine_is(d):
    c = d.login()
    c.await_change(["host"], lambda: c.call("host.get_timezone", host_of(c)) == "Europe/Paris", "the zone is known")
    same(c.call("host.get_ssh_enabled", host_of(c)), False)


def the_log_goes_to_another_host(d):
    c = d.login()
    host = host_of(c)
    c.call("host.syslog_reconfigure", host)
    assert "database: add network" not in d.log()
    c.call("host.set_logging", host, {"level": "debug"})
    c.call("host.syslog_reconfigure", host)
    network = c.call("network.create", {"name_label": "logged", "name_description": "", "other_config": {}, "MTU": "1500",
                                        "tags": []})
    assert f"database: add network {network}" in d.log()
    c.call("network.destroy", network)
    c.call("host.set_logging", host, {"level": "much"})
    same(fails("INVALID_VALUE", c.call, "host.syslog_reconfigure", host), ["level", "much"])
    c.call("host.set_logging", host, {"syslog_destination": "192.0.2.9"})
    fails("OPERATION_NOT_ALLOWED", c.call, "host.syslog_reconfigure", host)
    make("etc/rsyslog.d/other.conf")
    c.call("host.syslog_reconfigure", host)
    same(text("etc/rsyslog.d/xapid.conf").splitlines()[-1], "*.* @192.0.2.9")
    same(stat.S_IMODE(os.stat(path("etc/rsyslog.d/xapid.conf")).st_mode), 0o644)
    same(asked(), ["systemctl restart rsyslog"])
    c.call("host.set_logging", host, {"syslog_destination": "2001:db8::1"})
    c.call("host.syslog_reconfigure", host)
    same(text("etc/rsyslog.d/xapid.conf").splitlines()[-1], "*.* @[2001:db8::1]")
    for bad in ("a\n$ModLoad x", "a b", "-x", "@a", "x" * 300, "a;b"):
        c.call("host.set_logging", host, {"syslog_destination": bad})
        same(fails("INVALID_VALUE", c.call, "host.syslog_reconfigure", host), ["syslog_destination", bad])
    assert "2001:db8::1" in text("etc/rsyslog.d/xapid.conf")
    asked()
    c.call("host.set_logging", host, {})
    for _ in range(2):
        c.call("host.syslog_reconfigure", host)
    assert not os.path.exists(path("etc/rsyslog.d/xapid.conf"))
    same(asked(), ["systemctl restart rsyslog"])


def zones_have_to_be_some(d):
    c = d.login()
    host = host_of(c)
    for bad in ("", "Mars/Olympus", "../../../etc/passwd", "/etc/passwd", "Europe", "Europe/Paris\n"):
        same(fails("INVALID_VALUE", c.call, "host.set_timezone", host, bad), ["timezone", bad])
    make("etc/timezone", "Etc/UTC\n")
    c.call("host.set_timezone", host, "Asia/Tokyo")
    same(os.readlink(path("etc/localtime")), "/usr/share/zoneinfo/Asia/Tokyo")
    same((text("etc/timezone"), c.call("host.get_timezone", host)), ("Asia/Tokyo\n", "Asia/Tokyo"))
    fails("HANDLE_INVALID", c.call, "host.set_timezone", NULL, "Asia/Tokyo")


def no_clock_service_is_said(d):
    c = d.login()
    fails("INVALID_NTP_CONFIG", c.call, "host.set_ntp_mode", host_of(c), "DHCP")
    same(c.call("host.get_ntp_servers_status", host_of(c)), {})


def timesyncd_is_set(d):
    c = d.login()
    host = host_of(c)
    make("lib/systemd/systemd-timesyncd")
    drop_in = "etc/systemd/timesyncd.conf.d/xapid.conf"
    fails("INVALID_NTP_CONFIG", c.call, "host.set_ntp_mode", host, "Custom")
    c.call("host.set_ntp_custom_servers", host, ["a.example", "192.0.2.1"])
    assert not os.path.exists(path(drop_in))
    asked()
    c.call("host.set_ntp_mode", host, "Custom")
    same(text(drop_in).splitlines()[1:], ["[Time]", "NTP=a.example 192.0.2.1", "FallbackNTP="])
    same(asked(), ["systemctl enable systemd-timesyncd", "systemctl restart systemd-timesyncd"])
    fails("INVALID_NTP_CONFIG", c.call, "host.set_ntp_custom_servers", host, [])
    for bad in ("", "a b", "a\nNTP=b", "%&"):
        fails("INVALID_VALUE", c.call, "host.set_ntp_custom_servers", host, [bad])
    c.call("host.set_ntp_custom_servers", host, ["b.example"])
    assert "NTP=b.example\n" in text(drop_in)
    same(c.call("host.get_ntp_servers_status", host), {"time.example": "synced"})
    c.call("host.set_ntp_mode", host, "DHCP")
    assert "NTP=\nFallbackNTP=\n" in text(drop_in)
    c.call("host.set_ntp_mode", host, "Factory")
    assert not os.path.exists(path(drop_in))
    fails("NOT_ALLOWED_WHEN_NTP_IS_ENABLED", c.call, "host.set_servertime", host, xmlrpc.client.DateTime("20260102T03:04:05Z"))
    asked()
    c.call("host.set_ntp_mode", host, "Disabled")
    same(asked(), ["systemctl disable --now systemd-timesyncd"])
    fails("INVALID_VALUE", c.call, "host.set_servertime", host, xmlrpc.client.DateTime("99991231T23:59:59Z"))
    c.call("host.set_servertime", host, xmlrpc.client.DateTime("20260102T03:04:05Z"))
    same(asked(), ["date -u --set=@1767323045"])
    same((c.call("host.get_ntp_servers_status", host), c.call("host.get_ntp_mode", host)), ({}, "Disabled"))


def chrony_goes_first_and_gets_its_lines_back(d):
    c = d.login()
    host = host_of(c)
    make("etc/chrony/chrony.conf", CHRONY)
    c.call("host.set_ntp_mode", host, "Custom")
    same(text("etc/chrony/sources.d/xapid.sources").splitlines()[1:], ["server b.example iburst"])
    same([line for line in text("etc/chrony/chrony.conf").splitlines() if line.startswith("#xapid# ")],
         ["#xapid# pool 2.debian.pool.ntp.org iburst", "#xapid# sourcedir /run/chrony-dhcp"])
    assert "systemctl restart chrony" in asked()
    same(c.call("host.get_ntp_servers_status", host),
         {"one.example": "synced", "192.0.2.1": "unreachable", "false.example": "error"})
    c.call("host.set_ntp_mode", host, "DHCP")
    assert not os.path.exists(path("etc/chrony/sources.d/xapid.sources"))
    same([line for line in text("etc/chrony/chrony.conf").splitlines() if line.startswith("#xapid# ")],
         ["#xapid# pool 2.debian.pool.ntp.org iburst"])
    c.call("host.set_ntp_mode", host, "Factory")
    same(text("etc/chrony/chrony.conf"), CHRONY)


def consoles_close_when_idle(d):
    c = d.login()
    host, (pool,) = host_of(c), c.call("pool.get_all")
    fails("INVALID_VALUE", c.call, "host.set_console_idle_timeout", host, "-1")
    fails("INVALID_VALUE", c.call, "pool.set_console_idle_timeout", pool, "-1")
    c.call("host.set_console_idle_timeout", host, "300")
    assert "TMOUT=300;" in text("etc/profile.d/xapid-console-timeout.sh")
    same(os.system(f"sh -n {path('etc/profile.d/xapid-console-timeout.sh')}"), 0)
    c.call("pool.set_console_idle_timeout", pool, "0")
    assert not os.path.exists(path("etc/profile.d/xapid-console-timeout.sh"))
    same(c.call("host.get_console_idle_timeout", host), "0")


def the_kernel_tells_and_does_nothing_else(d):
    c = d.login()
    c.call("host.send_debug_keys", host_of(c), "mt")
    for bad in ("b", "mb", "m" * 17, "\n"):
        fails("VALUE_NOT_SUPPORTED", c.call, "host.send_debug_keys", host_of(c), bad)
    same(text("proc/sysrq-trigger"), "mt")


def ssh_is_switched_and_ends_in_time(d):
    c = d.login()
    host, (pool,) = host_of(c), c.call("pool.get_all")
    asked()
    c.call("host.enable_ssh", host)
    same((asked(), c.call("host.get_ssh_enabled", host)), (["systemctl enable --now ssh"], True))
    same(str(c.call("host.get_ssh_expiry", host)), "19700101T00:00:00Z")
    for bad in ("-1", "172801"):
        fails("INVALID_VALUE", c.call, "host.set_ssh_enabled_timeout", host, bad)
        fails("INVALID_VALUE", c.call, "pool.set_ssh_enabled_timeout", pool, bad)
    c.call("pool.set_ssh_enabled_timeout", pool, "3600")
    assert str(c.call("host.get_ssh_expiry", host)) > time.strftime("%Y%m%dT%H:%M:%SZ", time.gmtime(time.time() + 3500))
    c.call("host.set_ssh_enabled_timeout", host, "1")
    c.await_change(["host"], lambda: not c.call("host.get_ssh_enabled", host), "SSH is switched off in time")
    same(asked(), ["systemctl disable --now ssh"])
    c.call("pool.enable_ssh", pool)
    c.call("pool.disable_ssh", pool)
    same(asked(), ["systemctl enable --now ssh", "systemctl disable --now ssh"])
    make("fail")
    same(fails("ENABLE_SSH_FAILED", c.call, "host.enable_ssh", host), [host])
    same(fails("ENABLE_SSH_PARTIALLY_FAILED", c.call, "pool.enable_ssh", pool), [host])
    same(fails("DISABLE_SSH_FAILED", c.call, "host.disable_ssh", host), [host])
    same(fails("DISABLE_SSH_PARTIALLY_FAILED", c.call, "pool.disable_ssh", pool), [host])
    assert "no such unit" in d.log()
    os.unlink(path("fail"))
    fails("HANDLE_INVALID", c.call, "pool.enable_ssh", NULL)


def ssh_opens_when_the_daemon_fails(d):
    c = d.login()
    host, (pool,) = host_of(c), c.call("pool.get_all")
    drop_in = "etc/systemd/system/xapid.service.d/ssh.conf"
    c.call("host.set_ssh_enabled_timeout", host, "0")
    c.call("host.enable_ssh", host)
    asked()
    c.call("pool.set_ssh_auto_mode", pool, True)
    assert "OnFailure=ssh.service" in text(drop_in)
    same(asked(), ["systemctl daemon-reload", "systemctl disable --now ssh"])
    same((c.call("host.get_ssh_auto_mode", host), c.call("host.get_ssh_enabled", host)), (True, False))
    c.call("host.enable_ssh", host)
    assert not os.path.exists(path(drop_in))
    same(c.call("host.get_ssh_auto_mode", host), False)
    c.call("host.set_ssh_auto_mode", host, False)


def what_was_to_end_ends_after_a_restart(d):
    c = d.login()
    host = host_of(c)
    c.call("host.set_ssh_enabled_timeout", host, "2")
    d.kill()
    d.start()
    c = d.login()
    c.await_change(["host"], lambda: not c.call("host.get_ssh_enabled", host), "SSH is switched off in time")
    make("active")  # by somebody else
    d.stop()
    d.start()
    c = d.login()
    c.await_change(["host"], lambda: c.call("host.get_ssh_enabled", host), "the machine's state is seen")
    c.call("host.disable_ssh", host)


def what_the_record_alone_holds(d):
    c = d.login()
    host = host_of(c)
    c.call("host.set_multipathing", host, True)
    same((c.call("host.get_multipathing", host), c.call("host.get_other_config", host)["multipathing"]), (True, "true"))
    local = d.unix()
    local.session = local.plain("session.login_with_password", "root", "")
    same(local.call("host.get_sched_gran", host), "cpu")
    local.call("host.set_sched_gran", host, "cpu")
    fails("VALUE_NOT_SUPPORTED", local.call, "host.set_sched_gran", host, "core")


set_up()
run([the_row_says_how_the_machine_is, the_log_goes_to_another_host, zones_have_to_be_some, no_clock_service_is_said, timesyncd_is_set,
     chrony_goes_first_and_gets_its_lines_back, consoles_close_when_idle, the_kernel_tells_and_does_nothing_else,
     ssh_is_switched_and_ends_in_time, ssh_opens_when_the_daemon_fails, what_was_to_end_ends_after_a_restart,
     what_the_record_alone_holds], lambda: Daemon("--machine-root", ROOT.name))
