#ifndef RPC_PEM_H
#define RPC_PEM_H
/*
 * Certificates, keys, requests and revocation lists out of PEM text that somebody sent. The text may be
 * anything: what is truncated, of another kind, followed by more bytes than it says or longer than
 * PEM_TEXT_MAX is refused, and nobody is asked for the password of an encrypted key. Text around the blocks
 * is ignored, as PEM has it. What is returned is the caller's; NULL when the text is refused. Never yields;
 * workers may call.
 */
#include <openssl/evp.h>
#include <openssl/x509.h>

enum { PEM_TEXT_MAX = 256 * 1024, PEM_CERTIFICATES_MAX = 32 };

/* The one certificate in the text, which holds nothing else. */
X509 *pem_read_certificate(const char *text);

/* All of them, one at least. Free with sk_X509_pop_free(…, X509_free). */
STACK_OF(X509) * pem_read_certificates(const char *text);

/* The private key, unencrypted (PKCS#8, or the older forms of one algorithm). */
EVP_PKEY *pem_read_key(const char *text);

/* The one request for a certificate, which holds nothing else; its signature is not looked at. */
X509_REQ *pem_read_request(const char *text);

/* The one revocation list. */
X509_CRL *pem_read_crl(const char *text);

#endif
