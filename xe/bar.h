#ifndef XE_BAR_H
#define XE_BAR_H
/*
 * How far a transfer is, as a line of 80 columns on stderr that is drawn over again when it changes. Never
 * yields.
 */
#include <stdbool.h>
#include <stdint.h>

struct bar {
    bool shown;
    int64_t total; /* bytes; <= 0: not known, so only the spinner turns */
    int64_t begun; /* monotonic */
    int columns;   /* as last drawn; -1: not yet */
    unsigned spin;
};

void bar_begin(struct bar *b, bool shown, int64_t total);
void bar_move(struct bar *b, int64_t done);
/* Leave the line and say how long it took. */
void bar_end(struct bar *b);

#endif
