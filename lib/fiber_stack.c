#include "lib/fiber_private.h"
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib/mem.h"
#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#define FIBER_STACK_SIZE (256 * 1024)
#else
#define FIBER_STACK_SIZE (64 * 1024)
#endif
#define FIBER_STACKS_CACHED 64
#define FIBER_PAGES_MAX 256

static struct fiber_stack *cache;
static unsigned n_cached;
static size_t most_used;

static size_t page_size(void)
{
    static size_t size;

    if (size == 0)
        size = (size_t)sysconf(_SC_PAGESIZE);
    return size;
}

static struct fiber_stack *stack_map(void)
{
    struct fiber_stack *stack = mem_zalloc(sizeof *stack);
    size_t guard = page_size();
    char *map = mmap(NULL, guard + FIBER_STACK_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

    /* The kernel's limit on mappings (vm.max_map_count, two a stack) counts as memory here. */
    if (map == MAP_FAILED || mprotect(map, guard, PROT_NONE) < 0)
        mem_abort();
    stack->base = map + guard;
    stack->size = FIBER_STACK_SIZE;
    return stack;
}

static void stack_unmap(struct fiber_stack *stack)
{
    size_t used = fiber_stack_used(stack);

    if (used > most_used)
        most_used = used;
    munmap(stack->base - page_size(), page_size() + stack->size);
    free(stack);
}

static struct fiber_stack *take_cached(void)
{
    struct fiber_stack *stack = cache;

    if (stack) {
        cache = stack->next;
        n_cached--;
    }
    return stack;
}

struct fiber_stack *fiber_stack_get(void)
{
    struct fiber_stack *stack = take_cached();

    if (!stack)
        stack = stack_map();
#ifdef FIBER_ASAN
    /* What a fiber holds that is still waiting when the process ends has not leaked. */
    __lsan_register_root_region(stack->base, stack->size);
#endif
    return stack;
}

void fiber_stack_put(struct fiber_stack *stack)
{
#ifdef FIBER_ASAN
    __lsan_unregister_root_region(stack->base, stack->size);
    /* The frames that were left by the last switch never returned, so their red zones are still marked. */
    ASAN_UNPOISON_MEMORY_REGION(stack->base, stack->size);
#endif
    if (n_cached == FIBER_STACKS_CACHED) {
        stack_unmap(stack);
        return;
    }
    stack->next = cache;
    cache = stack;
    n_cached++;
}

/* Not instrumented, since it reads across the red zones of live frames. */
__attribute__((no_sanitize("address"))) static size_t first_nonzero(const char *from, size_t n)
{
    const volatile uint64_t *word = (const volatile uint64_t *)(const void *)from;
    size_t i = 0;

    while (i < n / sizeof *word && word[i] == 0)
        i++;
    return i * sizeof *word;
}

size_t fiber_stack_used(const struct fiber_stack *stack)
{
    unsigned char resident[FIBER_PAGES_MAX];
    size_t page = page_size(), n = stack->size / page, i = 0;

    /* Asking which pages exist spares creating them by reading. */
    if (n > FIBER_PAGES_MAX || mincore(stack->base, stack->size, resident) < 0)
        return 0;
    while (i < n && !(resident[i] & 1))
        i++;
    return stack->size - i * page - first_nonzero(stack->base + i * page, stack->size - i * page);
}

size_t fiber_stack_used_cached(void)
{
    for (struct fiber_stack *stack = cache; stack; stack = stack->next) {
        size_t used = fiber_stack_used(stack);

        if (used > most_used)
            most_used = used;
    }
    return most_used;
}
