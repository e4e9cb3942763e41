"""The farm's own API: who sees a recording's report, and when there is one."""

import json

import pytest

from tests.api.farm import Farm
from workers.job.state import State

REPORT = json.dumps({"version": 1, "totals": {"lost_s": 0.0}, "cname": "тест"})


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
