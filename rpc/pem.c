#include "rpc/pem.h"
#include <stdbool.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include "lib/mem.h"

static BIO *open_text(const char *text)
{
    size_t n = strnlen(text, PEM_TEXT_MAX + 1);
    ERR_clear_error();
    if (n == 0 || n > PEM_TEXT_MAX)
        return NULL;
    BIO *bio = BIO_new_mem_buf(text, (int)n);
    if (bio == NULL)
        mem_abort();
    return bio;
}

/* One block, and what is made of its bytes. */
struct block {
    char *name, *header;
    unsigned char *bytes;
    long n;
};

static void block_free(struct block *b)
{
    OPENSSL_free(b->name);
    OPENSSL_free(b->header);
    OPENSSL_free(b->bytes);
    *b = (struct block){0};
}

enum next { NEXT_BLOCK, NEXT_END, NEXT_DAMAGED };

static enum next read_block(BIO *bio, struct block *b)
{
    block_free(b);
    if (PEM_read_bio(bio, &b->name, &b->header, &b->bytes, &b->n) == 1)
        return NEXT_BLOCK;
    unsigned long why = ERR_peek_last_error();
    ERR_clear_error();
    bool at_end = ERR_GET_LIB(why) == ERR_LIB_PEM && ERR_GET_REASON(why) == PEM_R_NO_START_LINE;
    return at_end ? NEXT_END : NEXT_DAMAGED;
}

static X509 *block_certificate(const struct block *b)
{
    const unsigned char *at = b->bytes;
    bool named = strcmp(b->name, PEM_STRING_X509) == 0 || strcmp(b->name, PEM_STRING_X509_OLD) == 0;
    X509 *cert = named && *b->header == '\0' ? d2i_X509(NULL, &at, b->n) : NULL;
    if (cert != NULL && at == b->bytes + b->n)
        return cert;
    X509_free(cert);
    ERR_clear_error();
    return NULL;
}

static bool read_all(BIO *bio, STACK_OF(X509) * all)
{
    struct block b = {0};
    enum next next;
    bool good = true;
    while (good && (next = read_block(bio, &b)) != NEXT_END) {
        X509 *cert = next == NEXT_BLOCK ? block_certificate(&b) : NULL;
        good = cert != NULL && sk_X509_num(all) < PEM_CERTIFICATES_MAX && sk_X509_push(all, cert) > 0;
        if (!good)
            X509_free(cert);
    }
    block_free(&b);
    return good && sk_X509_num(all) > 0;
}

STACK_OF(X509) * pem_read_certificates(const char *text)
{
    BIO *bio = open_text(text);
    STACK_OF(X509) *all = sk_X509_new_null();
    if (all == NULL)
        mem_abort();
    bool good = bio != NULL && read_all(bio, all);
    BIO_free(bio);
    if (good)
        return all;
    sk_X509_pop_free(all, X509_free);
    return NULL;
}

X509 *pem_read_certificate(const char *text)
{
    STACK_OF(X509) *all = pem_read_certificates(text);
    X509 *one = all != NULL && sk_X509_num(all) == 1 ? sk_X509_pop(all) : NULL;
    sk_X509_pop_free(all, X509_free);
    return one;
}

static int no_password(char *buf, int size, int writing, void *arg)
{
    return -1;
}

EVP_PKEY *pem_read_key(const char *text)
{
    BIO *bio = open_text(text);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static X509_REQ *block_request(const struct block *b)
{
    const unsigned char *at = b->bytes;
    X509_REQ *request = strcmp(b->name, PEM_STRING_X509_REQ) == 0 ? d2i_X509_REQ(NULL, &at, b->n) : NULL;
    if (request != NULL && at == b->bytes + b->n)
        return request;
    X509_REQ_free(request);
    ERR_clear_error();
    return NULL;
}

X509_REQ *pem_read_request(const char *text)
{
    struct block b = {0};
    BIO *bio = open_text(text);
    X509_REQ *request = bio != NULL && read_block(bio, &b) == NEXT_BLOCK ? block_request(&b) : NULL;
    if (request != NULL && read_block(bio, &b) != NEXT_END) {
        X509_REQ_free(request);
        request = NULL;
    }
    block_free(&b);
    BIO_free(bio);
    return request;
}

static X509_CRL *block_crl(const struct block *b)
{
    const unsigned char *at = b->bytes;
    X509_CRL *crl = strcmp(b->name, PEM_STRING_X509_CRL) == 0 ? d2i_X509_CRL(NULL, &at, b->n) : NULL;
    if (crl != NULL && at == b->bytes + b->n)
        return crl;
    X509_CRL_free(crl);
    ERR_clear_error();
    return NULL;
}

X509_CRL *pem_read_crl(const char *text)
{
    struct block b = {0};
    BIO *bio = open_text(text);
    X509_CRL *crl = bio != NULL && read_block(bio, &b) == NEXT_BLOCK ? block_crl(&b) : NULL;
    if (crl != NULL && read_block(bio, &b) != NEXT_END) {
        X509_CRL_free(crl);
        crl = NULL;
    }
    block_free(&b);
    BIO_free(bio);
    return crl;
}
