sbin_PROGRAMS += xapid/xapid
xapid_xapid_SOURCES = xapid/main.c
