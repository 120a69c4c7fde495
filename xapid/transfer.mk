# Bulk data over HTTP.
xapid_libxapid_a_SOURCES += \
	xapid/blob/blob.c \
	xapid/blob/blob.h \
	xapid/blob/messages.c \
	xapid/transfer/blob.c \
	xapid/transfer/blob.h \
	xapid/transfer/disk_format.c \
	xapid/transfer/disk_format.h \
	xapid/transfer/filter.c \
	xapid/transfer/filter.h \
	xapid/transfer/qcow2_receive.c \
	xapid/transfer/qcow2_receive.h \
	xapid/transfer/qcow2_send.c \
	xapid/transfer/raw_format.c \
	xapid/transfer/raw_vdi.c \
	xapid/transfer/raw_vdi.h \
	xapid/transfer/send_tar.c \
	xapid/transfer/send_tar.h \
	xapid/transfer/tar.c \
	xapid/transfer/tar.h \
	xapid/transfer/tar_stream.c \
	xapid/transfer/tar_stream.h \
	xapid/transfer/transfer.c \
	xapid/transfer/transfer.h \
	xapid/transfer/vhd.c \
	xapid/transfer/vhd.h \
	xapid/transfer/vhd_receive.c \
	xapid/transfer/vhd_receive.h \
	xapid/transfer/vhd_send.c \
	xapid/transfer/web.c \
	xapid/transfer/web.h \
	xapid/transfer/xva_data.c \
	xapid/transfer/xva_data.h \
	xapid/transfer/xva_export.c \
	xapid/transfer/xva.h \
	xapid/transfer/xva_import.c \
	xapid/transfer/xva_read.c \
	xapid/transfer/xva_read.h \
	xapid/transfer/xva_receive.c \
	xapid/transfer/xva_receive.h \
	xapid/transfer/xva_rows.c \
	xapid/transfer/xva_rows.h \
	xapid/transfer/xva_records.c \
	xapid/transfer/xva_records.h
EXTRA_DIST += xapid/transfer/README.md

# What a host needs to come back.
xapid_libxapid_a_SOURCES += \
	xapid/host_backup/archive.h \
	xapid/host_backup/check.c \
	xapid/host_backup/finish.c \
	xapid/host_backup/get.c \
	xapid/host_backup/host_backup.h \
	xapid/host_backup/put.c \
	xapid/host_backup/receive.c
EXTRA_DIST += xapid/host_backup/README.md
