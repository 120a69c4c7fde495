"""A disk that UEFI boots from: a FAT16 volume with uefi_boots.c as \\EFI\\BOOT\\BOOTX64.EFI."""

import os
import struct
import subprocess
import sys

from daemon import SOURCE

SKIP = 77
SECTOR, SECTORS, FAT_SECTORS, ROOT_ENTRIES = 512, 8192, 32, 512
DIRECTORY, ARCHIVE, END = 0x10, 0x20, 0xffff


def program(folder):
    """The path of the program, compiled; ends the test as skipped when it cannot be."""
    source, out = os.path.join(SOURCE, "tests", "ops", "uefi_boots.c"), os.path.join(folder, "boots")
    compile_it = ["gcc", "-std=gnu11", "-Os", "-ffreestanding", "-fno-stack-protector", "-fno-ident",
                  "-fno-asynchronous-unwind-tables", "-fshort-wchar", "-mno-red-zone", "-fPIC", "-c", source,
                  "-o", f"{out}.o"]
    link_it = ["ld", "-m", "i386pep", "--oformat", "pei-x86-64", "--subsystem", "10", "-e", "start", "-s",
               "--image-base", "0", "--dynamicbase", "-o", f"{out}.efi", f"{out}.o"]
    for command in (compile_it, link_it):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"skipped: {done.stderr.strip()}")
            sys.exit(SKIP)
    return f"{out}.efi"


def entry(name, attribute, cluster, size=0):
    return struct.pack("<11sBBBHHHHHHHI", name, attribute, 0, 0, 0, 0, 0, 0, 0, 0x21, cluster, size)


def folder(own, parent, *entries):
    return (entry(b".          ", DIRECTORY, own) + entry(b"..         ", DIRECTORY, parent) +
            b"".join(entries)).ljust(SECTOR, b"\0")


def write(path, content):
    """A volume at `path`; clusters are sectors: 2 holds \\EFI, 3 \\EFI\\BOOT, 4 and on the program."""
    boot = struct.pack("<3s8sHBHBHHBHHHIIBBBI11s8s", b"\xeb\x3c\x90", b"xapid   ", SECTOR, 1, 1, 1, ROOT_ENTRIES,
                       SECTORS, 0xf8, FAT_SECTORS, 32, 2, 0, 0, 0x80, 0, 0x29, 1, b"XAPID      ", b"FAT16   ")
    clusters = -(-len(content) // SECTOR)
    fat = [0xfff8, END, END, END, *range(5, 4 + clusters), END]
    with open(path, "wb") as f:
        f.write(boot.ljust(510, b"\0") + b"\x55\xaa")
        f.write(struct.pack(f"<{len(fat)}H", *fat).ljust(FAT_SECTORS * SECTOR, b"\0"))
        f.write(entry(b"EFI        ", DIRECTORY, 2).ljust(ROOT_ENTRIES * 32, b"\0"))
        f.write(folder(2, 0, entry(b"BOOT       ", DIRECTORY, 3)))
        f.write(folder(3, 2, entry(b"BOOTX64 EFI", ARCHIVE, 4, len(content))))
        f.write(content)
        f.truncate(SECTORS * SECTOR)


def make(path):
    with open(program(os.path.dirname(path)), "rb") as f:
        write(path, f.read())
    return path
