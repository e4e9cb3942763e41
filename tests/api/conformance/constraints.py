"""Every constraint of the dialect's models, as values at its bounds."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from api.agora import models
from tests.api.conformance.bodies import IMAGE, REGION
from tests.api.conformance.rows import ABSENT

Schema = dict[str, Any]
CALLS: Final = {
    "acquire": models.AcquireRequest,
    "start": models.StartRequest,
    "update": models.UpdateRequest,
    "updateLayout": models.LayoutRequest,
    "stop": models.StopRequest,
}
_WRONG: Final[dict[str, tuple[Any, ...]]] = {
    "integer": ("1", True, 1.5, None),
    "number": ("1", True, None),
    "string": (7, True, None),
    "boolean": ("true", 1, None),
    "array": ("x", {}, None),
    "object": ("x", [], None),
}
_FILLING: Final = {  # what a text is made of that is as long as may be
    "privateParams": ("", "1"),
    "tag": ("k=", "x"),
    "endpoint": ("https://", "x"),
} | dict.fromkeys(
    ("backgroundImage", "defaultUserBackgroundImage", "image_url"), (f"{IMAGE}?", "x")
)
_EXAMPLES: Final[dict[str, Any]] = {
    "layoutConfig": REGION,
    "backgroundConfig": {"uid": "#", "image_url": IMAGE},
    "extensionServices": {},
}


@dataclass(frozen=True)
class Bound:
    """A value at, below or above a bound, or of a wrong type, and whether it ought to be taken."""

    call: str
    field: str
    value: str
    good: bool


def bounds() -> list[Bound]:
    """All of them, in the order of the models."""
    found = list(_outer())
    for call, model in CALLS.items():
        schema = model.model_json_schema(by_alias=True)
        found += _members(schema, schema.get("$defs", {}), call, "")
    return list(dict.fromkeys(found))


def _outer() -> Iterator[Bound]:
    schema = models.Envelope.model_json_schema(by_alias=True)
    yield from _members(schema, {}, "acquire", "")


def _members(schema: Schema, defs: Schema, call: str, prefix: str) -> Iterator[Bound]:
    for name, member in schema.get("properties", {}).items():
        field = f"{prefix}{name}"
        yield Bound(call, field, ABSENT, name not in schema.get("required", ()))
        yield from _values(_resolved(member, defs), defs, call, field)


def _resolved(schema: Schema, defs: Schema) -> Schema:
    """References followed; of alternatives the one that is not null."""
    nullable = False
    while "$ref" in schema or "anyOf" in schema:
        if "$ref" in schema:
            schema = defs[schema["$ref"].rpartition("/")[2]]
            continue
        nullable = any(each.get("type") == "null" for each in schema["anyOf"])
        schema = next(each for each in schema["anyOf"] if each.get("type") != "null")
    return schema | {"nullable": nullable}


def _values(schema: Schema, defs: Schema, call: str, field: str) -> Iterator[Bound]:
    kind = schema.get("type") or _type_of(schema)
    for wrong in _WRONG.get(kind, ()):
        good = wrong is None and schema.get("nullable", False)
        yield Bound(call, field, json.dumps(wrong), good)
    for value, good in _at_bounds(schema, kind, field):
        yield Bound(call, field, value, good)
    if kind == "array" and "items" in schema:
        yield from _values(_resolved(schema["items"], defs), defs, call, f"{field}[0]")
    if kind == "object":
        yield from _members(schema, defs, call, f"{field}.")


def _type_of(schema: Schema) -> str:
    known = schema.get("enum") or [schema["const"]] if {"enum", "const"} & schema.keys() else [None]
    return "string" if isinstance(known[0], str) else "any"


def _at_bounds(schema: Schema, kind: str, field: str) -> Iterator[tuple[str, bool]]:
    step = 0.000001 if kind == "number" else 1
    for name, outwards in (("minimum", -step), ("maximum", step)):
        if name in schema:
            at = schema[name]
            yield json.dumps(at + outwards), False
            yield json.dumps(at), True
            yield json.dumps(at - outwards), True
    for allowed in schema.get("enum", [schema["const"]] if "const" in schema else []):
        yield json.dumps(allowed), True
    if "enum" in schema or "const" in schema:
        yield '"no such"', False
    if kind == "string" and not {"enum", "const"} & schema.keys():
        yield from _texts(schema, field.rpartition(".")[2])
    if kind == "array":
        yield from _lists(schema, field)


def _texts(schema: Schema, name: str) -> Iterator[tuple[str, bool]]:
    yield '""', not schema.get("minLength") and "pattern" not in schema
    if "pattern" in schema:
        yield json.dumps("käse\n"), False
    if "maxLength" in schema:
        first, rest = _FILLING.get(name, ("", "x"))
        begin, most = f'"{first}"+' * bool(first), schema["maxLength"] - len(first)
        yield f'{begin}"{rest}"*{most}', True
        yield f'{begin}"{rest}"*{most + 1}', False


def _lists(schema: Schema, field: str) -> Iterator[tuple[str, bool]]:
    yield "[]", not schema.get("minItems")
    name = field.rpartition(".")[2]
    item = json.dumps([_EXAMPLES.get(name, _one(schema.get("items", {})))], separators=(",", ":"))
    for count in {schema.get("maxItems"), schema.get("maxItems", -1) + 1} - {None, 0}:
        yield f"{item}*{count}", count == schema.get("maxItems")


def _one(schema: Schema) -> Any:
    allowed = schema.get("enum") or [schema.get("const", "7")]
    return allowed[0]
