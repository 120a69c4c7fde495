#include "xapid/call_stats.h"
#include <inttypes.h>
#include <talloc.h>

/* Upper bounds of the buckets, in ms; one more bucket has no bound. */
static const unsigned bounds[] = {1, 5, 20, 100, 500, 2000, 10000, 60000};
enum { N_BOUNDS = sizeof bounds / sizeof bounds[0] };

struct histogram {
    uint64_t buckets[N_BOUNDS + 1];
    uint64_t count, ns;
};

static struct {
    uint64_t calls, failures;
} by_class[CLASS_COUNT];
static struct histogram by_way[CALL_WAYS];

void call_stats_add(const struct model_message *m, enum call_way way, int64_t ns, bool failed)
{
    struct histogram *h = &by_way[way];
    unsigned i = 0;
    while (i < N_BOUNDS && ns > (int64_t)bounds[i] * 1000000)
        i++;
    h->buckets[i]++;
    h->count++;
    h->ns += (uint64_t)ns;
    by_class[m->cls].calls++;
    by_class[m->cls].failures += failed;
}

static void write_classes(struct buf *page)
{
    buf_add_lit(page, "# HELP xapid_calls_total Calls of known messages with a valid session, by class.\n"
                      "# TYPE xapid_calls_total counter\n");
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        if (by_class[i].calls > 0)
            buf_printf(page, "xapid_calls_total{class=\"%s\"} %" PRIu64 "\n", model_classes[i].name,
                       by_class[i].calls);
    buf_add_lit(page, "# HELP xapid_call_failures_total Those that failed.\n"
                      "# TYPE xapid_call_failures_total counter\n");
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        if (by_class[i].calls > 0)
            buf_printf(page, "xapid_call_failures_total{class=\"%s\"} %" PRIu64 "\n", model_classes[i].name,
                       by_class[i].failures);
}

static void write_histogram(struct buf *page, const char *way, const struct histogram *h)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < N_BOUNDS; i++) {
        sum += h->buckets[i];
        buf_printf(page, "xapid_call_seconds_bucket{way=\"%s\",le=\"%g\"} %" PRIu64 "\n", way,
                   bounds[i] / 1e3, sum);
    }
    buf_printf(page, "xapid_call_seconds_bucket{way=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", way, h->count);
    buf_printf(page, "xapid_call_seconds_sum{way=\"%s\"} %.6f\n", way, (double)h->ns / 1e9);
    buf_printf(page, "xapid_call_seconds_count{way=\"%s\"} %" PRIu64 "\n", way, h->count);
}

static const char *const ways[CALL_WAYS] = {
    [CALL_AT_ONCE] = "at_once", [CALL_WAITING] = "waiting", [CALL_TASK] = "task"};

void call_stats_write(struct buf *page)
{
    write_classes(page);
    buf_add_lit(page,
                "# HELP xapid_call_seconds How long calls took, waits for events among those that wait.\n"
                "# TYPE xapid_call_seconds histogram\n");
    for (unsigned i = 0; i < CALL_WAYS; i++)
        write_histogram(page, ways[i], &by_way[i]);
}

/* ---- in words ---- */

/* The bound that 99 of 100 calls kept. */
static const char *most(void *ctx, const struct histogram *h)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < N_BOUNDS; i++) {
        sum += h->buckets[i];
        if (sum * 100 >= h->count * 99)
            return talloc_asprintf(ctx, "99%% within %g s", bounds[i] / 1e3);
    }
    return talloc_asprintf(ctx, "more than 1%% over %g s", bounds[N_BOUNDS - 1] / 1e3);
}

const struct map *call_stats_map(void *ctx)
{
    const struct map *all = NULL;
    for (unsigned i = 0; i < CALL_WAYS; i++) {
        const struct histogram *h = &by_way[i];
        double s = (double)h->ns / 1e9;
        if (h->count > 0)
            all = map_with(ctx, all, talloc_asprintf(ctx, "calls %s", ways[i]),
                           talloc_asprintf(ctx, "%" PRIu64 " in %.3f s, %.4f s on average, %s", h->count, s,
                                           s / (double)h->count, most(ctx, h)));
    }
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        if (by_class[i].calls > 0)
            all = map_with(ctx, all, talloc_asprintf(ctx, "class %s", model_classes[i].name),
                           talloc_asprintf(ctx, "%" PRIu64 " calls, %" PRIu64 " failed", by_class[i].calls,
                                           by_class[i].failures));
    return all;
}
