noinst_LIBRARIES += xe/libxe.a
xe_libxe_a_SOURCES = \
	xe/args.c xe/args.h \
	xe/bar.c xe/bar.h \
	xe/bulk.c xe/bulk.h \
	xe/cache.c xe/cache.h \
	xe/class_list.c \
	xe/class_param.c \
	xe/client.c xe/client.h \
	xe/command.c xe/command.h \
	xe/failure.c xe/failure.h \
	xe/fetch.c xe/fetch.h \
	xe/file.c xe/file.h \
	xe/help.c xe/help.h \
	xe/list.h \
	xe/message.c xe/message.h \
	xe/options.c xe/options.h \
	xe/out.c xe/out.h \
	xe/plain.c xe/plain.h \
	xe/record.c xe/record.h \
	xe/report.c xe/report.h \
	xe/run.c xe/run.h \
	xe/select.c xe/select.h \
	xe/show.c xe/show.h \
	xe/show_special.c \
	xe/task.c xe/task.h \
	xe/cmd/admin.c \
	xe/cmd/advice.c \
	xe/cmd/blob.c \
	xe/cmd/common.c xe/cmd/common.h \
	xe/cmd/console.c \
	xe/cmd/data_source.c \
	xe/cmd/devices.h \
	xe/cmd/diagnose.c \
	xe/cmd/event_wait.c \
	xe/cmd/help.c \
	xe/cmd/host_archive.c \
	xe/cmd/host_leave.c \
	xe/cmd/inspect.c \
	xe/cmd/licence.c \
	xe/cmd/network.c \
	xe/cmd/provision.c xe/cmd/provision.h \
	xe/cmd/rate_limit.c \
	xe/cmd/recover.c \
	xe/cmd/snapshot.h \
	xe/cmd/sr.c \
	xe/cmd/subject.c \
	xe/cmd/upload.c \
	xe/cmd/vbd.c \
	xe/cmd/vdi.c \
	xe/cmd/pool_database.c \
	xe/cmd/vdi_transfer.c \
	xe/cmd/verbs.def xe/cmd/verbs.h \
	xe/cmd/vif.c \
	xe/cmd/vm_cd.c \
	xe/cmd/vm_copy.c \
	xe/cmd/vm_create.c \
	xe/cmd/vm_devices.c \
	xe/cmd/vm_install.c \
	xe/cmd/vm_migrate.c \
	xe/cmd/vm_migrate.h \
	xe/cmd/vm_migrate_remote.c \
	xe/cmd/vm_power.c \
	xe/cmd/vm_transfer.c \
	xe/cmd/vm_uninstall.c
nodist_xe_libxe_a_SOURCES = xe/commands.gen.c xe/records.gen.c

bin_PROGRAMS += xe/xe
xe_xe_SOURCES = xe/main.c
xe_xe_LDADD = xe/libxe.a rpc/librpc.a model/libmodel.a lib/libbase.a $(XE_LIBS)
XE_LIBS = $(OPENSSL_LIBS) $(MICROHTTPD_LIBS) $(JANSSON_LIBS) $(LIBXML2_LIBS) $(XMLRPC_LIBS) $(TALLOC_LIBS) $(EV_LIBS) \
	-lpthread

xe_data = $(wildcard $(srcdir)/xe/records/*.toml) $(srcdir)/xe/words.toml $(srcdir)/xe/gaps.txt
xe_commands = $(wildcard $(srcdir)/xe/commands/*.toml)
EXTRA_DIST += $(xe_data) $(xe_commands) xe/generate.py xe/generate_commands.py xe/README.md
BUILT_SOURCES += xe/commands.gen.c xe/records.gen.c
CLEANFILES += xe/commands.gen.c xe/records.gen.c
xe/commands.gen.c: $(xe_commands) $(srcdir)/xe/generate_commands.py $(wildcard $(srcdir)/model/classes/*.toml)
	$(AM_V_GEN)$(MKDIR_P) xe && $(PYTHON) -B $(srcdir)/xe/generate_commands.py --source $(srcdir)/xe \
	  --model $(srcdir)/model --output $@
xe/records.gen.c: $(xe_data) $(srcdir)/xe/generate.py $(wildcard $(srcdir)/model/classes/*.toml)
	$(AM_V_GEN)$(MKDIR_P) xe && $(PYTHON) -B $(srcdir)/xe/generate.py --source $(srcdir)/xe --model $(srcdir)/model \
	  --output $@

dist_man_MANS += xe/xe.1
bashcompdir = $(datadir)/bash-completion/completions
EXTRA_DIST += scripts/xe.bash-completion
install-data-hook: install-xe-completion
.PHONY: install-xe-completion
install-xe-completion:
	$(MKDIR_P) $(DESTDIR)$(bashcompdir)
	$(INSTALL_DATA) $(srcdir)/scripts/xe.bash-completion $(DESTDIR)$(bashcompdir)/xe
uninstall-hook: uninstall-xe-completion
.PHONY: uninstall-xe-completion
uninstall-xe-completion:
	rm -f $(DESTDIR)$(bashcompdir)/xe
