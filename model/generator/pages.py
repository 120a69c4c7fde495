"""doc/api: the reference as static pages, one a class, with an index, the errors and the roles."""

import re
from html import escape

from .model import ROLES

STYLE = """body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff }
h1, h2, h3 { line-height: 1.2 }
h3 { margin: 2rem 0 .3rem; font-size: 1.05rem }
code, .signature { font-family: ui-monospace, monospace; font-size: .93em }
.signature { background: #f3f3ee; padding: .4rem .6rem; overflow-x: auto }
table { border-collapse: collapse; margin: .5rem 0; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #ddd }
a { color: #06407a; text-decoration: none }
a:hover { text-decoration: underline }
.note { color: #666; font-size: .9em }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #1b1b1b } a { color: #8bc1f7 }
  .signature { background: #2a2a2a } .note { color: #aaa }
  th, td { border-color: #444 } }
"""

ROLE_DOCS = {
    "pool-admin": "May do everything, including what concerns users, certificates and the trust between hosts.",
    "pool-operator": "Runs the pool: hosts, storage, networks, high availability.",
    "vm-power-admin": "Has every right over VMs, including where they run and how their memory is managed.",
    "vm-admin": "Makes, changes and deletes VMs and their disks and interfaces.",
    "vm-operator": "Starts, stops and uses VMs that others have made.",
    "read-only": "Looks at everything but secrets.",
}
SPECIAL_ROLES = {
    "client-cert": "A client that a TLS certificate identifies instead of a password.",
    "anyone": "Any caller: no session is needed.",
    "local-root": "The superuser only.",
}

ACCESS = {"runtime": "read only", "constructor": "read only, given at creation", "rw": "read and write"}


def page(title, body):
    chapters = (("index", "Classes"), ("errors", "Errors"), ("roles", "Roles"))
    nav = " · ".join(f'<a href="{file}.html">{name}</a>' for file, name in chapters)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        '<link rel="stylesheet" href="style.css"></head><body>\n'
        f'<p class="note">{nav}</p>\n<h1>{escape(title)}</h1>\n{body}\n</body></html>\n'
    )


def table(head, rows):
    cells = "".join(f"<th>{h}</th>" for h in head)
    lines = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>\n" for row in rows)
    return f"<table>\n<tr>{cells}</tr>\n{lines}</table>\n"


def state_note(state):
    return f' <span class="note">({state})</span>' if state != "published" else ""


