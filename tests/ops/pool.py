"""Hosts that are, or become, a pool: real daemons, each on a loopback address of its own."""

import os
import random
import subprocess

from daemon import XAPID, Client, Daemon, Failure, Lost, wait_until

PORT = "443" if os.geteuid() == 0 else "8443"  # the same for all hosts of a pool; addresses keep runs apart


def addresses(n):
    """Consecutive ones out of a subnet that hardly anybody else has at the same time."""
    net = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}"
    return [f"{net}.{i + 11}" for i in range(n)]


class Host(Daemon):
    def __init__(self, address, hypervisor="sim", options=()):
        super().__init__(hypervisor, address, ["--port", PORT, "--login-delay-ms", "0", "--silence-ms", "3000",
                                             *options])
        self.power_log = os.path.join(self.directory, "power")
        self.machine = os.path.join(self.directory, "machine")
        os.makedirs(os.path.join(self.machine, "etc"))
        self.options += ["--power-command", self.write_power_command(), "--machine-root", self.machine]

    @property
    def url(self):
        return f"https://{self.address}:{PORT}"

    def write_power_command(self):
        """A program that notes that the machine would go."""
        path = os.path.join(self.directory, "power.sh")
        with open(path, "w") as f:
            f.write(f'#!/bin/sh\necho "$@" >> {self.power_log}\n')
        os.chmod(path, 0o700)
        return path

    def me(self, c):
        """This host's reference, as any host of its pool knows it."""
        return next(ref for ref, host in c.host.get_all_records().items() if host["address"] == self.address)

    def set_password(self, password="secret"):
        subprocess.run([XAPID, "--state-dir", self.state, "--set-password", "root"], input=password + "\n", text=True,
                       check=True, capture_output=True)

    def client_of_its_own(self):
        """With a session for what a member does without its coordinator."""
        c = Client(self.socket)
        c.session = c.raw("session.slave_local_login_with_password", ["root", "secret"])
        return c

    def start(self, wait=True):
        if not os.path.exists(os.path.join(self.state, "passwd")):  # what guards it is slow on purpose
            self.set_password()
        return super().start(wait)


class Pool:
    """with Pool(3) as hosts: the first one leads, the others have joined."""

    def __init__(self, n, hypervisor="sim", options=(), joined=True):
        self.hosts = [Host(a, hypervisor, options) for a in addresses(n)]
        self.joined = joined

    def __enter__(self):
        self.entered = []
        try:
            for h in self.hosts:
                self.entered.append(h.__enter__())
            for h in self.hosts[1:] if self.joined else []:
                join(h, self.hosts[0])
        except BaseException as problem:
            self.__exit__(type(problem), problem, None)
            raise
        return self.hosts

    def __exit__(self, *problem):
        for h in reversed(self.entered):
            h.__exit__(*problem)


def is_live(coordinator, member):
    c = coordinator.client()
    host = next((h for h in c.host.get_all_records().values() if h["address"] == member.address), None)
    return host is not None and c.host_metrics.get_live(host["metrics"])


def join(member, coordinator):
    member.client().pool.join(coordinator.address, "root", "secret")
    wait_until(lambda: is_live(coordinator, member), f"{member.address} is a live member")
    wait_until(lambda: answers_as_member(member, coordinator), f"{member.address} answers")


def answers_as_member(member, coordinator):
    try:
        return coordinator.address in [h["address"] for h in member.client().host.get_all_records().values()]
    except (Lost, Failure, OSError):
        return False


def leads(host):
    try:
        c = host.client()
        return c.host.get_address(c.pool.get_all_records().popitem()[1]["master"]) == host.address
    except (Lost, Failure, OSError):
        return False
