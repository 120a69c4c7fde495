noinst_LIBRARIES += hv/libhv.a
hv_libhv_a_SOURCES = \
	hv/hv.h \
	hv/platform.c hv/platform.h \
	hv/schedule.c hv/schedule.h \
	hv/shape.c hv/shape.h \
	hv/qemu/access.c hv/qemu/access.h \
	hv/qemu/acl.c hv/qemu/acl.h \
	hv/qemu/adopt.c \
	hv/qemu/agent_exec.c hv/qemu/agent_exec.h \
	hv/qemu/agent_facts.c hv/qemu/agent_facts.h \
	hv/qemu/agent_proto.c hv/qemu/agent_proto.h \
	hv/qemu/cgroup.c hv/qemu/cgroup.h \
	hv/qemu/cmdline.c hv/qemu/cmdline.h \
	hv/qemu/command.c \
	hv/qemu/credentials.c \
	hv/qemu/devices.c hv/qemu/devices.h \
	hv/qemu/driver.c \
	hv/qemu/drives.c \
	hv/qemu/dump.c \
	hv/qemu/firmware.S hv/qemu/firmware.h \
	hv/qemu/guest_agent.c hv/qemu/guest_agent.h \
	hv/qemu/hardware.c hv/qemu/hardware.h \
	hv/qemu/json_lines.c hv/qemu/json_lines.h \
	hv/qemu/nics.c \
	hv/qemu/operations.c \
	hv/qemu/memory.c \
	hv/qemu/migration.c hv/qemu/migration.h \
	hv/qemu/cpu_mask.c hv/qemu/cpu_mask.h \
	hv/qemu/jobs.c hv/qemu/jobs.h \
	hv/qemu/mirror.c \
	hv/qemu/relocate.c \
	hv/qemu/move.c hv/qemu/move.h \
	hv/qemu/nvram.c hv/qemu/nvram.h \
	hv/qemu/passage.c \
	hv/qemu/probe.c hv/qemu/probe.h \
	hv/qemu/processors.c \
	hv/qemu/process.c hv/qemu/process.h \
	hv/qemu/qemu.h \
	hv/qemu/qmp.c hv/qemu/qmp.h \
	hv/qemu/receive.c \
	hv/qemu/shape.c hv/qemu/shape.h \
	hv/qemu/snapshot.c \
	hv/qemu/sockets.c \
	hv/qemu/spec.c \
	hv/qemu/start.c hv/qemu/start.h \
	hv/qemu/suspend.c \
	hv/qemu/tear_out.c \
	hv/qemu/trigger.c \
	hv/qemu/usage.c \
	hv/qemu/vm.c \
	hv/qemu/vm_dir.c hv/qemu/vm_dir.h \
	hv/sim/console.c \
	hv/sim/move.c \
	hv/sim/script.c hv/sim/script.h \
	hv/sim/sim.c hv/sim/sim.h \
	hv/sim/store.c hv/sim/store.h
EXTRA_DIST += scripts/demo-guest guest/demo-agent.c guest/udhcpc-script guest/README.md
EXTRA_DIST += hv/README.md hv/sim/README.md
