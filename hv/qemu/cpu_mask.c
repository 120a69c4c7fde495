#include "hv/qemu/cpu_mask.h"
#include <stdint.h>
#include <stdlib.h>
#include <talloc.h>
#include "lib/mem.h"

enum { WORDS = 10 };

/* QEMU's names. What every 64-bit processor has, and what QEMU or KVM make themselves, is left alone. */
static const struct {
    const char *name;
    unsigned word, bit;
} features[] = {
    {"pni", 1, 0},           {"pclmulqdq", 1, 1},   {"ssse3", 1, 9},         {"fma", 1, 12},
    {"cx16", 1, 13},         {"pcid", 1, 17},       {"sse4.1", 1, 19},       {"sse4.2", 1, 20},
    {"movbe", 1, 22},        {"popcnt", 1, 23},     {"aes", 1, 25},          {"xsave", 1, 26},
    {"avx", 1, 28},          {"f16c", 1, 29},       {"rdrand", 1, 30},       {"mmxext", 2, 22},
    {"fxsr-opt", 2, 25},     {"pdpe1gb", 2, 26},    {"rdtscp", 2, 27},       {"lahf-lm", 3, 0},
    {"cr8legacy", 3, 4},     {"abm", 3, 5},         {"sse4a", 3, 6},         {"misalignsse", 3, 7},
    {"3dnowprefetch", 3, 8}, {"xop", 3, 11},        {"fma4", 3, 16},         {"tbm", 3, 21},
    {"xsaveopt", 4, 0},      {"xsavec", 4, 1},      {"xgetbv1", 4, 2},       {"xsaves", 4, 3},
    {"fsgsbase", 5, 0},      {"bmi1", 5, 3},        {"hle", 5, 4},           {"avx2", 5, 5},
    {"smep", 5, 7},          {"bmi2", 5, 8},        {"erms", 5, 9},          {"invpcid", 5, 10},
    {"rtm", 5, 11},          {"mpx", 5, 14},        {"avx512f", 5, 16},      {"avx512dq", 5, 17},
    {"rdseed", 5, 18},       {"adx", 5, 19},        {"smap", 5, 20},         {"avx512ifma", 5, 21},
    {"clflushopt", 5, 23},   {"clwb", 5, 24},       {"avx512cd", 5, 28},     {"sha-ni", 5, 29},
    {"avx512bw", 5, 30},     {"avx512vl", 5, 31},   {"avx512vbmi", 6, 1},    {"umip", 6, 2},
    {"pku", 6, 3},           {"avx512vbmi2", 6, 6}, {"gfni", 6, 8},          {"vaes", 6, 9},
    {"vpclmulqdq", 6, 10},   {"avx512vnni", 6, 11}, {"avx512bitalg", 6, 12}, {"avx512-vpopcntdq", 6, 14},
    {"la57", 6, 16},         {"rdpid", 6, 22},      {"clzero", 8, 0},        {"wbnoinvd", 8, 9},
    {"fsrm", 9, 4},          {"serialize", 9, 14},  {"amx-bf16", 9, 22},     {"avx512-fp16", 9, 23},
    {"amx-tile", 9, 24},     {"amx-int8", 9, 25},
};

/* Such as programs use, too, and the words have no place for: who is to go to other hosts does without them.
 */
static const char *const uncounted[] = {
    "avx-vnni", "avx512-bf16", "avx512-vp2intersect", "avx512-4vnniw", "avx512-4fmaps",
    "waitpkg",  "movdiri",     "movdir64b",           "cldemote",      "tsx-ldtrk"};

/* What a text leaves out is not there. */
static void read_words(const char *text, uint32_t words[WORDS])
{
    for (unsigned i = 0; i < WORDS; i++) {
        char *end = NULL;

        words[i] = *text ? (uint32_t)strtoul(text, &end, 16) : 0;
        text = end && *end == '-' ? end + 1 : "";
    }
}

static void switch_off(char **text, const char *name)
{
    *text = talloc_asprintf_append(*text, ",%s=off", name);
    if (!*text)
        mem_abort();
}

char *qemu_cpu_mask_text(void *ctx, const char *may_see)
{
    char *text = talloc_strdup(ctx, "");
    uint32_t words[WORDS];

    if (!text)
        mem_abort();
    if (!may_see || !*may_see)
        return text;
    read_words(may_see, words);
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        if (!(words[features[i].word] & UINT32_C(1) << features[i].bit))
            switch_off(&text, features[i].name);
    for (size_t i = 0; i < sizeof uncounted / sizeof *uncounted; i++)
        switch_off(&text, uncounted[i]);
    return text;
}
