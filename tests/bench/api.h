#ifndef TESTS_BENCH_API_H
#define TESTS_BENCH_API_H
/*
 * Calls of XenAPI as a client makes them, by XML-RPC or JSON-RPC. Parameters are texts; in XML one that
 * begins with '<' is sent as it is, in JSON one that begins with '=' without that. A failure of the API ends
 * the program.
 */
#include "lib/buf.h"
#include "tests/bench/bench.h"
#include "tests/bench/https.h"

struct api {
    struct https https;
    const struct target *target;
    char session[64];
};

enum api_format { API_XML, API_JSON };

/* Connect and log in. */
void api_open(struct api *a, const struct target *t);
void api_close(struct api *a);

/* Append the whole request of a call: the session, then the n parameters. */
void api_request(struct buf *out, const struct api *a, enum api_format format, const char *method, unsigned n,
                 const char *const *params);

#define PARAMS(...)                                                                    \
    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]) \
    {                                                                                  \
        __VA_ARGS__                                                                    \
    }

/* Call by XML-RPC; the body of the reply, to free(). */
char *api_call(struct api *a, const char *method, unsigned n, const char *const *params);

/* The two halves of a call. */
void api_send(struct api *a, const char *method, unsigned n, const char *const *params);
char *api_answer(struct api *a);

/* The same for a result that is one text. */
char *api_call_text(struct api *a, const char *method, unsigned n, const char *const *params);

/* The first text of a member in a reply's structs; to free(). */
char *api_member(const char *reply, const char *name);

/* The struct that VM.create takes, as XML to free(). */
char *api_vm_struct(const char *name);

/* Set up: the reference of a fresh VM that does not boot; of one that boots the demo guest, with a disk and a
 * NIC. */
char *api_make_vm(struct api *a, const char *name);
char *api_make_guest(struct api *a, const char *name);

/* Give a VM a fresh disk, a NIC on the network that guests are installed on; the reference of the VBD, the
 * VIF. They are not plugged. */
char *api_add_disk(struct api *a, const char *vm, const char *device, unsigned bytes);
char *api_add_nic(struct api *a, const char *vm, const char *device);

#endif
