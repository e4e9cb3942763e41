"""What every request gets: routes, shapes of faults, ids, metrics, health."""

import subprocess
import sys

import pytest

from api.memory import MemoryControl
from tests.api.farm import APP_ID, CNAME, UID, Farm

NO_ROUTE = {"message": "no Route matched with those values"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/apps/x"),
        ("POST", f"/v1/apps/{APP_ID}/cloud_recording/nothing"),
        ("POST", f"/v1/apps/{APP_ID}/cloud_recording/acquire/"),
        ("POST", f"/v1/apps/{APP_ID}/cloud_recording//acquire"),
        ("POST", f"/v1/apps/{APP_ID}/Cloud_Recording/acquire"),
        ("POST", f"/v2/apps/{APP_ID}/cloud_recording/acquire"),
        ("GET", f"/v1/apps/{APP_ID}/cloud_recording/acquire"),
        ("DELETE", f"/v1/apps/{APP_ID}/cloud_recording/acquire"),
        ("OPTIONS", f"/v1/apps/{APP_ID}/cloud_recording/acquire"),
        ("POST", f"/v1/apps/{APP_ID}/cloud_recording/resourceid/a/sid/b/mode/mix/query"),
        ("GET", f"/v1/apps/{APP_ID}/cloud_recording/resourceid/a/mode/mix/start"),
    ],
)
def test_a_wrong_path_or_method_has_no_route(farm: Farm, method: str, path: str) -> None:
    answer = farm.client.open(path, method=method)
    assert answer.status_code == 404
    if path.startswith("/v1/apps/"):
        assert answer.json == NO_ROUTE


def test_other_paths_answer_in_json_too(farm: Farm) -> None:
    assert farm.client.get("/nothing").json == {"message": "Not Found"}
    answer = farm.client.post("/healthz")
    assert (answer.status_code, answer.json) == (405, {"message": "Method Not Allowed"})


class Buggy(MemoryControl):
    def capacity(self, app_id: str = "", allowance: object = None) -> bool:
        raise ZeroDivisionError


def test_a_bug_of_ours_is_a_clean_500() -> None:
    farm = Farm(control=Buggy())
    body = {"cname": CNAME, "uid": UID, "clientRequest": {}}
    answer = farm.call("POST", "/acquire", body)
    assert answer.status_code == 500
    assert answer.json == {"code": 500, "reason": "internal_error"}
    assert answer.headers["X-Request-Id"]


def test_a_request_keeps_a_sane_id_and_gets_one_otherwise(farm: Farm) -> None:
    kept = farm.client.get("/healthz", headers={"X-Request-Id": "abc-1"})
    assert kept.headers["X-Request-Id"] == "abc-1"
    given = farm.client.get("/healthz", headers={"X-Request-Id": "a b" * 99})
    assert len(given.headers["X-Request-Id"]) == 32


def test_requests_are_measured_by_route_and_not_by_path(farm: Farm) -> None:
    farm.acquire()
    farm.client.get("/nothing/with/an/id")
    text = farm.client.get("/metrics").text
    route = "/v1/apps/<app_id>/cloud_recording/acquire"
    assert f'tapefarm_api_request_seconds_count{{route="{route}",status="200"}} 1.0' in text
    assert 'route="none",status="404"' in text
    assert APP_ID not in text


def test_health_and_readiness(farm: Farm) -> None:
    assert farm.client.get("/healthz").json == {"status": "ok"}
    ready = farm.client.get("/readyz")
    assert (ready.status_code, ready.json["status"]) == (200, "ok")
    farm.control.slots = 0
    ready = farm.client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json["parts"] == {"capacity": "no recorder slot is free"}


def test_the_api_loads_no_codec_and_no_rtc_stack() -> None:
    script = (
        "import sys, api.app, api.memory;"
        "print([name for name in ('av', 'aiortc', 'aioice', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run(  # our own interpreter
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
