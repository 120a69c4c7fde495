"""Fibers in gdb, for a live process and for a core file.

    (gdb) source scripts/gdb/fibers.py
    (gdb) info fibers            each fiber: number, state, name, what it waits for
    (gdb) fiber 3                show fiber 3's stack: bt, up, info locals ... then speak of it
    (gdb) fiber none             back to the thread's own stack
    (gdb) fiber apply all bt     a command for each parked fiber

Nothing in the process is changed: frame 0 stays where the thread really is, and an unwinder tells gdb that it was
called from the parked fiber. The order of the saved registers is that of lib/fiber_switch.S.
"""

import gdb
import gdb.unwinder

# Offsets in words from the saved stack pointer, and how many words fiber_switch had pushed.
SAVED = {
    "x86_64": ({"r15": 0, "r14": 1, "r13": 2, "r12": 3, "rbx": 4, "rbp": 5, "rip": 6}, 7, "rsp", "rip"),
    "aarch64": ({"x29": 0, "pc": 1, **{f"x{19 + i}": 2 + i for i in range(10)}}, 20, "sp", "pc"),
}

selected = None  # a struct fiber * whose stack is shown, or None


def architecture(name):
    if name.startswith("i386:x86-64"):
        return SAVED["x86_64"]
    if name.startswith("aarch64"):
        return SAVED["aarch64"]
    raise gdb.GdbError(f"fibers are not known on {name}")


def all_fibers():
    """Each live fiber, as a gdb.Value of type struct fiber *."""
    try:
        f = gdb.parse_and_eval("'lib/fiber.c'::live.tqh_first")
    except gdb.error:
        f = gdb.parse_and_eval("live.tqh_first")
    while f != 0:
        yield f
        f = f["live_link"]["tqe_next"]


def state_of(f):
    return str(f["state"]).replace("FIBER_", "").lower()


def has_saved_stack(f):
    return f["stack"] != 0 and state_of(f) in ("parked", "ready")


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class FiberUnwinder(gdb.unwinder.Unwinder):
    """Makes the selected fiber the caller of the innermost frame."""

    def __init__(self):
        super().__init__("fibers")

    def __call__(self, pending):
        if selected is None or pending.level() != 0:
            return None
        registers, words, sp_name, pc_name = architecture(pending.architecture().name())
        sp = selected["sp"]
        word = gdb.lookup_type("unsigned long")
        saved = sp.cast(word.pointer())
        # Frame 0 passes for a frame below the fiber's own, since gdb insists on stacks that grow one way.
        unwind = pending.create_unwind_info(FrameId(gdb.Value(int(sp)).cast(word), pending.read_register(pc_name)))
        for name, offset in registers.items():
            unwind.add_saved_register(name, saved[offset])
        unwind.add_saved_register(sp_name, gdb.Value(int(sp) + words * word.sizeof).cast(word))
        return unwind


def select(f):
    global selected
    selected = f
    gdb.invalidate_cached_frames()


class InfoFibers(gdb.Command):
    """List the fibers: number, state, name and what each waits for."""

    def __init__(self):
        super().__init__("info fibers", gdb.COMMAND_STATUS)

    def invoke(self, arg, from_tty):
        n = 0
        for n, f in enumerate(all_fibers(), 1):
            mark = "*" if selected is not None and selected == f else " "
            flags = " (cancelled)" if f["cancelled"] else ""
            print(f"{mark}{n:4} {state_of(f):8} {f['name'].string():24} {f['what'].string()}{flags}")
        if n == 0:
            print("No fibers.")


def fiber_by_number(text):
    fibers = list(all_fibers())
    if not text.isdigit() or not 1 <= int(text) <= len(fibers):
        raise gdb.GdbError(f"There is no fiber {text!r}; see info fibers.")
    return fibers[int(text) - 1]


class FiberCommand(gdb.Command):
    """fiber N | none | apply all COMMAND: show the stack of a parked fiber, or the thread's own again."""

    def __init__(self):
        super().__init__("fiber", gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        if arg.startswith("apply all "):
            self.apply_all(arg[len("apply all "):])
        elif arg == "none":
            select(None)
        else:
            f = fiber_by_number(arg)
            if not has_saved_stack(f):
                raise gdb.GdbError(f"Fiber {arg} is {state_of(f)}: it has no saved stack.")
            select(f)
            gdb.execute("up-silently")
            gdb.execute("frame")

    def apply_all(self, command):
        before = selected
        try:
            for n, f in enumerate(all_fibers(), 1):
                print(f"\nFiber {n} ({f['name'].string()}), {state_of(f)}: {f['what'].string()}")
                if has_saved_stack(f):
                    select(f)
                    gdb.execute(command)
        finally:
            select(before)


def forget_selection(event):
    """Once the process runs the saved stack is no longer the fiber's."""
    if selected is not None:
        select(None)


InfoFibers()
FiberCommand()
gdb.unwinder.register_unwinder(None, FiberUnwinder(), replace=True)
gdb.events.cont.connect(forget_selection)
gdb.events.exited.connect(forget_selection)
