"""The generated headers: identifiers, rows, arguments, errors, typed row access, handlers."""

from .names import (
    args_struct,
    by_size,
    c_string,
    c_type,
    class_id,
    class_prefix,
    enum_name,
    enum_value,
    field_id,
    identifier,
    message_function,
    union_member,
)

NOTICE = "/* Made by model/generate.py from model/classes and model/errors.toml; change those instead. */\n"


class Header:
    """Collects the lines of a header and puts the guard round them."""

    def __init__(self, path, includes=()):
        self.path = path
        self.guard = path.replace("/", "_").replace(".", "_").upper()
        self.lines = [f'#include {i if i.startswith("<") else chr(34) + i + chr(34)}' for i in includes]

    def add(self, *lines):
        self.lines += lines

    def text(self):
        body = "\n".join(self.lines)
        return f"{NOTICE}#ifndef {self.guard}\n#define {self.guard}\n{body}\n\n#endif\n"


def rows(model):
    """The classes that have rows."""
    return [c for c in model.classes.values() if c.stored]


def ids(model):
    h = Header("model/ids.gen.h")
    h.add("", "struct model_enum;", "", "enum model_class_id {")
    h.add(*(f"    {class_id(name)}," for name in model.classes), "    CLASS_COUNT", "};")
    for c in model.classes.values():
        if c.fields:
            h.add("", f"enum {class_prefix(c.name)}_field {{")
            h.add(
                *(f"    {field_id(c.name, f.name)}," for f in c.fields), f"    {c.name.upper()}_F_COUNT", "};"
            )
    for e in sorted(model.enums.values(), key=lambda e: e.name):
        h.add("", f"enum {enum_name(e.name)} {{", *(f"    {enum_value(e.name, v)}," for v in e.values), "};")
        h.add(f"#define {e.name.upper()}_COUNT {len(e.values)}")
        h.add(f"extern const struct model_enum model_enum_{enum_name(e.name)};")
    return h


def row_structs(model):
    h = Header(
        "model/rows.gen.h", ["<stdbool.h>", "<stdint.h>", "model/ids.gen.h", "model/row.h", "model/value.h"]
    )
    for c in rows(model):
        h.add("", f"struct {class_prefix(c.name)} {{", "    struct row row;")
        h.add(
            *(f"    {c_type(f.type)}{identifier(f.name)};" for f in by_size(f for f in c.fields if f.stored)),
            "};",
        )
    return h


def has_args(m):
    """Every message that dispatch decodes arguments for has a struct, except those the interpreter answers."""
    return m.wants_handler or m.members


def args(model):
    h = Header("model/args.gen.h", ["<stdbool.h>", "<stdint.h>", "model/ids.gen.h", "model/value.h"])
    h.add("", "struct wire;")
    for m in filter(has_args, model.messages()):
        h.add("", f"{args_struct(m)} {{")
        members = by_size(m.members or m.params)
        h.add(
            *(f"    {c_type(p.type)}{identifier(p.name)};" for p in members)
            if members
            else ["    char none;"],
            "};",
        )
    return h


def errors(model):
    h = Header("model/errors.gen.h", ["lib/err.h"])
    for e in model.errors.values():
        params = ["e_" if p == "e" else p for p in map(identifier, e.params)]
        arguments = ", ".join(["struct err *e"] + [f"const char *{p}" for p in params])
        values = ", ".join(["e", c_string(e.code), str(len(params))] + params)
        doc = e.doc.replace("*/", "*")
        h.add("", f"/* {doc} */", f"static inline int err_{identifier(e.code).lower()}({arguments})")
        h.add("{", f"    return err_set({values});", "}")
    return h


SETTERS_INTRO = """
/*
 * Typed access to rows. For class VM:
 *   db_vm(db, ref)                         the row, or NULL
 *   DB_FOREACH_VM (db, vm) { ... }         every row, in order of creation
 *   vm_create(txn)                         a fresh row
 *   vm_set_power_state(txn, vm, state)     one a stored field; copies the value
 */"""


def setters(model):
    h = Header("db/setters.gen.h", ["db/db.h"])
    h.add(SETTERS_INTRO)
    for c in rows(model):
        add_row_access(h, c)
        for f in c.fields:
            if f.stored:
                add_setter(h, c, f)
    return h


def add_row_access(h, c):
    name, cls = class_prefix(c.name), class_id(c.name)
    row = f"const struct {name} *"
    h.add(
        "",
        f"static inline {row}db_{name}(struct db *db, struct ref ref)",
        "{",
        f"    return ({row})db_get(db, {cls}, ref);",
        "}",
        f"static inline {row}{name}_create(struct txn *t)",
        "{",
        f"    return ({row})db_create(t, {cls}, REF_NULL);",
        "}",
        f"static inline {row}{name}_next({row}row)",
        "{",
        f"    return ({row})db_next(&row->row);",
        "}",
        f"#define DB_FOREACH_{c.name.upper()}(db, var) \\",
        f"    for ({row}var = ({row})db_first((db), {cls}); var; var = {name}_next(var))",
    )


def add_setter(h, c, f):
    name = class_prefix(c.name)
    arguments = f"struct txn *t, const struct {name} *row, {c_type(f.type)}v"
    value = f"(union value){{.{union_member(f.type)} = v}}"
    h.add(
        f"static inline void {name}_set_{identifier(f.name).lower()}({arguments})",
        "{",
        f"    db_set(t, &row->row, {field_id(c.name, f.name)}, {value});",
        "}",
    )


def handled(model):
    """The messages with a handler, in the order of the handler table after its empty first entry."""
    return [m for m in model.messages() if m.has_handler]


def writes_result(m):
    """True when the handler writes its result itself, since records have no value."""
    return m.result.holds("RECORD", "OPTION")


def handler_arguments(m):
    middle = (
        "struct enc *out, " if writes_result(m) else "" if m.result.kind == "VOID" else "union value *ret, "
    )
    return f"(struct call *c, const {args_struct(m)} *a, {middle}struct err *e)"


def handlers(model):
    h = Header("xapid/handlers.gen.h", ["model/args.gen.h", "model/value.h"])
    h.add("", "struct call;", "struct enc;", "struct err;", "")
    for m in handled(model):
        h.add(f"/* {m.full_name}: {m.result.name} */", f"int co_{message_function(m)}{handler_arguments(m)};")
    return h


HANDLER_SHAPE = "(struct call *c, const void *a, union value *ret, struct enc *out, struct err *e)"


def handler_table(model):
    lines = [NOTICE + '#include "xapid/handlers.gen.h"', '#include "xapid/dispatch.h"', ""]
    for m in handled(model):
        name = message_function(m)
        middle = "out, " if writes_result(m) else "" if m.result.kind == "VOID" else "ret, "
        lines += [
            f"static int call_{name}{HANDLER_SHAPE}",
            "{",
            f"    return co_{name}(c, a, {middle}e);",
            "}",
            "",
        ]
    lines += ["co_handler *const xapid_handlers[] = {", "    0,"]
    lines += [f"    call_{message_function(m)}," for m in handled(model)]
    count = "sizeof(xapid_handlers) / sizeof(xapid_handlers[0])"
    lines += ["};", "", f"const unsigned xapid_handler_count = {count};", ""]
    return "\n".join(lines)
