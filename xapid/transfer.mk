# Bulk data over HTTP.
xapid_libxapid_a_SOURCES += \
	xapid/transfer/disk_format.c \
	xapid/transfer/disk_format.h \
	xapid/transfer/disk_receive.c \
	xapid/transfer/disk_receive.h \
	xapid/transfer/disk_send.c \
	xapid/transfer/disk_send.h \
	xapid/transfer/raw_format.c \
	xapid/transfer/raw_vdi.c \
	xapid/transfer/raw_vdi.h \
	xapid/transfer/transfer.c \
	xapid/transfer/transfer.h \
	xapid/transfer/vhd.c \
	xapid/transfer/vhd.h \
	xapid/transfer/vhd_receive.c \
	xapid/transfer/vhd_receive.h \
	xapid/transfer/vhd_send.c
EXTRA_DIST += xapid/transfer/README.md
