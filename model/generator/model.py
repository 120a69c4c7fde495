"""The model as objects: classes, fields, messages, enums, errors."""

import dataclasses
from dataclasses import dataclass

from .types import Type

ROLES = ["pool-admin", "pool-operator", "vm-power-admin", "vm-admin", "vm-operator", "read-only"]
STATES = ["published", "prototyped", "deprecated", "removed"]


@dataclass
class Enum:
    name: str
    owner: str
    values: dict  # wire spelling -> doc


@dataclass
class Field:
    name: str
    type: Type
    access: str
    doc: str
    state: str = "published"
    default: object = None
    persistent: bool = True
    internal: bool = False
    derived: str = ""
    read_role: object = None
    write_role: object = None
    handler: bool = False  # its set_ message has a handler

    @property
    def removed(self):
        return self.state == "removed"

    @property
    def stored(self):
        return not self.derived and not self.removed

    @property
    def constructible(self):
        return self.access != "runtime" and self.stored and not self.internal


@dataclass
class Param:
    name: str
    type: Type
    doc: str
    default: object = None

    @property
    def required(self):
        return self.default is None


@dataclass
class Message:
    cls: str
    name: str
    role: object
    doc: str
    verb: str = "EXPLICIT"
    field: str = ""
    result: Type = None
    params: list = dataclasses.field(default_factory=list)
    members: list = dataclasses.field(default_factory=list)  # of a constructor's struct
    errors: list = dataclasses.field(default_factory=list)
    state: str = "published"
    has_async: bool = True
    hidden: bool = False
    pool_internal: bool = False
    wants_handler: bool = False
    gap: str = ""

    @property
    def full_name(self):
        return f"{self.cls}.{self.name}"

    @property
    def removed(self):
        return self.state == "removed"

    @property
    def takes_session(self):
        return self.role != "anyone"

    @property
    def has_handler(self):
        return self.wants_handler and not self.gap


@dataclass
class Class:
    name: str
    file: str
    doc: str
    state: str
    stored: bool
    persistent: bool
    fields: list = dataclasses.field(default_factory=list)
    messages: list = dataclasses.field(default_factory=list)

    def field(self, name):
        return next((f for f in self.fields if f.name == name), None)


@dataclass
class Error:
    code: str
    params: list
    doc: str


@dataclass
class Model:
    classes: dict  # name -> Class, sorted by name
    enums: dict
    errors: dict  # code -> Error, sorted by code

    def messages(self):
        """Every message, sorted by full name as strcmp sorts."""
        return sorted((m for c in self.classes.values() for m in c.messages), key=lambda m: m.full_name)
