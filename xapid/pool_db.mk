# The pool's database as XML.
xapid_libxapid_a_SOURCES += \
	xapid/pool_db/dump.c \
	xapid/pool_db/dump.h \
	xapid/pool_db/read.c \
	xapid/pool_db/xml_text.c \
	xapid/pool_db/xml_text.h \
	xapid/pool_db/xmldb.h \
	xapid/pool_db/xmldb_get.c \
	xapid/pool_db/xmldb_put.c
EXTRA_DIST += xapid/pool_db/README.md
