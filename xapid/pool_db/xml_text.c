#include "xapid/pool_db/xml_text.h"
#include <ctype.h>
#include <string.h>
#include <talloc.h>
#include "lib/mem.h"
#include "lib/utf8.h"

/* How many bytes at s have to be written as \xHH. */
static size_t unfit(const char *s, size_t n)
{
    unsigned char c = (unsigned char)*s;
    if (c < ' ' || c == 0x7f || c == '\\')
        return 1;
    bool is_noncharacter = n >= 3 && memcmp(s, "\xef\xbf", 2) == 0 && ((unsigned char)s[2] | 1) == 0xbf;
    return is_noncharacter ? 3 : 0;
}

static void add_one(struct buf *out, char c)
{
    if (c == '&')
        buf_add_lit(out, "&amp;");
    else if (c == '<')
        buf_add_lit(out, "&lt;");
    else if (c == '>')
        buf_add_lit(out, "&gt;");
    else if (c == '"')
        buf_add_lit(out, "&quot;");
    else
        buf_add_char(out, c);
}

void xml_text_add(struct buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t hidden = unfit(text + i, n - i);
        if (hidden == 0)
            add_one(out, text[i++]);
        for (; hidden > 0; hidden--)
            buf_printf(out, "\\x%02x", (unsigned char)text[i++]);
    }
}

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *xml_text_read(void *ctx, const char *value, size_t n)
{
    char *text = talloc_size(ctx, n + 1), *end = text;
    if (!text)
        mem_abort();
    for (size_t i = 0; i < n; i++) {
        if (value[i] != '\\') {
            *end++ = value[i];
            continue;
        }
        if (n - i < 4 || value[i + 1] != 'x' || hex(value[i + 2]) < 0 || hex(value[i + 3]) < 0)
            return NULL;
        *end++ = (char)(hex(value[i + 2]) << 4 | hex(value[i + 3]));
        i += 3;
    }
    *end = '\0';
    return strlen(text) == (size_t)(end - text) && utf8_valid(text, (size_t)(end - text)) ? text : NULL;
}
