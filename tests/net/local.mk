if HAVE_CHECK
check_PROGRAMS += tests/net/test_net
TESTS += tests/net/test_net
endif
tests_net_test_net_SOURCES = tests/net/test_net.c
tests_net_test_net_LDADD = net/libnet.a model/libmodel.a lib/libbase.a $(CHECK_LIBS) $(JANSSON_LIBS) $(TALLOC_LIBS) \
	$(EV_LIBS) -lpthread
