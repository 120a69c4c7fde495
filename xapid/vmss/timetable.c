#include "xapid/vmss/timetable.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <talloc.h>
#include <time.h>
#include "model/errors.gen.h"

enum { DAYS = 7, DAYS_BACK = 8 };

static const char *const day_names[DAYS] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                            "Thursday", "Friday", "Saturday"};

/* ---- values ---- */

/* A number without anything around it; -1 otherwise. */
static int read_number(const char *text, int max)
{
    char *end;
    if (*text < '0' || *text > '9' || strlen(text) > 2)
        return -1;
    long n = strtol(text, &end, 10);
    return *end == '\0' && n <= max ? (int)n : -1;
}

static int read_day(const char *name, size_t n)
{
    for (int i = 0; i < DAYS; i++)
        if (strlen(day_names[i]) == n && strncasecmp(day_names[i], name, n) == 0)
            return i;
    return -1;
}

/* A mask of days, Sunday's bit first; 0 for what is no list of them. */
static unsigned read_days(const char *text)
{
    unsigned mask = 0;
    for (;;) {
        size_t n = strcspn(text, ",");
        int day = read_day(text, n);
        if (day < 0)
            return 0;
        mask |= 1u << day;
        if (text[n] == '\0')
            return mask;
        text += n + 1;
    }
}

static bool is_good(const char *key, const char *value)
{
    if (strcmp(key, "min") == 0)
        return read_number(value, 45) % 15 == 0;
    if (strcmp(key, "hour") == 0)
        return read_number(value, 23) >= 0;
    return strcmp(key, "days") == 0 && read_days(value) != 0;
}

/* ---- the whole ---- */

static const struct map *with_key(void *ctx, const struct map *m, const struct map *given, const char *key,
                                  const char *otherwise)
{
    const char *value = map_get(given, key);
    return map_with(ctx, m, key, value ? value : otherwise);
}

int timetable_complete(void *ctx, enum vmss_frequency frequency, const struct map *given,
                       const struct map **ret, struct err *e)
{
    const struct map *m = NULL;
    for (uint32_t i = 0; i < map_count(given); i++) {
        const char *key = given->e[i].k.s, *value = given->e[i].v.s;
        if (!is_good(key, value))
            return err_invalid_value(e, "schedule", talloc_asprintf(ctx, "%s=%s", key, value));
    }
    m = with_key(ctx, m, given, "min", "0");
    if (frequency != VMSS_FREQUENCY_HOURLY)
        m = with_key(ctx, m, given, "hour", "0");
    if (frequency == VMSS_FREQUENCY_WEEKLY)
        m = with_key(ctx, m, given, "days", "Monday");
    *ret = m;
    return 0;
}

/* This hour's turn or the one before. */
static int64_t last_hourly(int minute, int64_t now)
{
    struct tm tm;
    time_t t = (time_t)now;
    localtime_r(&t, &tm);
    int64_t turn = now - tm.tm_sec - 60 * (tm.tm_min - minute);
    return turn <= now ? turn : turn - 3600;
}

/* That time of the day so many days ago; a time that the clock skips is the one that takes its place. */
static int64_t days_ago(int64_t now, int days, int hour, int minute, int *ret_weekday)
{
    struct tm tm;
    time_t t = (time_t)now;
    localtime_r(&t, &tm);
    tm.tm_mday -= days;
    tm.tm_hour = hour;
    tm.tm_min = minute;
    tm.tm_sec = 0;
    tm.tm_isdst = -1;
    int64_t turn = mktime(&tm);
    *ret_weekday = tm.tm_wday;
    return turn;
}

int64_t timetable_last_turn(enum vmss_frequency frequency, const struct map *timetable, int64_t now)
{
    const char *min = map_get(timetable, "min"), *hour = map_get(timetable, "hour"),
               *days = map_get(timetable, "days");
    int minute = min ? read_number(min, 59) : 0, h = hour ? read_number(hour, 23) : 0, weekday;
    unsigned mask = frequency == VMSS_FREQUENCY_WEEKLY ? read_days(days ? days : "") : ~0u;

    if (frequency == VMSS_FREQUENCY_HOURLY)
        return last_hourly(minute, now);
    for (int i = 0; i < DAYS_BACK; i++) {
        int64_t turn = days_ago(now, i, h, minute, &weekday);
        if (turn <= now && (mask >> weekday & 1))
            return turn;
    }
    return 0;
}
