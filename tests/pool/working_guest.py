"""A guest on shared storage that writes its disk and its memory all the time, and can tell whether any of it was lost."""

import hashlib
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ops"))
import demo_guest  # noqa: E402
from daemon import add_disk, make_vdi, template, vif  # noqa: E402

MIB = 1 << 20
# It rests in between: without KVM a guest that never does takes a whole processor from all that is tested beside it.
WRITER = ("(i=$(cat /last 2>/dev/null || echo 0); w=0; echo 0 > /waited; "
          "while [ ! -e /stop ]; do i=$((i+1)); read began x < /proc/uptime; "
          "printf %08d $i | dd of=/dev/vda bs=512 seek=$((2048+i)) conv=sync,notrunc,fsync; echo $i > /last; "
          "read now x < /proc/uptime; s=$((${now%.*}-${began%.*})); [ $s -gt $w ] && w=$s && echo $w > /waited; "
          "head -c 300000 /ram > /dirty; usleep 100000; done; touch /stopped) > /dev/null 2>&1 &")
STOP = ("touch /stop; while [ ! -e /stopped ]; do usleep 50000; done; rm /stop /stopped; "
        "echo 3 > /proc/sys/vm/drop_caches; echo count $(cat /last); echo waited $(cat /waited); "
        "dd if=/dev/vda bs=512 skip=2049 count=$(cat /last) 2>/dev/null | md5sum; md5sum < /ram; "
        "dd if=/dev/vda bs=1M skip=16 count=4 2>/dev/null | head -c 4000000 | md5sum")


def blocks_sum(count):
    """Of the blocks that the guest has written when its counter is there."""
    return hashlib.md5(b"".join(b"%08d" % i + b"\0" * 504 for i in range(1, count + 1))).hexdigest()


class Guest:
    def __init__(self, m, name, host=0):
        c, self.m = m.c, m
        self.vm = c.VM.clone(template(c, "Demo guest"), name)
        c.VM.provision(self.vm)
        c.VM.set_memory_limits(self.vm, 128 * MIB, 128 * MIB, 128 * MIB, 128 * MIB)
        for b in c.VM.get_VBDs(self.vm):
            old = c.VBD.get_VDI(b)
            c.VBD.destroy(b)
            c.VDI.destroy(old)
        c.VIF.create(vif(c, self.vm, "0"))
        add_disk(c, self.vm, make_vdi(c, f"{name} disk", sr=m.shared, size=32 * MIB), device="0")
        self.uuid = c.VM.get_uuid(self.vm)
        self.start(host)

    def start(self, host=0):
        self.m.c.VM.start_on(self.vm, self.m.refs[host], False, False)
        demo_guest.wait_for_address(self.m.c, self.vm)  # before it its disk may not be there
        said = self.run("test -b /dev/vda && head -c 4000000 /dev/urandom > /ram; md5sum < /ram; "
                        "dd if=/ram of=/dev/vda bs=1M seek=16 conv=fsync 2> /dev/null")
        self.ram, self.count, self.waited = re.search(r"[0-9a-f]{32}", said)[0], 0, 0
        self.run(WRITER)

    def restart(self, host, written):
        """Its memory is lost, but not what it had written by then."""
        self.m.c.VM.start_on(self.vm, self.m.refs[host], False, False)
        demo_guest.wait_for_address(self.m.c, self.vm)
        said = self.run(f"dd if=/dev/vda bs=512 skip=2049 count={written} 2>/dev/null | md5sum; "
                        f"dd if=/dev/vda bs=1M skip=16 count=4 2>/dev/null | head -c 4000000 > /ram; md5sum < /ram; "
                        f"echo {written} > /last")
        assert re.findall(r"[0-9a-f]{32}", said) == [blocks_sum(written), self.ram], (said, written, blocks_sum(written), self.ram)
        self.run(WRITER)

    def run(self, command):
        console = demo_guest.Console(self.m.hosts[self.m.at(self.vm)], self.m.c, self.vm)
        said = console.run(command)
        console.close()
        return said

    def check(self):
        """All that it has written is there; it has gone on; and goes on."""
        said = self.run(STOP)
        count, sums = int(re.search(r"count (\d+)", said)[1]), re.findall(r"[0-9a-f]{32}", said)
        self.waited = int(re.search(r"waited (\d+)", said)[1])  # seconds, for a write at most
        assert sums == [blocks_sum(count), self.ram, self.ram], said
        assert count > self.count, (count, self.count)
        self.count = count
        self.run(WRITER)
