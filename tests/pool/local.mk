POOL_UNIT_TESTS = \
	tests/pool/test_attachments \
	tests/pool/test_authority \
	tests/pool/test_codec \
	tests/pool/test_frames \
	tests/pool/test_membership \
	tests/pool/test_peer \
	tests/pool/test_remote
if HAVE_CHECK
check_PROGRAMS += $(POOL_UNIT_TESTS)
TESTS += $(POOL_UNIT_TESTS)
endif
POOL_TEST_LIBS = pool/libpool.a hv/libhv.a sm/libsm.a net/libnet.a rpc/librpc.a model/libmodel.a lib/libbase.a \
	$(CHECK_LIBS) $(xapid_system_libraries)
tests_pool_test_attachments_SOURCES = tests/pool/test_attachments.c
tests_pool_test_attachments_LDADD = $(POOL_TEST_LIBS)
tests_pool_test_authority_SOURCES = tests/pool/test_authority.c
tests_pool_test_authority_LDADD = $(POOL_TEST_LIBS)
tests_pool_test_codec_SOURCES = tests/pool/test_codec.c
tests_pool_test_codec_LDADD = $(POOL_TEST_LIBS)
tests_pool_test_frames_SOURCES = tests/pool/test_frames.c
tests_pool_test_frames_LDADD = $(xapid_libraries) $(CHECK_LIBS) $(xapid_system_libraries)
tests_pool_test_membership_SOURCES = tests/pool/test_membership.c
tests_pool_test_membership_LDADD = $(POOL_TEST_LIBS)
tests_pool_test_peer_SOURCES = tests/pool/test_peer.c
tests_pool_test_peer_LDADD = $(POOL_TEST_LIBS)
tests_pool_test_remote_SOURCES = tests/pool/test_remote.c
tests_pool_test_remote_LDADD = $(POOL_TEST_LIBS)

# A daemon of a later version.
check_PROGRAMS += tests/pool/xapid_newer
tests_pool_xapid_newer_SOURCES = xapid/main.c tests/pool/version_newer.c
tests_pool_xapid_newer_LDADD = $(xapid_libraries) $(xapid_system_libraries)

POOL_SCRIPT_TESTS = \
	tests/pool/test_any_call.py \
	tests/pool/test_bad_days.py \
	tests/pool/test_crossing_faults.py \
	tests/pool/test_crossing_pools.py \
	tests/pool/test_false_coordinator.py \
	tests/pool/test_guest_of_pool.py \
	tests/pool/test_hosts_of_pool.py \
	tests/pool/test_interfaces.py \
	tests/pool/test_many_join.py \
	tests/pool/test_join_checks.py \
	tests/pool/test_management.py \
	tests/pool/test_migrate.py \
	tests/pool/test_migrate_killed.py \
	tests/pool/test_migrate_remote.py \
	tests/pool/test_move_faults.py \
	tests/pool/test_pool.py \
	tests/pool/test_terms.py \
	tests/pool/test_three_hosts.py \
	tests/pool/test_time.py \
	tests/pool/test_trust.py \
	tests/pool/test_versions.py
TESTS += $(POOL_SCRIPT_TESTS)
EXTRA_DIST += $(POOL_SCRIPT_TESTS) tests/pool/crossings.py tests/pool/moves.py tests/pool/peer.py tests/pool/wires.py tests/pool/working_guest.py
