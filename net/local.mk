noinst_LIBRARIES += net/libnet.a
net_libnet_a_SOURCES = net/filter.c net/filter.h net/interfaces.c net/interfaces.h net/link.c net/link.h net/nat.c net/nat.h net/net.c net/net.h \
	net/nft.c net/nft.h net/tool.c net/tool.h \
	net/ipmi.c net/ipmi.h net/wake.c net/wake.h
EXTRA_DIST += net/README.md
