#include "xapid/vm/provision_xml.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <libxml/parser.h>
#include <talloc.h>
#include "model/errors.gen.h"

#define MAX_BYTES (64 * 1024)
#define MAX_DISKS 255

/* An attribute on ctx; "" when it is absent. */
static const char *attribute(void *ctx, xmlNode *node, const char *name)
{
    xmlChar *value = xmlGetProp(node, (const xmlChar *)name);
    const char *text = talloc_strdup(ctx, value ? (const char *)value : "");

    xmlFree(value);
    return text;
}

static int parse_disk(void *ctx, xmlNode *node, struct provision_disk *d, struct err *e)
{
    const char *size = attribute(ctx, node, "size");
    char *end;

    errno = 0;
    d->size = strtoll(size, &end, 10);
    if (errno || end == size || *end || d->size <= 0)
        return err_invalid_value(e, "disks", "the size of a disk is not a number");
    d->device = attribute(ctx, node, "device");
    d->sr = attribute(ctx, node, "sr");
    d->type = attribute(ctx, node, "type");
    d->bootable = strcmp(attribute(ctx, node, "bootable"), "true") == 0;
    return 0;
}

static int parse_root(void *ctx, xmlNode *root, struct provision_disk **ret, unsigned *ret_n, struct err *e)
{
    if (!root || strcmp((const char *)root->name, "provision") != 0)
        return err_invalid_value(e, "disks", "there is no <provision>");
    *ret_n = 0;
    *ret = talloc_zero_array(ctx, struct provision_disk, MAX_DISKS);
    for (xmlNode *n = root->children; n; n = n->next) {
        if (n->type != XML_ELEMENT_NODE || strcmp((const char *)n->name, "disk") != 0)
            continue;
        if (*ret_n == MAX_DISKS)
            return err_invalid_value(e, "disks", "too many disks");
        if (parse_disk(ctx, n, &(*ret)[(*ret_n)++], e) < 0)
            return -1;
    }
    return 0;
}

int provision_parse(void *ctx, const char *xml, struct provision_disk **ret, unsigned *ret_n, struct err *e)
{
    size_t n = strlen(xml);

    if (n > MAX_BYTES)
        return err_invalid_value(e, "disks", "the text is too long");
    xmlDoc *doc =
        xmlReadMemory(xml, (int)n, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!doc)
        return err_invalid_value(e, "disks", "this is not XML");
    int rc = parse_root(ctx, xmlDocGetRootElement(doc), ret, ret_n, e);
    xmlFreeDoc(doc);
    return rc;
}
