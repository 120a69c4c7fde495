#include "xapid/pool/refusal.h"
#include <jansson.h>
#include <stdlib.h>

void refusal_write(const struct err *e, struct buf *out)
{
    json_t *list = json_pack("[s]", e->code);

    for (unsigned i = 0; i < e->n_params; i++)
        json_array_append_new(list, json_string(e->params[i]));
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    buf_add_str(out, text);
    free(text);
}

int refusal_read(const char *bytes, size_t n, struct err *e)
{
    json_t *list = json_loadb(bytes, n, 0, NULL);
    const char *code = json_string_value(json_array_get(list, 0));

    if (code)
        err_set(e, code, 0);
    else
        err_internal(e, "the other host refuses without a reason that is understood");
    for (size_t i = 1; code && i < json_array_size(list); i++) {
        const char *param = json_string_value(json_array_get(list, i));
        err_add_param(e, param ? param : "");
    }
    json_decref(list);
    return -1;
}
