noinst_LIBRARIES += pool/libpool.a
pool_libpool_a_SOURCES = pool/agent.c pool/agent.h pool/agent_state.h pool/attachments.c pool/attachments.h \
	pool/authority.c pool/authority.h pool/folder.c pool/folder.h \
	pool/devices.c pool/image.c pool/image.h pool/move.c \
	pool/peer.c pool/peer.h pool/plugin.c pool/plugin.h pool/storage.c
EXTRA_DIST += pool/README.md
