AUTH_UNIT_TESTS = tests/auth/test_alerts tests/auth/test_audit tests/auth/test_backoff tests/auth/test_certificates
if HAVE_CHECK
check_PROGRAMS += $(AUTH_UNIT_TESTS)
TESTS += $(AUTH_UNIT_TESTS)
endif
tests_auth_test_alerts_SOURCES = tests/auth/test_alerts.c
tests_auth_test_alerts_LDADD = $(XAPID_TEST_LIBS)
tests_auth_test_audit_SOURCES = tests/auth/test_audit.c
tests_auth_test_audit_LDADD = $(XAPID_TEST_LIBS)
tests_auth_test_backoff_SOURCES = tests/auth/test_backoff.c
tests_auth_test_backoff_LDADD = $(XAPID_TEST_LIBS)
tests_auth_test_certificates_SOURCES = tests/auth/test_certificates.c
tests_auth_test_certificates_LDADD = $(XAPID_TEST_LIBS)
AUTH_SCRIPT_TESTS = tests/auth/test_audit_log.py tests/auth/test_pam.py tests/auth/test_roles.py tests/auth/test_server_certificate.py tests/auth/test_subjects.py \
	tests/auth/test_trusted.py tests/auth/test_xe_subjects.py
TESTS += $(AUTH_SCRIPT_TESTS)
EXTRA_DIST += $(AUTH_SCRIPT_TESTS) tests/auth/people.py
