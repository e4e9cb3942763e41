"""The OpenAPI document (version 3.1) of all routes that an application has."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema
from werkzeug.routing import Map, Rule

from api.agora.events import Event
from api.openapi import examples
from api.openapi.operations import JSON, OPERATIONS, Operation
from api.openapi.refusals import Refusal

_REF: Final = "#/components/schemas/{model}"
ARGUMENT: Final = re.compile(r"<(?:\w+:)?(\w+)>")
_UNSAID: Final = frozenset({"HEAD", "OPTIONS"})
_PATHS: Final[Mapping[str, tuple[str, str]]] = {
    # argument of a path -> what it is, its pattern
    "app_id": ("The app, which the key pair must own.", r"^[^/]+$"),
    "resource_id": ("What acquire answered.", r"^[A-Za-z0-9_-]+$"),
    "sid": ("The recording, as start answered.", r"^[0-9a-f]{32}$"),
    "name": ("Name of a file.", r"^[A-Za-z0-9.-]+$"),
}
_TAGS: Final = {
    "Agora": "The dialect of Agora Cloud Recording. Refusals have a `code` and a `reason`, or, "
    "before the call reaches the recording service, a `message`.",
    "Console": "What no dialect has a word for. Refusals have a `message`.",
    "Service": "About this process; no credentials are asked for.",
}
_SIGNATURES: Final = (("Agora-Signature", "SHA1", 40), ("Agora-Signature-V2", "SHA256", 64))
_ABOUT: Final = (
    "Records channels of real-time audio and video into your bucket. Send `X-Request-Id` to find "
    "a call in the logs; every answer has one."
)


class _Schemas(GenerateJsonSchema):
    """Schemas as people read them: fields have their own names and no titles made of them."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def document(routes: Map) -> dict[str, Any]:
    """The document.  Raises KeyError for a route that ``operations.py`` does not know."""
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(routes.iter_rules(), key=_place):
        path = paths.setdefault(ARGUMENT.sub(r"{\1}", rule.rule), {})
        for method in sorted((rule.methods or set()) - _UNSAID):
            path[method.lower()] = _operation(rule, OPERATIONS[rule.endpoint])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tapefarm",
            "version": version("tapefarm"),
            "description": _ABOUT,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "webhooks": {"event": {"post": _event()}},
        "components": {
            "schemas": _components()[1],
            "securitySchemes": {
                "pair": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The customer's key and secret.",
                }
            },
        },
    }


def _place(rule: Rule) -> tuple[int, str]:
    """Routes in the order of the table, so that readers meet acquire first."""
    return list(OPERATIONS).index(rule.endpoint) if rule.endpoint in OPERATIONS else -1, rule.rule


def _operation(rule: Rule, of: Operation) -> dict[str, Any]:
    said: dict[str, Any] = {"operationId": of.name, "tags": [of.tag], "summary": of.summary}
    if of.description:
        said["description"] = of.description
    if rule.arguments:
        said["parameters"] = list(_parameters(rule, of))
    if of.body is not None:
        said["requestBody"] = {
            "required": True,
            "content": {
                JSON: _with_examples(_ref(of.body), examples.requests(of.examples or of.name))
            },
        }
    said["responses"] = {str(of.status): _good(of)} | _bad(of.refusals)
    said["security"] = [{"pair": []}] if of.secured else []
    return said


def _event() -> dict[str, Any]:
    """What the farm sends to the app's callback URL."""
    return {
        "operationId": "event",
        "summary": "Something happened to a recording",
        "description": "Sent to the `callback_url` of the app. Answer 200 within 10 s, else it "
        "comes again; the events of a recording come one after the other.",
        "parameters": [
            {
                "name": name,
                "in": "header",
                "description": f"HMAC-{digest} of the body, in lower-case hex; its key is the "
                "app's `callback_secret`.",
                "schema": {"type": "string", "pattern": f"^[0-9a-f]{{{length}}}$"},
            }
            for name, digest, length in _SIGNATURES
        ],
        "requestBody": {
            "required": True,
            "content": {JSON: _with_examples(_ref(Event), examples.events())},
        },
        "responses": {"200": {"description": "It was heard."}},
        "security": [],
    }


def _parameters(rule: Rule, of: Operation) -> Iterator[dict[str, Any]]:
    for name in ARGUMENT.findall(rule.rule):
        if name == "mode":
            what = "The mode of the recording."
            schema: dict[str, Any] = {"enum": list(of.modes)}
        else:
            what, pattern = _PATHS[name]
            schema = {"pattern": pattern}
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": what,
            "schema": {"type": "string"} | schema,
        }


def _good(of: Operation) -> dict[str, Any]:
    if of.answer is None:
        return {"description": of.summary + ".", "content": {of.media_type: {}}}
    content = _with_examples(_ref(of.answer), examples.answers(of.examples or of.name))
    return {"description": _plain(of.answer.__doc__ or ""), "content": {JSON: content}}


def _bad(refusals: Iterable[Refusal]) -> dict[str, Any]:
    """One answer for each status, with all that it may mean."""
    by_status: dict[int, list[Refusal]] = {}
    for refusal in refusals:
        by_status.setdefault(refusal.status, []).append(refusal)
    return {str(status): _refused(by_status[status]) for status in sorted(by_status)}


def _refused(all_: list[Refusal]) -> dict[str, Any]:
    refs = {one.model.__name__: _ref(one.model) for one in all_}
    schema = next(iter(refs.values())) if len(refs) == 1 else {"anyOf": list(refs.values())}
    shown = {_label(one): {"value": one.body} for one in all_ if one.body}
    lines = [f"- {_label(one)}: {one.when}" for one in sorted(all_, key=_code)]
    text = all_[0].when if len(all_) == 1 else "\n".join(dict.fromkeys(lines))
    return {"description": _plain(text), "content": {JSON: _with_examples(schema, shown)}}


def _code(refusal: Refusal) -> int:
    return int((refusal.body or {}).get("code", 0))


def _label(refusal: Refusal) -> str:
    body = refusal.body or {}
    return f"code {body['code']}" if "code" in body else str(body.get("message", "otherwise"))


def _with_examples(schema: dict[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    return {"schema": schema} | ({"examples": dict(shown)} if shown else {})


def _ref(model: type[BaseModel]) -> dict[str, Any]:
    return _components()[0][model]


@cache
def _components() -> tuple[dict[type[BaseModel], dict[str, Any]], dict[str, Any]]:
    """A reference to each model, and what they refer to."""
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Event, "validation")]
    for of in OPERATIONS.values():
        models = (of.body, of.answer, *(refusal.model for refusal in of.refusals))
        wanted += [(model, "validation") for model in models if model is not None]
    refs, schemas = models_json_schema(
        list(dict.fromkeys(wanted)), ref_template=_REF, schema_generator=_Schemas
    )
    components = schemas.get("$defs", {})
    for schema in components.values():
        _polish(schema)
    return {model: refs[model, mode] for model, mode in wanted}, components


def _polish(schema: Any) -> None:
    """Docstrings become the text that tools show."""
    if isinstance(schema, dict):
        if isinstance(schema.get("description"), str):
            schema["description"] = _plain(schema["description"])
        for part in schema.values():
            _polish(part)
    elif isinstance(schema, list):
        for part in schema:
            _polish(part)


def _plain(text: str) -> str:
    """Without places in a reference that readers do not have, and as Markdown."""
    text = re.sub(r"\s*\((?:reference )?§[^)]*\)", "", text)
    return text.replace("``", "`").strip()
