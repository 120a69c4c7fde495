# Everything but main, so that unit tests link it too. Other folders below add their files in a local.mk of their own.
noinst_LIBRARIES += xapid/libxapid.a
xapid_libxapid_a_SOURCES = \
	xapid/args.c xapid/args.h \
	xapid/backup.c xapid/backup.h \
	xapid/call.c xapid/call.h \
	xapid/call_stats.c xapid/call_stats.h \
	xapid/carry.c xapid/carry.h \
	xapid/check_db.c xapid/check_db.h \
	xapid/config_check.c xapid/config_check.h \
	xapid/daemonize.c xapid/daemonize.h \
	xapid/dispatch.h \
	xapid/event/batch.c xapid/event/batch.h \
	xapid/event/filter.c xapid/event/filter.h \
	xapid/event/legacy.c xapid/event/legacy.h \
	xapid/event/messages.c \
	xapid/event/token.c xapid/event/token.h \
	xapid/event/wait.c xapid/event/wait.h \
	xapid/handover.c xapid/handover.h \
	xapid/host/bootstrap.c xapid/host/bootstrap.h \
	xapid/host/user_agents.c xapid/host/user_agents.h \
	xapid/http_auth.c xapid/http_auth.h \
	xapid/housekeeping.c xapid/housekeeping.h \
	xapid/implicit.c xapid/implicit.h \
	xapid/list_methods.c xapid/list_methods.h \
	xapid/management.c xapid/management.h \
	xapid/message/message.c xapid/message/message.h \
	xapid/message/messages.c \
	xapid/metrics.c xapid/metrics.h \
	xapid/op.h \
	xapid/options.c xapid/options.h \
	xapid/own_address.c xapid/own_address.h \
	xapid/plain_port.c xapid/plain_port.h \
	xapid/reload.c xapid/reload.h \
	xapid/request.c xapid/request.h \
	xapid/restore_db.c xapid/restore_db.h \
	xapid/role/messages.c \
	xapid/role/permission.c xapid/role/permission.h \
	xapid/role/role.c xapid/role/role.h \
	xapid/routes.c xapid/routes.h \
	xapid/rpc.c xapid/rpc.h \
	xapid/server.h \
	xapid/session/local.c xapid/session/local.h \
	xapid/session/login.c \
	xapid/session/logout.c \
	xapid/session/passwd.c xapid/session/passwd.h \
	xapid/session/passwd_worker.c \
	xapid/session/session.c xapid/session/session.h \
	xapid/set_password.c xapid/set_password.h \
	xapid/space.c xapid/space.h \
	xapid/start.c xapid/start.h \
	xapid/sockets.c xapid/sockets.h \
	xapid/state_dir.c xapid/state_dir.h \
	xapid/subject/auth.c \
	xapid/subject/messages.c \
	xapid/task/async.c \
	xapid/task/messages.c \
	xapid/task/task.c xapid/task/task.h \
	xapid/systemd.c xapid/systemd.h \
	xapid/version.c xapid/version.h \
	xapid/where.c xapid/where.h
include xapid/ops.mk
include xapid/pool.mk
include xapid/auth.mk
include xapid/pool_db.mk
include xapid/transfer.mk
nodist_xapid_libxapid_a_SOURCES = xapid/handlers.gen.c

sbin_PROGRAMS += xapid/xapid
xapid_xapid_SOURCES = xapid/main.c
xapid_libraries = xapid/libxapid.a pool/libpool.a hv/libhv.a sm/libsm.a net/libnet.a rpc/librpc.a db/libdb.a \
	model/libmodel.a lib/libbase.a
xapid_system_libraries = $(MICROHTTPD_LIBS) $(XMLRPC_LIBS) $(LIBXML2_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS) \
	$(SQLITE_LIBS) $(TALLOC_LIBS) $(PAM_LIBS) $(JPEG_LIBS) $(NBD_LIBS) $(ACL_LIBS) $(XXHASH_LIBS) $(EV_LIBS) -lpthread -lm
xapid_xapid_LDADD = $(xapid_libraries) $(xapid_system_libraries)
EXTRA_DIST += xapid/README.md
dist_man_MANS += xapid/xapid.8
