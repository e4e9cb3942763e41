"""A customer's JSON text as a plain dictionary, or a clear refusal."""

import json
import math
from typing import Any

from werkzeug.http import parse_options_header

from media.errors import Blame, FarmError

Document = dict[str, Any]


class Unreadable(FarmError):
    """The body is not the JSON object that its content type promises."""

    blame = Blame.CUSTOMER


def parse(raw: bytes, content_type: str | None) -> Document:
    """The JSON object in a request body.  Raises Unreadable, whatever the bytes are.

    Stricter than :mod:`json`: no NaN or infinity, no repeated keys, no lone surrogates, because
    each of them means something else to the next reader of the same text.
    """
    _check_content_type(content_type)
    try:
        document = json.loads(
            raw.decode("utf-8"),
            parse_constant=_no_constant,
            parse_float=_finite,
            object_pairs_hook=_unique,
        )
        if rb"\u" in raw:  # the only way to write a lone surrogate in UTF-8
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except RecursionError as exc:
        raise Unreadable("the body is nested too deeply") from exc
    except ValueError as exc:  # bad UTF-8, bad JSON, integers of thousands of digits
        raise Unreadable(f"the body is not valid JSON: {_shortly(exc)}") from exc
    if not isinstance(document, dict):
        raise Unreadable("the body is not a JSON object")
    return document


def _check_content_type(header: str | None) -> None:
    """Absent is fine: the header is optional."""
    if header is None:
        return
    kind, options = parse_options_header(header)
    charset = options.get("charset", "utf-8").lower()
    if kind.lower() != "application/json" or charset not in {"utf-8", "utf8"}:
        raise Unreadable("the content type is not application/json;charset=utf-8")


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> Document:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key occurs twice")
    return document


def _shortly(exc: ValueError) -> str:
    """What is wrong, without the text itself: it may hold keys and tokens."""
    if isinstance(exc, json.JSONDecodeError):
        return f"{exc.msg} at character {exc.pos}"
    if isinstance(exc, UnicodeError):
        return "a string is not Unicode text"
    return str(exc)
