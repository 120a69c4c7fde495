noinst_LIBRARIES += pool/libpool.a
pool_libpool_a_SOURCES = \
	pool/agent.c pool/agent.h \
	pool/agent_serve.c pool/agent_serve.h \
	pool/agent_state.h \
	pool/agent_types.c pool/agent_types.h \
	pool/attachments.c pool/attachments.h \
	pool/authority.c pool/authority.h \
	pool/codec.c pool/codec.h \
	pool/devices.c \
	pool/extension.c pool/extension.h \
	pool/disk_remote.c pool/disk_remote.h \
	pool/disk_stream.c pool/disk_stream.h \
	pool/folder.c pool/folder.h \
	pool/image.c pool/image.h \
	pool/machine.c pool/machine.h \
	pool/machine_ntp.c \
	pool/membership.c pool/membership.h \
	pool/move.c \
	pool/relocate.c \
	pool/operations.c pool/operations.h \
	pool/peer.c pool/peer.h \
	pool/plugin.c pool/plugin.h \
	pool/remote.c pool/remote.h \
	pool/seam.c \
	pool/storage.c \
	pool/visitor.c pool/visitor.h
EXTRA_DIST += pool/README.md
