"""A customer's JSON text as a plain dictionary, or a clear refusal."""

import json
import math
from typing import Any, Final

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header

from media.errors import Blame, FarmError

Document = dict[str, Any]

_MOST_DIGITS: Final = 4000  # Python itself refuses somewhat more, in words of its own
_OUT_OF_RANGE: Final = "a number is out of range"


class Unreadable(FarmError):
    """The body is not the JSON object that its content type promises."""

    blame = Blame.CUSTOMER


def received() -> Document:
    """The JSON object in the body of the request at hand.

    Raises Unreadable and RequestEntityTooLarge.
    """
    raw = request.get_data(cache=False)
    if len(raw) >= (request.max_content_length or math.inf):
        raise RequestEntityTooLarge  # a chunked body ends at the limit without a word
    return parse(raw, request.headers.get("Content-Type"))


def parse(raw: bytes, content_type: str | None) -> Document:
    """The JSON object in a request body.  Raises Unreadable, whatever the bytes are.

    Stricter than :mod:`json`: no NaN or infinity, no repeated keys, no lone surrogates, because
    each of them means something else to the next reader of the same text.  But 15.0 is 15: JSON
    has one kind of number, and some clients write all of theirs with a point.
    """
    _check_content_type(content_type)
    try:
        document = json.loads(
            raw.decode("utf-8"),
            parse_constant=_no_constant,
            parse_float=_real,
            parse_int=_integer,
            object_pairs_hook=_unique,
        )
        if rb"\u" in raw:  # the only way to write a lone surrogate in UTF-8
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except RecursionError as exc:
        raise Unreadable("the body is nested too deeply") from exc
    except ValueError as exc:  # bad UTF-8, bad JSON, numbers that are too large
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


def _real(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(_OUT_OF_RANGE)
    return int(number) if number.is_integer() else number


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(_OUT_OF_RANGE)
    return int(text)


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
