#include "xe/bar.h"

#include <stdio.h>
#include "lib/clock.h"

enum { COLUMNS = 52 };

void bar_begin(struct bar *b, bool shown, int64_t total)
{
    *b = (struct bar){.shown = shown, .total = total, .begun = clock_now(), .columns = -1};
}

/* Eight characters, or so: hours are as many digits as it takes, up to what fits. */
static void duration(char text[16], int64_t seconds)
{
    if (seconds / 3600 > 99999)
        snprintf(text, 16, "++:++:++");
    else if (seconds / 3600 > 99)
        snprintf(text, 16, "%05d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60));
    else
        snprintf(text, 16, "%02d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60),
                 (int)(seconds % 60));
}

static int64_t seconds_since(const struct bar *b)
{
    return (clock_now() - b->begun) / 1000000000;
}

void bar_move(struct bar *b, int64_t done)
{
    static const char marks[COLUMNS + 1] = "####################################################";
    double part = b->total > 0 ? (double)done / (double)b->total : 0;
    int columns = part > 1 ? COLUMNS : (int)(part * COLUMNS);
    char left[16] = "--:--:--";

    if (!b->shown || columns == b->columns)
        return;
    b->columns = columns;
    if (part > 0)
        duration(left, (int64_t)((double)seconds_since(b) * (1 - part) / part));
    fprintf(stderr, "\r[%c] %.*s>%*s (%3d%% ETA %s)", "-\\|/"[b->spin++ % 4], columns, marks,
            COLUMNS - columns, "", (int)(part * 100), left);
    fflush(stderr);
}

void bar_end(struct bar *b)
{
    char took[16];

    if (!b->shown)
        return;
    duration(took, seconds_since(b));
    fprintf(stderr, "\nTotal time: %s\n", took);
}
