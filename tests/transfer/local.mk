# Bulk data over HTTP, with daemons of their own.
TRANSFER_SCRIPT_TESTS = tests/transfer/test_blobs.py tests/transfer/test_transfer_faults.py tests/transfer/test_raw_vdi.py tests/transfer/test_xe_disks.py tests/transfer/test_xe_vms.py tests/transfer/test_xva.py \
	tests/transfer/test_xva_boots.py
TESTS += $(TRANSFER_SCRIPT_TESTS)
EXTRA_DIST += $(TRANSFER_SCRIPT_TESTS) tests/transfer/bulk.py