class Pages:
    def __init__(self, model):
        self.model = model

    def type_link(self, t):
        """The type's name with every class and enum in it made a link."""

        def link(match):
            word = match.group(0)
            if word in self.model.classes:
                return f'<a href="{word}.html">{word}</a>'
            if word in self.model.enums and f"enum {word}" in t.name:
                return f'<a href="{self.model.enums[word].owner}.html#enum-{word}">{word}</a>'
            return word

        return "<code>" + re.sub(r"\w+", link, escape(t.name).replace("-&gt;", "→")) + "</code>"

    def role_link(self, role):
        links = [f'<a href="roles.html#{r}">{r}</a>' for r in (role if isinstance(role, list) else [role])]
        return " or ".join(links)

    def enum(self, e):
        rows = [(f"<code>{escape(value)}</code>", escape(doc)) for value, doc in e.values.items()]
        return f'<h3 id="enum-{e.name}">enum {e.name}</h3>\n' + table(("Value", "Meaning"), rows)

    def fields(self, c):
        rows = []
        for f in c.fields:
            if f.internal or f.removed:
                continue
            notes = [] if f.persistent or f.derived else ["not kept over a restart"]
            source = f.derived.split(".")
            if f.derived and not self.model.classes[source[0]].field(source[1]).internal:
                notes.append(f'follows from <a href="{source[0]}.html#field-{source[1]}">{f.derived}</a>')
            note = f' <span class="note">{"; ".join(notes)}</span>' if notes and c.stored else ""
            rows.append(
                (
                    f'<code id="field-{f.name}">{f.name}</code>{state_note(f.state)}',
                    self.type_link(f.type),
                    ACCESS[f.access],
                    escape(f.doc) + note,
                )
            )
        return "<h2>Fields</h2>\n" + table(("Field", "Type", "Access", ""), rows) if rows else ""

    def signature(self, m):
        params = (["session"] if m.takes_session else []) + [
            f"{self.type_link(p.type)} {p.name}{'' if p.required else ' = …'}" for p in m.params
        ]
        return (
            f'<div class="signature">{self.type_link(m.result)} {m.full_name} ({", ".join(params)})</div>\n'
        )

    def message(self, m):
        out = [
            f'<h3 id="{m.name}">{m.name}{state_note(m.state)}</h3>\n{self.signature(m)}<p>{escape(m.doc)}</p>\n'
        ]
        rows = [
            (
                f"<code>{p.name}</code>",
                self.type_link(p.type),
                escape(p.doc) + ("" if p.required else " Optional."),
            )
            for p in m.params
        ]
        if rows:
            out.append(table(("Parameter", "Type", ""), rows))
        notes = ["Role: " + self.role_link(m.role)]
        if m.errors:
            notes.append("Errors: " + ", ".join(f'<a href="errors.html#{e}">{e}</a>' for e in m.errors))
        if m.has_async:
            notes.append(f"Also <code>Async.{m.full_name}</code>, which gives a task")
        if m.gap:
            notes.append("Answers NOT_IMPLEMENTED here: " + escape(m.gap))
        return "".join(out) + f'<p class="note">{". ".join(notes)}.</p>\n'

    def class_page(self, c):
        shown = [m for m in c.messages if not m.hidden and not m.removed]
        own = sorted((m for m in shown if m.verb == "EXPLICIT"), key=lambda m: m.name)
        follow = [m for m in shown if m.verb != "EXPLICIT"]
        body = [f"<p>{escape(c.doc)}{state_note(c.state)}</p>\n", self.fields(c)]
        if own:
            body.append("<h2>Messages</h2>\n" + "".join(map(self.message, own)))
        if follow:
            rows = [(self.signature(m), escape(m.doc), self.role_link(m.role)) for m in follow]
            body.append(
                "<h2>Messages that follow from the fields</h2>\n" + table(("Message", "", "Role"), rows)
            )
        enums = [e for e in self.model.enums.values() if e.owner == c.name]
        if enums:
            body.append("<h2>Enums</h2>\n" + "".join(map(self.enum, enums)))
        return page(c.name, "".join(body))

    def index(self):
        rows = [
            (f'<a href="{c.name}.html">{c.name}</a>{state_note(c.state)}', escape(c.doc))
            for c in self.model.classes.values()
        ]
        return page("The API by class", table(("Class", ""), rows))

    def errors(self):
        rows = [
            (f'<code id="{e.code}">{e.code}</code>', escape(", ".join(e.params)), escape(e.doc))
            for e in self.model.errors.values()
        ]
        return page("Errors", table(("Code", "Parameters", "When"), rows))

    def roles(self):
        intro = "<p>Each role may do what those below it in this list may.</p>\n"

        def rows(docs):
            return table(
                ("Role", ""), [(f'<span id="{r}">{r}</span>', escape(doc)) for r, doc in docs.items()]
            )

        nested = {r: ROLE_DOCS[r] for r in ROLES}
        return page("Roles", intro + rows(nested) + "<p>Besides:</p>\n" + rows(SPECIAL_ROLES))


def pages(model):
    p = Pages(model)
    yield "doc/api/style.css", STYLE
    yield "doc/api/index.html", p.index()
    yield "doc/api/errors.html", p.errors()
    yield "doc/api/roles.html", p.roles()
    for c in model.classes.values():
        yield f"doc/api/{c.name}.html", p.class_page(c)
