noinst_LIBRARIES += rpc/librpc.a
rpc_librpc_a_SOURCES = \
	rpc/arena.c rpc/arena.h \
	rpc/encode.c rpc/encode.h rpc/envelope.c \
	rpc/escape.c rpc/escape.h \
	rpc/json_read.c rpc/request.h \
	rpc/number.c rpc/number.h \
	rpc/wire.c rpc/wire.h \
	rpc/xml_read.c rpc/xml_tree.c rpc/xml_tree.h
EXTRA_DIST += rpc/README.md
