# Scripts that run xe against a server in memory.
XE_SCRIPT_TESTS = tests/xe/test_classes.py tests/xe/test_client.py tests/xe/test_verbs.py
TESTS += $(XE_SCRIPT_TESTS)
EXTRA_DIST += $(XE_SCRIPT_TESTS) tests/xe/fake_server.py tests/xe/reference-commands.txt tests/xe/world.py
