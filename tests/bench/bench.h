#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H
/*
 * Measuring a running xapid against the floor: the least that a program must do which gives the same answer.
 * A part measures one thing and prints a line for each figure. A program that is run by hand: whatever goes
 * wrong ends it with a text.
 */
#include <stdint.h>

/* The daemon to measure, from the environment. */
struct target {
    const char *address;   /* BENCH_ADDRESS */
    uint16_t port;         /* BENCH_PORT */
    const char *password;  /* BENCH_PASSWORD, of root */
    const char *state_dir; /* BENCH_STATE_DIR */
};

/* A part, by its name on the command line. */
struct bench_part {
    const char *name;
    void (*run)(const struct target *t);
};

void bench_start(const struct target *t);
void bench_calls(const struct target *t);
void bench_bulk(const struct target *t);
void bench_writes(const struct target *t);
void bench_event(const struct target *t);
void bench_killed(const struct target *t);
void bench_devices(const struct target *t);
void bench_size(const struct target *t);
void bench_pool(const struct target *t);

/* Print a text and exit. */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* die unless ok, with errno's text. */
void must(int ok, const char *what);

/* How often to repeat: the usual number, or BENCH_ROUNDS (to have time for a profiler); at most 1000. */
#define MOST_ROUNDS 1000
unsigned bench_rounds(unsigned usual);

/* ---- figures ---- */

/* The value below which this part of the n lie (0.5: the median). Sorts them. */
double quantile(double *values, unsigned n, double part);
double median(double *values, unsigned n);

enum better { LESS_IS_BETTER, MORE_IS_BETTER };

/* One line of the table. floor 0: the goal is for the figure itself, else for figure / floor. goal 0: none.
 */
struct figure {
    const char *what, *unit;
    double ours, floor, goal;
    enum better better;
};
void report_figure(const struct figure *f);
void report_head(void);

#endif
