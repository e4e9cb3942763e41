"""Makes a row's call."""

import json
from typing import Any

from werkzeug.test import TestResponse

from tests.api.conformance.bodies import body
from tests.api.conformance.rows import Row
from tests.api.conformance.situations import Stage, arrange
from tests.api.farm import Farm

_ON_A_RECORDING = ("query", "stop", "update", "updateLayout")


def send(row: Row, farm: Farm | None = None) -> tuple[Stage, TestResponse]:
    """The answer to a row's call, and what it was made on; a farm is made unless given."""
    stage = Stage(row.mode, row.call) if farm is None else Stage(row.mode, row.call, farm)
    arrange(stage, row.given)
    if row.call in _ON_A_RECORDING and not stage.ticket:
        _run(stage)
    if row.call == "start" and not stage.ticket:
        stage.ticket = stage.farm.acquire()
    return stage, _open(stage, row)


def _run(stage: Stage) -> None:
    sid = stage.sid
    stage.run()
    stage.sid = sid or stage.sid


def _open(stage: Stage, row: Row) -> TestResponse:
    asks = row.call in {"query", "ncs"}
    more: dict[str, Any] = {"headers": dict(stage.headers)}
    if not asks:
        document = body(row.call, row.field, row.value)
        if stage.beside:
            document["clientRequest"] |= stage.beside
        sent = json.dumps(document).encode()
        more |= {"data": sent if stage.raw is None else stage.raw}
        more |= {"content_type": stage.content_type}
    if stage.auth is not None:
        more["auth"] = stage.auth
    path = path_of(stage, row) + stage.suffix
    return stage.farm.client.open(path, method=stage.method or ("GET" if asks else "POST"), **more)


def path_of(stage: Stage, row: Row) -> str:
    """Where a call goes."""
    if row.call == "ncs":
        return "/v1/ncs/ip"
    base = f"/v1/apps/{stage.app_id}/cloud_recording"
    resource = f"{base}/resourceid/{stage.ticket}"
    match row.call:
        case "acquire":
            return f"{base}/acquire"
        case "start":
            return f"{resource}/mode/{row.mode}/start"
        case _:
            return f"{resource}/sid/{stage.sid}/mode/{row.mode}/{row.call}"
