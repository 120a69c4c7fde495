#include "xapid/certificate/row.h"
#include "db/setters.gen.h"
#include "rpc/x509.h"

const struct certificate *certificate_row(struct txn *t, enum certificate_type type, const char *name,
                                          struct ref host, X509 *cert)
{
    const struct certificate *c = certificate_create(t);
    struct x509_facts f;
    x509_facts(cert, &f);
    certificate_set_type(t, c, type);
    certificate_set_name(t, c, name);
    certificate_set_host(t, c, host);
    certificate_set_not_before(t, c, f.not_before);
    certificate_set_not_after(t, c, f.not_after);
    certificate_set_fingerprint(t, c, f.sha256);
    certificate_set_fingerprint_sha256(t, c, f.sha256);
    certificate_set_fingerprint_sha1(t, c, f.sha1);
    return c;
}
