# Hosts that belong together.
xapid_libxapid_a_SOURCES += \
	xapid/pool/at_host.c xapid/pool/at_host.h \
	xapid/pool/change_role.c xapid/pool/change_role.h \
	xapid/pool/drop_host.c \
	xapid/pool/follow.c xapid/pool/follow.h \
	xapid/pool/forward.c xapid/pool/forward.h \
	xapid/pool/frame.c xapid/pool/frame.h \
	xapid/pool/hello.c xapid/pool/hello.h \
	xapid/pool/host_certificates.c xapid/pool/host_certificates.h \
	xapid/pool/join.c xapid/pool/join.h \
	xapid/pool/join_check.c \
	xapid/pool/join_serve.c \
	xapid/pool/leader.c xapid/pool/leader.h \
	xapid/pool/management.c xapid/pool/management.h \
	xapid/pool/member_host.c xapid/pool/member_host.h \
	xapid/pool/messages.c \
	xapid/pool/shared_files.c xapid/pool/shared_files.h \
	xapid/pool/peer_calls.c xapid/pool/peer_calls.h \
	xapid/pool/peers.c xapid/pool/peers.h \
	xapid/pool/refusal.c xapid/pool/refusal.h \
	xapid/pool/remote.c \
	xapid/pool/take_over.c xapid/pool/take_over.h
EXTRA_DIST += xapid/pool/README.md doc/pool.md
