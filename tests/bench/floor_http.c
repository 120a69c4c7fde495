#include "tests/bench/floor_http.h"
#include <arpa/inet.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/bench/bench.h"

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *data, size_t *size, void **state)
{
    if (!*state) {
        *state = arg; /* the head; the body comes next */
        return MHD_YES;
    }
    if (*size > 0) {
        *size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(c, MHD_HTTP_OK, arg);
}

static char *read_file(const char *path)
{
    CLEANUP_BUF struct buf text = {0};
    FILE *f = fopen(path, "re");
    int c;

    must(f != NULL, path);
    while ((c = fgetc(f)) != EOF)
        buf_add_char(&text, (char)c);
    fclose(f);
    return strdup(buf_cstr(&text));
}

static struct MHD_Daemon *serve(const char *address, const char *pem_path, struct MHD_Response *response)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    CLEANUP_FREE char *pem = read_file(pem_path);
    struct MHD_Daemon *d;

    inet_pton(AF_INET, address, &a.sin_addr);
    d = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TLS, 0, NULL, NULL, answer, response,
                         MHD_OPTION_SOCK_ADDR, &a, MHD_OPTION_HTTPS_MEM_KEY, pem, MHD_OPTION_HTTPS_MEM_CERT,
                         pem, MHD_OPTION_END);
    if (!d)
        die("the floor's server does not start");
    return d;
}

/* The child: serve until it is killed. */
static void run(const char *address, const char *pem, const struct buf *body, int port_fd)
{
    struct MHD_Response *response;
    struct MHD_Daemon *d;
    uint16_t port;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    response = MHD_create_response_from_buffer(body->len, body->data, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "content-type", "text/xml");
    d = serve(address, pem, response);
    port = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port;
    must(write(port_fd, &port, sizeof port) == sizeof port, "pipe");
    for (;;)
        pause();
}

void floor_http_start(struct floor_http *f, const char *address, const char *pem, const struct buf *body)
{
    int ends[2];

    must(pipe(ends) == 0, "pipe");
    fflush(stdout);
    f->pid = fork();
    must(f->pid >= 0, "fork");
    if (f->pid == 0) {
        close(ends[0]);
        run(address, pem, body, ends[1]);
        _exit(1);
    }
    close(ends[1]);
    must(read(ends[0], &f->port, sizeof f->port) == sizeof f->port, "the floor's server");
    close(ends[0]);
}

void floor_http_stop(struct floor_http *f)
{
    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
}
