"""The reference's examples as data: sent word for word, and held against their answers."""

import base64
import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

_FOLDERS = (
    Path(__file__).parent.parent / "api" / "agora_examples",
    Path(__file__).parent / "agora_examples",
)
EXAMPLES: Mapping[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text("utf-8"))
    for folder in _FOLDERS
    for path in sorted(folder.glob("*.json"))
}
APP_ID, KEY, SECRET = "a1b2c3d4e5f60718293a4b5c6d7e8f90", "customer-key", "customer-secret"
CNAME, UID = "demo-room-7", "900001"
ACCESS_KEY, SECRET_KEY, BUCKET = "AKIDEXAMPLE", "SECRETEXAMPLE", "rec-bucket"
STORAGE = {
    "vendor": 1,
    "region": 7,
    "bucket": BUCKET,
    "accessKey": ACCESS_KEY,
    "secretKey": SECRET_KEY,
    "fileNamePrefix": ["tenant42", "rooms"],
}
SID = "0c9f5e7a1b3d4826af90e1d2c3b4a596"
FIELD_NAMED = "<text naming the bad field>"
_RESOURCE_ID = re.compile(r"(?<=/resourceid/)[^/]+")
_NOW_S = 1_760_000_000  # in the examples
_CONSTANT = {"code", "message", "reason", "fileListMode", "uploadingStatus", "status", "cname"}
_CONSTANT |= {"uid", "msgName", "productId", "eventType", "serviceType", "trackType"}
_CONSTANT |= {"mixedAllUser", "isPlayable", "primaryIP"}

Answer = tuple[int, Any]


def named(*calls: str) -> list[str]:
    """Examples of these calls."""
    return sorted(name for name in EXAMPLES if name.partition("-")[0] in calls)


def mode_of(name: str) -> str:
    """Of the recording that an example is about."""
    return name.split("-")[1]


def has_errors(name: str) -> bool:
    """Whether errors are documented with an example of a call about one recording."""
    call = name.partition("-")[0]
    return call not in {"acquire", "errors"} and len(EXAMPLES[name].get("responses", ())) > 1


def responses() -> Iterator[tuple[str, int, Any]]:
    """Example, status and body of each answer that is documented."""
    for name, document in EXAMPLES.items():
        for row in document.get("responses", ()):
            yield name, row["status"], row["body"]


class Replay:
    """Sends examples to a farm."""

    def __init__(self, api: str) -> None:
        self._http = httpx.Client(base_url=api, timeout=40, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(
        self, name: str, resource_id: str = "", sid: str = "", *, body: object = None
    ) -> Answer:
        """An example's request; resource ID and sid, and a body, take the place of its own."""
        request = EXAMPLES[name]["request"]
        path = _RESOURCE_ID.sub(resource_id, request["path"]).replace(SID, sid)
        if body is None and "body" in request:
            body = _of_today(request["body"])
        return self.ask(request["method"], path, body, request["headers"])

    def call(self, path: str, body: object, app_id: str = APP_ID) -> Answer:
        """A POST of another body to the recording service."""
        path = f"/v1/apps/{app_id}/cloud_recording/{path}"
        return self.ask("POST", path, body, credentials(KEY, SECRET))

    def ask(self, method: str, path: str, body: object, headers: dict[str, str]) -> Answer:
        """Any request."""
        content = None if body is None else json.dumps(body).encode()
        answer = self._http.request(method, path, content=content, headers=headers)
        return answer.status_code, answer.json()


def credentials(key: str, secret: str) -> dict[str, str]:
    """Headers with HTTP Basic authentication (RFC 7617 §2)."""
    pair = base64.b64encode(f"{key}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {pair}", "Content-Type": "application/json"}


def _of_today(body: Any) -> Any:
    """The same, but what was to come when the examples were written is to come."""
    if isinstance(body, dict):
        return {
            key: int(time.time()) + value - _NOW_S if key == "stsExpiration" else _of_today(value)
            for key, value in body.items()
        }
    return body


def check(expected: Any, got: Any, ours: Mapping[str, str]) -> None:
    """The same keys, types and constants; ``ours`` takes the place of what is ours to choose.

    Raises AssertionError.
    """
    _alike(expected, got, dict(ours), "answer")


def _alike(expected: Any, got: Any, ours: dict[str, str], where: str) -> None:
    assert type(got) is type(expected), f"{where}: {got!r}, not like {expected!r}"
    if isinstance(expected, dict):
        assert set(got) == set(expected), f"{where}: {sorted(got)}, not {sorted(expected)}"
        for key, value in expected.items():
            _alike_at(key, value, got[key], ours, f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(got) == len(expected), f"{where}: {got}, not like {expected}"
        pairs = zip(_in_order(expected), _in_order(got), strict=True)
        for number, pair in enumerate(pairs):
            _alike(*pair, ours, f"{where}[{number}]")


def _in_order(entries: list[Any]) -> list[Any]:
    """Files of publishers in no order that is promised, others as they are listed (§4.4)."""
    if any(isinstance(entry, dict) and entry.get("mixedAllUser") is False for entry in entries):
        return sorted(entries, key=lambda entry: str(entry["fileName"]))
    return entries


def _alike_at(key: str, expected: Any, got: Any, ours: dict[str, str], where: str) -> None:
    if expected == FIELD_NAMED:
        assert str(got).strip(), where
    elif key in ours:
        assert got == ours[key], f"{where}: {got!r}, not {ours[key]!r}"
    elif key in {"fileName", "fileList"} and isinstance(expected, str):
        assert got == expected.replace(SID, ours["sid"]), f"{where}: {got!r}"
    elif key in _CONSTANT:
        assert got == expected, f"{where}: {got!r}, not {expected!r}"
    elif key == "sliceStartTime":
        assert type(got) is int, where
        assert (got > 0) == (expected > 0), f"{where}: {got}"
    else:
        _alike(expected, got, ours, where)
