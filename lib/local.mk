noinst_LIBRARIES += lib/libbase.a
lib_libbase_a_SOURCES = \
	lib/buf.c lib/buf.h \
	lib/cleanup.h \
	lib/clock.c lib/clock.h \
	lib/err.c lib/err.h \
	lib/fault.c lib/fault.h \
	lib/fd.c lib/fd.h \
	lib/fiber.c lib/fiber.h lib/fiber_private.h \
	lib/fiber_stack.c \
	lib/fiber_switch.S \
	lib/fiber_wait.c \
	lib/json_bounds.c lib/json_bounds.h \
	lib/log.c lib/log.h \
	lib/log_journal.c lib/log_journal.h \
	lib/mem.c lib/mem.h \
	lib/proc.c lib/proc.h \
	lib/undo.c lib/undo.h \
	lib/utf8.c lib/utf8.h \
	lib/worker.c
EXTRA_DIST += lib/README.md
