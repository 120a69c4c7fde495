/* Another pool as its client sees it. */
#include <string.h>
#include <talloc.h>
#include "xapid/certificate/verify.h"
#include "xapid/handlers.gen.h"
#include "xapid/pool/join.h"

int co_remote_login(struct xapid *x, struct remote_pool *r, const char *address, uint16_t port,
                    const char *user, const char *password, struct err *e)
{
    r->context = verify_servers(x);
    const struct rpc_client_options o = {
        .host = address, .port = port, .tls = true, .tls_context = r->context, .user_agent = "xapid"};
    const struct wire params[] = {wire_string(user), wire_string(password), wire_string("1.0"),
                                  wire_string("xapid")};
    CLEANUP_ERR struct err refused = {0};
    struct wire session;
    int no_contact = 0;

    r->client = rpc_client_new(&o);
    if (co_rpc_call(r->client, r->mem, "session.login_with_password", params, 4, &session, &no_contact,
                    &refused) == 0 &&
        session.kind == WIRE_STRING) {
        r->session = session.s;
        return 0;
    }
    if (rpc_client_distrust(r->client))
        return err_ssl_verify_error(e, rpc_client_distrust(r->client));
    return no_contact ? err_joining_host_connection_failed(e) : err_joining_host_service_failed(e);
}

int co_remote_call(struct remote_pool *r, const char *method, const char *text, struct wire *ret,
                   struct err *e)
{
    const struct wire params[] = {wire_string(r->session), wire_string(text ? text : "")};

    return co_rpc_call(r->client, r->mem, method, params, text ? 2 : 1, ret, NULL, e);
}

void co_remote_logout(struct remote_pool *r)
{
    CLEANUP_ERR struct err ignored = {0};
    struct wire nothing;

    if (r->session)
        (void)co_remote_call(r, "session.logout", NULL, &nothing, &ignored);
    rpc_client_free(r->client);
    SSL_CTX_free(r->context);
}
