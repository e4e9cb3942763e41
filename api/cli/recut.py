"""``tapefarm recut``: make a recut of a recording, by the API of the farm in a data directory."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from api.cli.running import NoFarm, farm_in
from api.console.client import ConsoleClient
from media.errors import Blame, FarmError

_EVERY_S: Final = 1.0
_ENDED: Final = ("ended", "failed")

Say = Callable[[str], None]


class Refused(FarmError):
    """The farm said no."""

    blame = Blame.CUSTOMER


class Failed(FarmError):
    """The recut could not be made after all."""


def recut(data: Path, sid: str, request: Mapping[str, Any], *, wait: bool, say: Say) -> None:
    """Ask for it and say what comes of it.  Raises NoFarm, Refused and Failed."""
    farm = farm_in(data)
    client = ConsoleClient(farm["api"], farm["customer_key"], farm["customer_secret"])
    with client:
        try:
            answer = _good(client.recut(sid, request))
            if wait:
                answer = _ended(client, answer["sid"])
        except (httpx.HTTPError, ValueError) as exc:
            raise NoFarm(f"the API at {farm['api']} does not answer") from exc
    say(json.dumps(answer, ensure_ascii=False, indent=2))
    if answer.get("state") == "failed":
        raise Failed(f"{answer['sid']} failed: {answer['reason'] or 'the logs say why'}")


def read_body(path: Path) -> dict[str, Any]:
    """A request from a file.  Raises Refused."""
    try:
        request = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise Refused(f"{path} cannot be read: {exc}") from exc
    if not isinstance(request, dict):
        raise Refused(f"{path} holds no JSON object")
    return request


def _ended(client: ConsoleClient, sid: str) -> dict[str, Any]:
    while True:
        status, answer = client.recording(sid)
        if status != httpx.codes.SERVICE_UNAVAILABLE:  # that passes
            answer = _good((status, answer))
            if answer["state"] in _ENDED:
                return answer
        time.sleep(_EVERY_S)


def _good(answer: tuple[int, dict[str, Any]]) -> dict[str, Any]:
    status, body = answer
    if status not in (httpx.codes.OK, httpx.codes.ACCEPTED):
        raise Refused(f"{body.get('message', 'refused')} ({status})")
    return body
