if HAVE_CHECK
check_PROGRAMS += $(RPC_TESTS)
TESTS += $(RPC_TESTS)
endif
RPC_TESTS = tests/rpc/test_xml tests/rpc/test_json tests/rpc/test_wire tests/rpc/test_encode tests/rpc/test_head \
	tests/rpc/test_client
RPC_LIBS = rpc/librpc.a model/libmodel.a lib/libbase.a $(LIBXML2_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS) $(MICROHTTPD_LIBS) $(TALLOC_LIBS) \
	$(EV_LIBS) -lpthread -lm
tests_rpc_test_xml_SOURCES = tests/rpc/test_xml.c tests/rpc/story.h
tests_rpc_test_xml_LDADD = $(RPC_LIBS) $(CHECK_LIBS)
tests_rpc_test_json_SOURCES = tests/rpc/test_json.c tests/rpc/story.h
tests_rpc_test_json_LDADD = $(RPC_LIBS) $(CHECK_LIBS)
tests_rpc_test_wire_SOURCES = tests/rpc/test_wire.c
tests_rpc_test_wire_LDADD = $(RPC_LIBS) $(CHECK_LIBS)
tests_rpc_test_encode_SOURCES = tests/rpc/test_encode.c
tests_rpc_test_encode_LDADD = $(RPC_LIBS) $(XMLRPC_LIBS) $(CHECK_LIBS)
tests_rpc_test_head_SOURCES = tests/rpc/test_head.c
tests_rpc_test_head_LDADD = $(RPC_LIBS) $(CHECK_LIBS)
tests_rpc_test_client_SOURCES = tests/rpc/test_client.c
tests_rpc_test_client_LDADD = $(RPC_LIBS) $(CHECK_LIBS)

# Python's own clients, and sockets where those are too well-behaved, against a server of ours.
check_PROGRAMS += tests/rpc/http_server
TESTS += tests/rpc/http_test.py
EXTRA_DIST += tests/rpc/http_test.py
tests_rpc_http_server_SOURCES = tests/rpc/http_server.c
tests_rpc_http_server_LDADD = $(RPC_LIBS)

EXTRA_PROGRAMS += tests/rpc/bench_http
BENCHES += tests/rpc/bench_http
tests_rpc_bench_http_SOURCES = tests/rpc/bench_http.c tests/rpc/bench_load.c tests/rpc/bench_load.h \
	tests/rpc/bench_pair.c tests/rpc/bench_pair.h
tests_rpc_bench_http_LDADD = $(RPC_LIBS) $(MICROHTTPD_LIBS)
EXTRA_PROGRAMS += tests/rpc/bench_codec
BENCHES += tests/rpc/bench_codec
tests_rpc_bench_codec_SOURCES = tests/rpc/bench_codec.c
tests_rpc_bench_codec_LDADD = $(RPC_LIBS) $(XMLRPC_LIBS)
