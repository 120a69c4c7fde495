# Who may do what: authentication, subjects, the audit log, certificates.
xapid_libxapid_a_SOURCES += \
	xapid/audit/audit.c xapid/audit/audit.h \
	xapid/audit/get.c xapid/audit/get.h \
	xapid/audit/log.c xapid/audit/log.h \
	xapid/audit/text.c xapid/audit/text.h \
	xapid/certificate/alert.c xapid/certificate/alert.h \
	xapid/certificate/check.c xapid/certificate/check.h \
	xapid/certificate/row.c xapid/certificate/row.h \
	xapid/certificate/server.c xapid/certificate/server.h \
	xapid/certificate/store.c xapid/certificate/store.h \
	xapid/certificate/trusted.c xapid/certificate/trusted.h \
	xapid/certificate/verify.c xapid/certificate/verify.h \
	xapid/session/authenticate.c xapid/session/authenticate.h \
	xapid/session/backoff.c xapid/session/backoff.h \
	xapid/session/pam.c xapid/session/pam.h \
	xapid/subject/directory.c xapid/subject/directory.h \
	xapid/subject/subject.h

# What PAM asks when xapid authenticates users of the system.
pamdir = $(sysconfdir)/pam.d
dist_pam_DATA = xapid/pam/xapid
