#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/bench/bench.h"

void die(const char *fmt, ...)
{
    va_list ap;

    fflush(stdout);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

void must(int ok, const char *what)
{
    if (!ok)
        die("%s: %s", what, strerror(errno));
}

unsigned bench_rounds(unsigned usual)
{
    const char *text = getenv("BENCH_ROUNDS");
    unsigned n = text ? (unsigned)strtoul(text, NULL, 10) : usual;

    return n < 1 ? 1 : n > MOST_ROUNDS ? MOST_ROUNDS : n;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

double quantile(double *values, unsigned n, double part)
{
    unsigned at = (unsigned)(part * n);

    qsort(values, n, sizeof *values, by_size);
    return values[at < n ? at : n - 1];
}

double median(double *values, unsigned n)
{
    return quantile(values, n, 0.5);
}

/* ---- the table ---- */

static void format_value(char text[32], double value, const char *unit)
{
    snprintf(text, 32, "%.*f %s", value < 10 ? 2 : value < 100 ? 1 : 0, value, unit);
}

void report_head(void)
{
    printf("%-46s %14s %14s %7s %8s\n", "figure", "xapid", "floor", "ratio", "goal");
}

static void format_goal(char text[32], const struct figure *f)
{
    const char *sign = f->better == LESS_IS_BETTER ? "<=" : ">=";

    if (f->goal > 0)
        snprintf(text, 32, "%s %g%s%s", sign, f->goal, f->floor > 0 ? "" : " ", f->floor > 0 ? "" : f->unit);
}

void report_figure(const struct figure *f)
{
    char ours[32], floor_text[32] = "-", ratio_text[32] = "-", goal[32] = "-";
    double judged = f->floor > 0 ? f->ours / f->floor : f->ours;
    int met = f->better == LESS_IS_BETTER ? judged <= f->goal : judged >= f->goal;

    format_value(ours, f->ours, f->unit);
    if (f->floor > 0) {
        format_value(floor_text, f->floor, f->unit);
        snprintf(ratio_text, sizeof ratio_text, "%.2f", judged);
    }
    format_goal(goal, f);
    printf("%-46s %14s %14s %7s %8s%s\n", f->what, ours, floor_text, ratio_text, goal,
           f->goal > 0 && !met ? "  MISSED" : "");
    fflush(stdout);
}
