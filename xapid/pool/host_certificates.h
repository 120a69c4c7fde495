#ifndef XAPID_POOL_HOST_CERTIFICATES_H
#define XAPID_POOL_HOST_CERTIFICATES_H
/*
 * The certificates by which the pool's hosts know each other (pool/authority.h). Each is recorded (type
 * host_internal), and a host is believed only with one that is: the authority's key alone, which hosts that
 * have left may still know, makes nobody believed. The coordinator renews certificates before they end, and
 * the authority itself when a host has left or rotate_secret asks for it.
 *
 * A certificate changes only while all hosts are connected: the new one is recorded, everybody has the record
 * on disk, then it is used. The work is done in steps that a later coordinator, or this one after a crash,
 * goes on with: what is not as it should be is found by asking the hosts.
 */
#include <openssl/x509.h>
#include "rpc/http.h"
#include "xapid/call.h"
#include "xapid/server.h"

/* Believe only what is recorded; once x->authority is open. Never yields. */
void host_certificates_open(struct xapid *x);

/* The one certificate of a host, in place of others. Never yields. */
void host_certificate_record(struct txn *t, struct ref host, X509 *cert);

/* On the coordinator: this host's own is what it uses; then look after all, now and then. */
int host_certificates_start(struct xapid *x, struct err *e);

/* A member has come with this certificate. Never yields. */
void host_certificate_seen(struct xapid *x, struct ref host, X509 *cert);

/* A host has left with what it knows: the authority is to be renewed, in a transaction of the caller's. */
void host_certificates_distrust(struct txn *t, struct xapid *x);

/* Look after all certificates soon. Never yields. */
void host_certificates_look(void);

/* While a host joins, no certificate changes. 0, or -ECANCELED. */
int co_host_certificates_lock(void);
void host_certificates_unlock(void);

/* The member's side: POST /peer/certificate. */
co_http_handler co_host_certificate_post;

#endif
