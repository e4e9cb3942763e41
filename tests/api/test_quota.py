"""How much an app may have: requests, recordings, streams."""

from typing import Any

import pytest

from api.memory import MemoryControl
from api.quota import Quota, RateExceeded
from tests.api.farm import APP_ID, CNAME, KEY, SECRET, Farm, error, start_body
from workers.apps import Apps
from workers.settings import App, Settings

BODY = {"cname": CNAME, "uid": "1", "clientRequest": {}}
TOO_MANY = (429, {"message": "API rate limit exceeded"})


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def app(app_id: str = APP_ID, **more: Any) -> App:
    return App(app_id=app_id, customer_key=KEY, customer_secret=SECRET, **more)


def served(quota: Quota, app_id: str, calls: int) -> int:
    count = 0
    for _ in range(calls):
        try:
            quota.take(app_id)
        except RateExceeded:
            continue
        count += 1
    return count


def test_ten_requests_a_second_unless_somebody_says_otherwise() -> None:
    settings = Settings(farm_key="0123456789abcdef")
    assert settings.requests_per_second == 10.0
    clock, apps = Clock(), Apps((app("a"), app("b", requests_per_second=3), app("c")))
    quota = Quota(apps, settings.requests_per_second, clock)
    for _ in range(3):
        assert [served(quota, each, 50) for each in "abc"] == [10, 3, 10]
        clock.now_s += 60.0
    clock.now_s -= 60.0
    clock.now_s += 0.5
    assert [served(quota, each, 50) for each in "ab"] == [5, 1]


def test_zero_is_no_quota() -> None:
    apps = Apps((app("a"), app("b", requests_per_second=0.5), app("c", requests_per_second=0)))
    assert [served(Quota(apps, 0.0, Clock()), each, 50) for each in "abc"] == [50, 1, 50]
    assert served(Quota(apps, 2.0, Clock()), "c", 50) == 50


class Changing(Apps):
    def become(self, *apps: App) -> None:
        self._take(apps)


def test_a_rate_is_changed_under_a_running_farm_and_gone_apps_are_forgotten() -> None:
    apps, clock = Changing(()), Clock()
    quota = Quota(apps, 5.0, clock)
    for number in range(100):
        apps.become(app(f"app-{number}"), app("stays", requests_per_second=number + 1))
        clock.now_s += 1.0
        assert served(quota, f"app-{number}", 50) == 5
        assert served(quota, "stays", 200) == number + 1
    assert len(quota._buckets) <= 3


def test_the_console_draws_on_the_same_bucket() -> None:
    farm = Farm(options={"requests_per_second": 4})
    _, sid = farm.started()
    recording = f"/console/api/recordings/{sid}"
    assert farm.client.get(recording, auth=farm.auth).status_code == 200
    assert farm.client.get(f"{recording[:-1]}x", auth=farm.auth).status_code == 404
    answers = [
        farm.client.get(recording, auth=farm.auth),
        farm.client.get(f"{recording}/report", auth=farm.auth),
        farm.client.post(f"{recording}/cuts", json={}, auth=farm.auth),
        farm.call("POST", "/acquire", BODY),
    ]
    assert [answer.status_code for answer in answers] == [429] * 4
    assert (answers[-1].status_code, answers[-1].json) == TOO_MANY


def test_who_is_not_let_in_uses_nothing_up() -> None:
    farm = Farm(options={"requests_per_second": 2})
    right, farm.auth = farm.auth, ("stranger", "secret")
    assert {farm.call("POST", "/acquire", BODY).status_code for _ in range(9)} == {401}
    farm.auth = right
    assert farm.call("POST", "/acquire", BODY).status_code == 200


OVERLOAD = (400, 406)


def started(farm: Farm, number: int, app_id: str = APP_ID) -> tuple[int, int] | str:
    """The sid, or status and code of the refusal of start."""
    body = {"cname": f"room-{number}", "uid": "900001", "clientRequest": {}}
    ticket = farm.call("POST", "/acquire", body, app_id=app_id)
    if ticket.status_code != 200:
        return error(ticket)
    body["clientRequest"] = start_body()
    path = f"/resourceid/{ticket.json['resourceId']}/mode/mix/start"
    answer = farm.call("POST", path, body, app_id=app_id)
    return str(answer.json["sid"]) if answer.status_code == 200 else error(answer)


@pytest.mark.parametrize(
    ("apps", "farm_wide"),
    [
        ((app(max_recordings=2), app("other")), {}),
        ((app(), app("other", max_recordings=9)), {"max_recordings_per_app": 2}),
        ((app(max_recordings=2), app("other", max_recordings=9)), {"max_recordings_per_app": 1}),
    ],
)
def test_recordings_at_once(apps: tuple[App, ...], farm_wide: dict[str, int]) -> None:
    farm = Farm(changes={"apps": apps, **farm_wide})
    sids = [started(farm, number) for number in (1, 2)]
    assert all(isinstance(sid, str) for sid in sids)
    assert started(farm, 3) == OVERLOAD
    assert isinstance(started(farm, 3, "other"), str)
    assert isinstance(sids[0], str)
    farm.control.stop(sids[0], 1.0)
    assert isinstance(started(farm, 4), str)
    assert started(farm, 5) == OVERLOAD


def test_the_last_place_goes_to_one_of_two_tickets() -> None:
    farm = Farm(changes={"apps": (app(max_recordings=1),)})
    tickets = [farm.acquire(uid=uid) for uid in ("1", "2")]
    assert farm.start(tickets[0], uid="1").status_code == 200
    assert error(farm.start(tickets[1], uid="2")) == OVERLOAD
    assert len(farm.control.specs) == 1
    assert error(farm.start(tickets[0], uid="1")) == (201, 7)


def test_streams_at_once() -> None:
    """A mix is for 17 publishers."""
    farm = Farm(control=MemoryControl(slots=50), changes={"apps": (app(max_streams=40),)})
    assert isinstance(started(farm, 1), str)
    assert isinstance(started(farm, 2), str)
    assert started(farm, 3) == OVERLOAD
    farm = Farm(changes={"apps": (app(max_streams=16),)})
    assert started(farm, 1) == OVERLOAD
