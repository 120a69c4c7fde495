/*
 * Memory of large bodies is used again for a few seconds. Fresh pages cost the kernel about as much time as
 * it takes to write a list of records into them, and clients that ask for one such list ask for several.
 */
#include "rpc/http_private.h"

static const double KEEP_S = 5;
enum { WORTH_KEEPING = 1024 * 1024, MOST_KEPT = 256 * 1024 * 1024 };

static void expired(struct ev_loop *loop, ev_timer *w, int revents)
{
    spare_drop(w->data);
}

void spare_init(struct http_server *s)
{
    ev_timer_init(&s->spare_expires, expired, 0, KEEP_S);
    s->spare_expires.data = s;
}

struct buf spare_take(struct http_server *s)
{
    struct buf b = s->spare;
    s->spare = (struct buf){0};
    return b;
}

void spare_give(struct http_server *s, struct buf *b)
{
    bool used = b->len >= WORTH_KEEPING;
    if (b->cap < WORTH_KEEPING || b->cap > MOST_KEPT || b->cap < s->spare.cap || s->stopping) {
        buf_free(b);
        return;
    }
    buf_free(&s->spare);
    s->spare = *b;
    *b = (struct buf){0};
    buf_reset(&s->spare);
    if (used)
        ev_timer_again(loop_get(), &s->spare_expires);
}

void spare_drop(struct http_server *s)
{
    ev_timer_stop(loop_get(), &s->spare_expires);
    buf_free(&s->spare);
}
