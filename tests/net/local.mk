if HAVE_CHECK
check_PROGRAMS += tests/net/test_net tests/net/test_filter
TESTS += tests/net/test_net tests/net/test_filter
endif
tests_net_test_net_SOURCES = tests/net/test_net.c tests/net/namespace.h
tests_net_test_net_LDADD = net/libnet.a model/libmodel.a lib/libbase.a $(CHECK_LIBS) $(JANSSON_LIBS) $(TALLOC_LIBS) \
	$(EV_LIBS) -lpthread
tests_net_test_filter_SOURCES = tests/net/test_filter.c tests/net/namespace.h
tests_net_test_filter_LDADD = $(tests_net_test_net_LDADD)
