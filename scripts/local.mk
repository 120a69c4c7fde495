# What is installed beside the programs, and the scripts that work from a checkout.
EXTRA_DIST += scripts/build scripts/check scripts/gdb/fibers.py scripts/lab scripts/lint scripts/quickstart scripts/setup \
	scripts/xapid.conf scripts/xapid.service.in scripts/README.md .ci/run .clang-format

systemdsystemunitdir = $(SYSTEMD_UNIT_DIR)
nodist_systemdsystemunit_DATA = scripts/xapid.service
CLEANFILES += scripts/xapid.service
scripts/xapid.service: scripts/xapid.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) scripts && sed -e 's,@sbindir@,$(sbindir),' -e 's,@sysconfdir@,$(sysconfdir),' \
		$(srcdir)/scripts/xapid.service.in >$@.tmp && mv $@.tmp $@

# The kernel is told at each boot, and by the unit before a start.
sysctldir = $(prefix)/lib/sysctl.d
dist_sysctl_DATA = scripts/60-xapid.conf

# One that is there is the administrator's.
install-data-local: install-config
.PHONY: install-config
install-config:
	$(MKDIR_P) '$(DESTDIR)$(sysconfdir)'
	test -e '$(DESTDIR)$(sysconfdir)/xapid.conf' || $(INSTALL_DATA) $(srcdir)/scripts/xapid.conf '$(DESTDIR)$(sysconfdir)/xapid.conf'
uninstall-local: uninstall-config
.PHONY: uninstall-config
uninstall-config:
	! cmp -s '$(DESTDIR)$(sysconfdir)/xapid.conf' $(srcdir)/scripts/xapid.conf || rm -f '$(DESTDIR)$(sysconfdir)/xapid.conf'
