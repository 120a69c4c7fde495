#include "xapid/host/cpu_features.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

enum { WORDS = 10 };

/* Linux' names, and where CPUID has them. */
static const struct {
    const char *flag;
    unsigned word, bit;
} features[] = {
    {"fpu", 0, 0},
    {"vme", 0, 1},
    {"de", 0, 2},
    {"pse", 0, 3},
    {"tsc", 0, 4},
    {"msr", 0, 5},
    {"pae", 0, 6},
    {"mce", 0, 7},
    {"cx8", 0, 8},
    {"apic", 0, 9},
    {"sep", 0, 11},
    {"mtrr", 0, 12},
    {"pge", 0, 13},
    {"mca", 0, 14},
    {"cmov", 0, 15},
    {"pat", 0, 16},
    {"pse36", 0, 17},
    {"clflush", 0, 19},
    {"mmx", 0, 23},
    {"fxsr", 0, 24},
    {"sse", 0, 25},
    {"sse2", 0, 26},
    {"ht", 0, 28},
    {"pni", 1, 0},
    {"pclmulqdq", 1, 1},
    {"ssse3", 1, 9},
    {"fma", 1, 12},
    {"cx16", 1, 13},
    {"pcid", 1, 17},
    {"sse4_1", 1, 19},
    {"sse4_2", 1, 20},
    {"x2apic", 1, 21},
    {"movbe", 1, 22},
    {"popcnt", 1, 23},
    {"aes", 1, 25},
    {"xsave", 1, 26},
    {"avx", 1, 28},
    {"f16c", 1, 29},
    {"rdrand", 1, 30},
    {"hypervisor", 1, 31},
    {"syscall", 2, 11},
    {"nx", 2, 20},
    {"mmxext", 2, 22},
    {"fxsr_opt", 2, 25},
    {"pdpe1gb", 2, 26},
    {"rdtscp", 2, 27},
    {"lm", 2, 29},
    {"lahf_lm", 3, 0},
    {"cr8_legacy", 3, 4},
    {"abm", 3, 5},
    {"sse4a", 3, 6},
    {"misalignsse", 3, 7},
    {"3dnowprefetch", 3, 8},
    {"xop", 3, 11},
    {"fma4", 3, 16},
    {"tbm", 3, 21},
    {"xsaveopt", 4, 0},
    {"xsavec", 4, 1},
    {"xgetbv1", 4, 2},
    {"xsaves", 4, 3},
    {"fsgsbase", 5, 0},
    {"bmi1", 5, 3},
    {"hle", 5, 4},
    {"avx2", 5, 5},
    {"smep", 5, 7},
    {"bmi2", 5, 8},
    {"erms", 5, 9},
    {"invpcid", 5, 10},
    {"rtm", 5, 11},
    {"mpx", 5, 14},
    {"avx512f", 5, 16},
    {"avx512dq", 5, 17},
    {"rdseed", 5, 18},
    {"adx", 5, 19},
    {"smap", 5, 20},
    {"avx512ifma", 5, 21},
    {"clflushopt", 5, 23},
    {"clwb", 5, 24},
    {"avx512cd", 5, 28},
    {"sha_ni", 5, 29},
    {"avx512bw", 5, 30},
    {"avx512vl", 5, 31},
    {"avx512vbmi", 6, 1},
    {"umip", 6, 2},
    {"pku", 6, 3},
    {"avx512_vbmi2", 6, 6},
    {"gfni", 6, 8},
    {"vaes", 6, 9},
    {"vpclmulqdq", 6, 10},
    {"avx512_vnni", 6, 11},
    {"avx512_bitalg", 6, 12},
    {"avx512_vpopcntdq", 6, 14},
    {"la57", 6, 16},
    {"rdpid", 6, 22},
    {"constant_tsc", 7, 8},
    {"clzero", 8, 0},
    {"wbnoinvd", 8, 9},
    {"fsrm", 9, 4},
    {"serialize", 9, 14},
    {"amx_bf16", 9, 22},
    {"avx512_fp16", 9, 23},
    {"amx_tile", 9, 24},
    {"amx_int8", 9, 25},
    {"arch_capabilities", 9, 29},
};

/* Is the word among those that spaces separate? */
static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = text; (p = strstr(p, word)); p += n)
        if ((p == text || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

static char *write_words(void *ctx, const uint32_t words[WORDS])
{
    char *text = talloc_strdup(ctx, "");

    for (unsigned i = 0; i < WORDS; i++)
        text = talloc_asprintf_append(text, "%s%08x", i ? "-" : "", words[i]);
    return text;
}

/* What a text leaves out is not there. */
static void read_words(const char *text, uint32_t words[WORDS])
{
    memset(words, 0, WORDS * sizeof words[0]);
    for (unsigned i = 0; i < WORDS && *text; i++) {
        char *end;
        words[i] = (uint32_t)strtoul(text, &end, 16);
        text = *end == '-' ? end + 1 : "";
    }
}

char *cpu_features_of_flags(void *ctx, const char *flags)
{
    uint32_t words[WORDS] = {0};

    for (unsigned i = 0; i < sizeof features / sizeof features[0]; i++)
        if (has_word(flags, features[i].flag))
            words[features[i].word] |= UINT32_C(1) << features[i].bit;
    return write_words(ctx, words);
}

char *cpu_features_common(void *ctx, const char *a, const char *b)
{
    uint32_t left[WORDS], right[WORDS];

    read_words(a, left);
    read_words(b, right);
    for (unsigned i = 0; i < WORDS; i++)
        left[i] &= right[i];
    return write_words(ctx, left);
}

bool cpu_features_cover(const char *host, const char *guest)
{
    uint32_t has[WORDS], wants[WORDS];

    if (!*host || !*guest)
        return true;
    read_words(host, has);
    read_words(guest, wants);
    for (unsigned i = 0; i < WORDS; i++)
        if (wants[i] & ~has[i])
            return false;
    return true;
}
