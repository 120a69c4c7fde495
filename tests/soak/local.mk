# Starting and stopping VMs for as long as it takes to see what grows; a short form belongs to the tests.
TESTS += tests/soak/test_short_soak.sh
EXTRA_DIST += tests/soak/soak.py tests/soak/test_short_soak.sh
.PHONY: soak
soak: all
	$(AM_V_at)XAPID_SRC='$(abs_top_srcdir)' XAPID_BUILD='$(abs_top_builddir)' \
		$(PYTHON) $(top_srcdir)/tests/soak/soak.py $(SOAK)
