noinst_LIBRARIES += rpc/librpc.a
rpc_librpc_a_SOURCES = \
	rpc/arena.c rpc/arena.h \
	rpc/client.c rpc/client.h rpc/client_connect.c rpc/client_connect.h \
	rpc/encode.c rpc/encode.h rpc/envelope.c \
	rpc/escape.c rpc/escape.h \
	rpc/http.h rpc/http_private.h \
	rpc/http_conn.c rpc/http_dispatch.c rpc/http_reply.c rpc/http_request.c rpc/http_server.c rpc/http_spare.c \
	rpc/http_stream.c \
	rpc/http_head.c rpc/http_head.h \
	rpc/json_read.c rpc/request.h \
	rpc/number.c rpc/number.h \
	rpc/pem.c rpc/pem.h \
	rpc/plain.c rpc/plain.h \
	rpc/tls.c rpc/tls.h \
	rpc/splice.c rpc/splice.h \
	rpc/transport.c rpc/transport.h \
	rpc/url.c rpc/url.h \
	rpc/wire.c rpc/wire.h \
	rpc/x509.c rpc/x509.h \
	rpc/xml_read.c rpc/xml_tree.c rpc/xml_tree.h
EXTRA_DIST += rpc/README.md
