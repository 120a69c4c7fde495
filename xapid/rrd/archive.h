#ifndef XAPID_RRD_ARCHIVE_H
#define XAPID_RRD_ARCHIVE_H
/*
 * What a host or a guest was like over time: named sources, each with a value every five seconds, and rings
 * of averages of fixed size: 10 minutes by 5 seconds, 2 hours by the minute, a week by the hour, a year by
 * the day (protocol.md 8.4). Rows are float: 3 KB a source at most, and only as much as time has filled.
 * Pure data; never yields.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "model/value.h"

enum { RRD_STEP = 5, RRD_ARCHIVES = 4, RRD_SOURCES_MAX = 256, RRD_NAME_SIZE = 48 };

struct rrd_shape {
    unsigned pdps, rows; /* steps averaged in a row; rows at most */
};
extern const struct rrd_shape rrd_shapes[RRD_ARCHIVES];

enum rrd_kind { RRD_GAUGE, RRD_DERIVE }; /* DERIVE: what is put is a counter, the value its growth a second */
enum rrd_owner { RRD_HOST, RRD_VM };

struct rrd_source {
    char name[RRD_NAME_SIZE];
    enum rrd_kind kind;
    bool kept;       /* it has archives */
    bool put;        /* in the update under way */
    double min, max; /* a value outside counts as unknown */
    double raw, counter, value;
    struct {
        double sum;
        unsigned known, unknown;
    } row[RRD_ARCHIVES]; /* of the row being made */
    float *rows[RRD_ARCHIVES];
};

struct rrd {
    enum rrd_owner owner;
    char uuid[UUID_TEXT_SIZE];
    int64_t step;  /* number of the last one: seconds since 1970 by RRD_STEP; 0: none yet */
    int64_t stamp; /* clock_now() then; 0: in an earlier process */
    unsigned refs; /* besides its owner: rrd_free gives one back */
    bool seen;     /* for the collector */
    unsigned n_sources;
    struct rrd_source *sources;
    struct {
        unsigned n, next, room;
    } ring[RRD_ARCHIVES];
};

struct rrd *rrd_new(enum rrd_owner owner, const char *uuid);
void rrd_free(struct rrd *r);

/* An update: begin, put what is known now, end with the time in seconds since 1970 and clock_now(). One of a
 * time that is not later than the last is dropped; when the clock was set back by more than an hour the
 * archives begin anew. */
void rrd_begin(struct rrd *r);
void rrd_put(struct rrd *r, const char *name, enum rrd_kind kind, double min, double max, double value);
void rrd_end(struct rrd *r, int64_t seconds, int64_t now);

/* NULL when there is none. */
struct rrd_source *rrd_find(const struct rrd *r, const char *name);

/* Begin or stop to keep archives of it; those there are are dropped. */
void rrd_keep(struct rrd *r, struct rrd_source *s, bool keep);

/* The time of an archive's last complete row; the value of the row that ends at a time, NAN for none. */
int64_t rrd_last_row(const struct rrd *r, unsigned archive);
double rrd_row(const struct rrd *r, const struct rrd_source *s, unsigned archive, int64_t seconds);

/* All of it to and from a file, where several may follow each other. Reading answers NULL for what is none,
 * or not whole. */
bool rrd_write(const struct rrd *r, FILE *f);
struct rrd *rrd_read(FILE *f);

#endif
