/*
 * Give a fuzz target the files of its corpus, and each of them cut short at every length. The corpus of
 * replay_NAME is tests/fuzz/corpus/NAME in the sources (XAPID_SRC).
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/fuzz/fuzz.h"

static void replay(const char *dir, const char *name)
{
    static uint8_t bytes[1 << 20];
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        exit(2);
    size_t size = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    for (size_t n = 0; n <= size; n += size < 4096 ? 1 : size / 1000) {
        uint8_t *exact = malloc(n + 1); /* so that the sanitizer sees a read past the end */
        memcpy(exact, bytes, n);
        LLVMFuzzerTestOneInput(exact, n);
        free(exact);
    }
    LLVMFuzzerTestOneInput(bytes, size);
}

int main(int argc, char **argv)
{
    char dir[512];
    const char *source = getenv("XAPID_SRC"), *name = strstr(argv[0], "replay_");
    unsigned n = 0;
    struct dirent *entry;
    if (name == NULL)
        return 2;
    snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s", source ? source : ".", name + strlen("replay_"));
    DIR *d = opendir(argc > 1 ? argv[1] : dir);
    while (d != NULL && (entry = readdir(d)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        replay(argc > 1 ? argv[1] : dir, entry->d_name);
        n++;
    }
    if (d != NULL)
        closedir(d);
    printf("%u files\n", n);
    return n > 0 ? 0 : 2;
}
