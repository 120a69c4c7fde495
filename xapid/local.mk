sbin_PROGRAMS += xapid/xapid
xapid_xapid_SOURCES = xapid/main.c
nodist_xapid_xapid_SOURCES = xapid/handlers.gen.c
