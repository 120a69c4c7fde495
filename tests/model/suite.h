#ifndef TESTS_MODEL_SUITE_H
#define TESTS_MODEL_SUITE_H
/* What the test programs of this folder share: a talloc context a test, and main's end. */
#include <check.h>
#include <stdlib.h>
#include <talloc.h>

static void *mem;

static inline void suite_setup(void)
{
    mem = talloc_new(NULL);
}

static inline void suite_teardown(void)
{
    talloc_free(mem);
}

/* Run every test of the NULL-terminated list; the exit status of the program. */
static inline int suite_run(const char *name, const TTest *const *tests)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, suite_setup, suite_teardown);
    for (; *tests; tests++)
        tcase_add_test(tcase, *tests);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
