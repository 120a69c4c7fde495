#include "lib/json_bounds.h"

/* The end of the string that begins after text[i], or n. */
static size_t skip_string(const char *text, size_t n, size_t i)
{
    for (; i < n && text[i] != '"'; i++)
        if (text[i] == '\\')
            i++;
    return i;
}

bool json_is_within(const char *text, size_t n, unsigned max_depth, uint32_t max_values)
{
    unsigned depth = 0;
    uint32_t values = 1;

    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '"')
            i = skip_string(text, n, i + 1);
        else if (c == '[' || c == '{')
            depth++, values++;
        else if (c == ']' || c == '}')
            depth -= depth > 0;
        else if (c == ',')
            values++;
        if (depth > max_depth || values > max_values)
            return false;
    }
    return true;
}
