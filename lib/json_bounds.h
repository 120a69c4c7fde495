#ifndef LIB_JSON_BOUNDS_H
#define LIB_JSON_BOUNDS_H
/*
 * How deep JSON text nests and how many values it may hold, told without parsing it: jansson reads nested
 * values by recursion, up to 2048 deep, which is more than a fiber's stack bears. Text that is not JSON gets
 * some answer; the parser refuses it afterwards. Never yields.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when text nests at most max_depth deep and holds at most max_values values. */
bool json_is_within(const char *text, size_t n, unsigned max_depth, uint32_t max_values);

#endif
