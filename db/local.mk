noinst_LIBRARIES += db/libdb.a
db_libdb_a_SOURCES = \
	db/backup.c db/backup.h \
	db/batch.c db/batch.h \
	db/cell.c db/cell.h \
	db/changes.c \
	db/check.c db/check.h \
	db/committer.c db/committer.h \
	db/db.h db/db_private.h \
	db/feed.c db/feed.h \
	db/file.c db/file.h \
	db/index.c db/index.h \
	db/load.c \
	db/replica.c db/replica.h \
	db/reserve.c db/reserve.h \
	db/restore.c db/restore.h \
	db/rows.c \
	db/schema.c \
	db/statements.c \
	db/store.c db/store.h \
	db/table.c db/table.h \
	db/txn.c \
	db/writer.c
EXTRA_DIST += db/README.md
