"""Requests and answers of each call, as files beside this one; the tests replay them."""

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final

from api.agora.events import is_ours

Example = dict[str, Any]

# Of things that no farm does so far: web pages and encrypted channels.
_NOT_SHOWN: Final = ("web", "encrypted")


@cache
def load() -> dict[str, Any]:
    """All of them by name."""
    folder = files(__package__) / "examples"
    return {
        entry.name.removesuffix(".json"): json.loads(entry.read_text("utf-8"))
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".json")
    }


def shown(call: str) -> Iterator[tuple[str, Any]]:
    """The names and files of a call's examples that the document shows."""
    for name, example in load().items():
        words = name.split("-")
        if words[0] == call and not set(words) & set(_NOT_SHOWN):
            yield "-".join(words[1:]), example


def requests(call: str) -> dict[str, Example]:
    """Bodies of a call, as OpenAPI names examples."""
    return {name: _example(name, one["request"]["body"]) for name, one in shown(call)}


def answers(call: str) -> dict[str, Example]:
    """Good answers of a call, each once."""
    found: dict[str, Example] = {}
    for name, one in shown(call):
        example = _example(name, one["responses"][0]["body"])
        if all(other["value"] != example["value"] for other in found.values()):
            found[name] = example
    return found


def events() -> dict[str, Example]:
    """Callbacks that this farm sends."""
    told = load()["callbacks"]["events"]
    return {one["name"]: _example(one["name"], one["body"]) for one in told if is_ours(one["body"])}


def _example(name: str, value: Any) -> Example:
    return {"summary": name.replace("-", " "), "value": value}
