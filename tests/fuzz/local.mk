# Fuzz targets. make check replays the corpus; to search further:
#   ../configure CC=clang CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' --enable-sanitizers && make tests/fuzz/fuzz_xml
#   tests/fuzz/fuzz_xml -max_total_time=600 NEW-CORPUS-DIR SOURCES/tests/fuzz/corpus/xml
FUZZ_REPLAYS = tests/fuzz/replay_xml tests/fuzz/replay_json tests/fuzz/replay_head
check_PROGRAMS += $(FUZZ_REPLAYS)
TESTS += $(FUZZ_REPLAYS)
tests_fuzz_replay_xml_SOURCES = tests/fuzz/fuzz_xml.c tests/fuzz/replay.c tests/fuzz/fuzz.h
tests_fuzz_replay_xml_LDADD = $(RPC_LIBS)
tests_fuzz_replay_json_SOURCES = tests/fuzz/fuzz_json.c tests/fuzz/replay.c tests/fuzz/fuzz.h
tests_fuzz_replay_json_LDADD = $(RPC_LIBS)
tests_fuzz_replay_head_SOURCES = tests/fuzz/fuzz_head.c tests/fuzz/replay.c tests/fuzz/fuzz.h
tests_fuzz_replay_head_LDADD = $(RPC_LIBS)

EXTRA_PROGRAMS += tests/fuzz/fuzz_xml tests/fuzz/fuzz_json tests/fuzz/fuzz_head
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_xml_SOURCES = tests/fuzz/fuzz_xml.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_xml_LDADD = $(RPC_LIBS)
tests_fuzz_fuzz_xml_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz_json.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_json_LDADD = $(RPC_LIBS)
tests_fuzz_fuzz_json_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_head_SOURCES = tests/fuzz/fuzz_head.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_head_LDADD = $(RPC_LIBS)
tests_fuzz_fuzz_head_LDFLAGS = $(FUZZ_LINK)
EXTRA_DIST += $(wildcard $(srcdir)/tests/fuzz/corpus/*/*)

# What browsers send to consoles.
check_PROGRAMS += tests/fuzz/replay_websocket
TESTS += tests/fuzz/replay_websocket
tests_fuzz_replay_websocket_SOURCES = tests/fuzz/fuzz_websocket.c tests/fuzz/replay.c tests/fuzz/fuzz.h
tests_fuzz_replay_websocket_LDADD = $(xapid_libraries) $(xapid_system_libraries)
EXTRA_PROGRAMS += tests/fuzz/fuzz_websocket
tests_fuzz_fuzz_websocket_SOURCES = tests/fuzz/fuzz_websocket.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_websocket_LDADD = $(xapid_libraries) $(xapid_system_libraries)
tests_fuzz_fuzz_websocket_LDFLAGS = $(FUZZ_LINK)
# The pool's database as XML.
check_PROGRAMS += tests/fuzz/replay_xmldb
TESTS += tests/fuzz/replay_xmldb
XMLDB_FUZZ_LIBS = $(xapid_libraries) $(xapid_system_libraries)
tests_fuzz_replay_xmldb_SOURCES = tests/fuzz/fuzz_xmldb.c tests/fuzz/replay.c tests/fuzz/fuzz.h
tests_fuzz_replay_xmldb_LDADD = $(XMLDB_FUZZ_LIBS)
EXTRA_PROGRAMS += tests/fuzz/fuzz_xmldb
tests_fuzz_fuzz_xmldb_SOURCES = tests/fuzz/fuzz_xmldb.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_xmldb_LDADD = $(XMLDB_FUZZ_LIBS)
tests_fuzz_fuzz_xmldb_LDFLAGS = $(FUZZ_LINK)

# The command line of xe.
check_PROGRAMS += tests/fuzz/replay_xe_args
TESTS += tests/fuzz/replay_xe_args
tests_fuzz_replay_xe_args_SOURCES = tests/fuzz/fuzz_xe_args.c tests/fuzz/replay.c tests/fuzz/fuzz.h
tests_fuzz_replay_xe_args_LDADD = $(XE_FUZZ_LIBS)
EXTRA_PROGRAMS += tests/fuzz/fuzz_xe_args
tests_fuzz_fuzz_xe_args_SOURCES = tests/fuzz/fuzz_xe_args.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_xe_args_LDADD = $(XE_FUZZ_LIBS)
tests_fuzz_fuzz_xe_args_LDFLAGS = $(FUZZ_LINK)
XE_FUZZ_LIBS = xe/libxe.a rpc/librpc.a model/libmodel.a lib/libbase.a $(XE_LIBS)

# What the hosts of a pool ask of each other.
check_PROGRAMS += tests/fuzz/replay_agent
TESTS += tests/fuzz/replay_agent
tests_fuzz_replay_agent_SOURCES = tests/fuzz/fuzz_agent.c tests/fuzz/replay.c tests/fuzz/fuzz.h
tests_fuzz_replay_agent_LDADD = $(POOL_TEST_LIBS)
EXTRA_PROGRAMS += tests/fuzz/fuzz_agent
tests_fuzz_fuzz_agent_SOURCES = tests/fuzz/fuzz_agent.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_agent_LDADD = $(POOL_TEST_LIBS)
tests_fuzz_fuzz_agent_LDFLAGS = $(FUZZ_LINK)
