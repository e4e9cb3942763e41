"""The farm's own API: who sees a recording's report, and when there is one."""

import json
from dataclasses import replace
from typing import Any

import pytest

from media.quality.report import report
from tests.api.farm import NOW_NS, Farm
from workers.job.state import State
from workers.job.status import FileEntry

REPORT = json.dumps(
    {"sid": "0" * 32, "cname": "тест", "mode": "mix", "recorder_uid": "1", "end_reason": "stopped"}
    | {"slices_not_measured": 0, "files": [], "files_not_listed": 0, "files_lack": []}
    | report([])
)


def ask(farm: Farm, sid: str, auth: tuple[str, str] | None = None):
    return farm.client.get(f"/console/api/recordings/{sid}/report", auth=auth or farm.auth)


def test_the_report_of_an_ended_recording(farm: Farm) -> None:
    _, sid = farm.started()
    farm.control.reports[sid] = REPORT
    farm.control.move(sid, State.ENDED)
    answer = ask(farm, sid)
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert answer.json == json.loads(REPORT)


def test_a_recording_that_goes_on_has_none_yet(farm: Farm) -> None:
    _, sid = farm.started()
    answer = ask(farm, sid)
    assert answer.status_code == 409
    assert "goes on" in answer.json["message"]


def test_a_recording_without_a_report(farm: Farm) -> None:
    _, sid = farm.started()
    farm.control.move(sid, State.ENDED)
    assert ask(farm, sid).status_code == 404


@pytest.mark.parametrize("sid", ["0" * 32, "x", "%00", "a" * 5000])
def test_an_unknown_recording(farm: Farm, sid: str) -> None:
    answer = ask(farm, sid)
    assert (answer.status_code, answer.json) == (404, {"message": "no such recording"})


def test_a_strangers_recording_looks_like_none(farm: Farm) -> None:
    _, sid = farm.started()
    farm.control.reports[sid] = REPORT
    answer = ask(farm, sid, ("other-key", "other-secret"))
    assert (answer.status_code, answer.json) == (404, {"message": "no such recording"})


@pytest.mark.parametrize("auth", [None, ("customer-key", "wrong"), ("", "")])
def test_nobody_gets_in_without_credentials(farm: Farm, auth: tuple[str, str] | None) -> None:
    _, sid = farm.started()
    farm.control.reports[sid] = REPORT
    farm.auth = None
    answer = ask(farm, sid, auth)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="tapefarm"'


@pytest.mark.parametrize("wanted", [True, False])
def test_the_settings_say_whether_a_report_is_made(wanted: bool) -> None:
    farm = Farm(changes={"quality_report": wanted})
    _, sid = farm.started()
    assert farm.control.specs[sid].quality_report is wanted


def look(farm: Farm, sid: str) -> Any:
    answer = farm.client.get(f"/console/api/recordings/{sid}", auth=farm.auth)
    assert answer.status_code == 200
    return answer.json


def test_how_a_recording_ended_can_be_read_when_the_dialect_has_forgotten_it(farm: Farm) -> None:
    resource_id, sid = farm.started()
    going_on = look(farm, sid)
    assert going_on["end"] is None
    assert going_on["accepted_ms"] == NOW_NS // 1_000_000
    assert going_on["stop_asked_ms"] is going_on["until_ms"] is going_on["delivered_ms"] is None
    farm.control.deliver(sid, FileEntry("a.m3u8", "audio", "0", True, True, 1_760_000_000_150))
    farm.control._rows[sid] = replace(
        farm.control._rows[sid],
        state=State.ENDED,
        reason="stopped",
        stop_ns=5_000_000,
        end_ns=6_000_000,
        delivered_ns=9_000_000,
    )
    assert farm.query(resource_id, sid).status_code == 404
    ended = look(farm, sid)
    assert ended["end"] == {
        "how": "it was asked to stop",
        "exit_status": 0,
        "uploading_status": "uploaded",
    }
    assert (ended["stop_asked_ms"], ended["until_ms"], ended["delivered_ms"]) == (5, 6, 9)
    assert [entry["fileName"] for entry in ended["files"]] == ["a.m3u8"]


@pytest.mark.parametrize(
    ("state", "reason", "no_data", "exit_status", "how"),
    [
        (State.ENDED, "idle", False, 0, "nobody was in the channel for maxIdleTime"),
        (State.ENDED, "idle", True, 0, "nobody published anything"),
        (State.ENDED, "token expired", False, 1, "token expired"),
        (State.ENDED, "", False, 0, "not known"),
        (State.FAILED, "the spool lost it", False, 1, "the spool lost it"),
        (State.FAILED, "", False, 1, "not known"),
    ],
)
def test_an_end_is_told_in_words_and_in_a_number(
    farm: Farm, state: State, reason: str, no_data: bool, exit_status: int, how: str
) -> None:
    _, sid = farm.started()
    farm.control.move(sid, state, reason=reason)
    farm.control._rows[sid] = replace(farm.control._rows[sid], no_data=no_data)
    end = look(farm, sid)["end"]
    assert end["exit_status"] == exit_status
    assert how in end["how"]
    assert end["uploading_status"] == ("uploaded" if state is State.ENDED else "unknown")
