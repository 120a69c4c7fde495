#include "rpc/number.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool number_parse_int(const char *s, size_t n, int64_t *ret)
{
    while (n > 0 && is_space(s[0]))
        s++, n--;
    while (n > 0 && is_space(s[n - 1]))
        n--;
    bool negative = n > 0 && s[0] == '-';
    if (n > 0 && (s[0] == '-' || s[0] == '+'))
        s++, n--;
    if (n == 0)
        return false;
    int64_t value = 0; /* kept negative: that range is the larger one */
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, s[i] - '0', &value))
            return false;
    }
    if (!negative && value == INT64_MIN)
        return false;
    *ret = negative ? value : -value;
    return true;
}

bool number_parse_double(const char *s, double *ret)
{
    char *end;
    if (strpbrk(s, "xX(") != NULL)
        return false;
    errno = 0;
    double value = strtod(s, &end);
    if (end == s || (errno == ERANGE && fabs(value) > 1))
        return false;
    while (is_space(*end))
        end++;
    if (*end != '\0')
        return false;
    *ret = value;
    return true;
}

bool number_parse_bool(const char *s, bool *ret)
{
    if (strcmp(s, "1") != 0 && strcmp(s, "true") != 0 && strcmp(s, "0") != 0 && strcmp(s, "false") != 0)
        return false;
    *ret = s[0] == '1' || s[0] == 't';
    return true;
}
