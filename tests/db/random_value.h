#ifndef TESTS_DB_RANDOM_VALUE_H
#define TESTS_DB_RANDOM_VALUE_H
/*
 * A seeded source of values of any type, awkward ones included: control characters, quotes, characters beyond
 * the basic plane, huge numbers, empty and larger sets, maps of maps.
 */
#include <stdint.h>
#include "model/model.h"

struct dice {
    uint64_t state;
};

/* 0 … n - 1. */
uint32_t dice_roll(struct dice *d, uint32_t n);

/* One of a few references, so that rows meet by chance. */
struct ref dice_ref(struct dice *d);
#define DICE_REFS 12

/* On ctx. */
union value dice_value(struct dice *d, void *ctx, const struct model_type *t);

/* Wide: every reference is another and text is longer. */
union value dice_unique_value(struct dice *d, void *ctx, const struct model_type *t);

/* The test's seed: TEST_SEED of the environment, or one from the clock; printed, so that a failure can be
 * repeated. */
uint64_t test_seed(void);

#endif
