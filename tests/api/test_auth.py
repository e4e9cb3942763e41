"""Who may call what, and how strangers are answered."""

import base64
from typing import Any

import pytest
from pydantic import SecretStr

from api.auth import BadCredentials, Doorman
from tests.api.farm import APP_ID, CNAME, KEY, SECRET, UID, Farm, error
from workers.apps import Apps
from workers.settings import App, CustomerKey

PATH = f"/v1/apps/{APP_ID}/cloud_recording/acquire"
BODY = {"cname": CNAME, "uid": UID, "clientRequest": {}}
WRONG = {"message": "Invalid authentication credentials"}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


GOOD = encoded(f"{KEY}:{SECRET}")
HEADERS = [
    (None, 401, {"message": "Unauthorized"}),
    (f"Basic {GOOD}", 200, None),
    (f"basic {GOOD}", 200, None),
    (f"BASIC  {GOOD}", 200, None),
    ("", 401, WRONG),
    ("Basic", 401, WRONG),
    (f"Bearer {GOOD}", 401, WRONG),
    (GOOD, 401, WRONG),
    ("Basic ???", 401, WRONG),
    ("Basic käse", 401, WRONG),
    (f"Basic {GOOD[:-3]}", 401, WRONG),
    (f"Basic {encoded(KEY)}", 401, WRONG),
    (f"Basic {encoded(KEY + ':')}", 401, WRONG),
    (f"Basic {encoded(f'{KEY}:{SECRET}x')}", 401, WRONG),
    (f"Basic {encoded(f'{KEY}x:{SECRET}')}", 401, WRONG),
    (f"Basic {encoded(':')}", 401, WRONG),
    (f"Basic {encoded('other-key:other-secret')}", 401, WRONG),
    (f"Basic {encoded('ключ:секрет')}", 401, WRONG),
]


@pytest.mark.parametrize(("header", "status", "body"), HEADERS)
def test_credentials(farm: Farm, header: str | None, status: int, body: object) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = farm.client.post(PATH, json=BODY, headers=headers)
    assert answer.status_code == status
    if body is not None:
        assert answer.json == body
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_an_unknown_app_is_told_to_customers_only(farm: Farm) -> None:
    answer = farm.call("POST", "/acquire", BODY, app_id="nosuchapp")
    assert (answer.status_code, answer.json) == (400, {"message": "appid is invalid"})
    farm.auth = ("stranger", "secret")
    answer = farm.call("POST", "/acquire", BODY, app_id="nosuchapp")
    assert (answer.status_code, answer.json) == (401, WRONG)


def test_credentials_are_looked_at_before_the_body(farm: Farm) -> None:
    answer = farm.client.post(PATH, data=b"x" * 200_000)
    assert (answer.status_code, answer.json) == (401, {"message": "Unauthorized"})


def test_a_quota_counts_each_app_apart() -> None:
    farm = Farm(options={"requests_per_second": 2})
    statuses = [farm.call("POST", "/acquire", BODY).status_code for _ in range(4)]
    assert statuses[:2] == [200, 200]
    answer = farm.call("POST", "/acquire", BODY)
    assert (answer.status_code, answer.json) == (429, {"message": "API rate limit exceeded"})
    farm.auth = ("other-key", "other-secret")
    assert farm.call("POST", "/acquire", BODY, app_id="another").status_code == 200


def app_with(app_id: str, *pairs: tuple[str, str], **more: Any) -> App:
    keys = tuple(
        CustomerKey(customer_key=key, customer_secret=SecretStr(secret)) for key, secret in pairs
    )
    return App(app_id=app_id, keys=keys, **more)


def owned(doorman: Doorman, pair: tuple[str, str]) -> set[str]:
    try:
        return set(doorman.owned(f"Basic {encoded(':'.join(pair))}"))
    except BadCredentials:
        return set()


OLD, NEW, SHARED = ("old-key", "old-secret"), ("new-key", "new-secret"), ("us", "ours")


def test_an_app_has_several_keys_and_a_key_several_apps() -> None:
    doorman = Doorman(Apps((app_with("a", OLD, NEW, SHARED), app_with("b", SHARED))))
    assert owned(doorman, OLD) == owned(doorman, NEW) == {"a"}
    assert owned(doorman, SHARED) == {"a", "b"}
    for wrong in ((OLD[0], NEW[1]), ("us", "our"), ("us", "ours!"), ("u", "s:ours"), ("", "")):
        assert owned(doorman, wrong) == set()


class Changing(Apps):
    def become(self, *apps: App) -> None:
        self._take(apps)


def test_a_key_is_rotated_under_a_running_farm() -> None:
    apps = Changing(())
    doorman = Doorman(apps)
    for keys, good in (((OLD,), {OLD}), ((OLD, NEW), {OLD, NEW}), ((NEW,), {NEW}), ((), set())):
        apps.become(*([app_with("a", *keys)] if keys else []))
        assert {pair for pair in (OLD, NEW) if owned(doorman, pair)} == good


def test_every_pair_is_compared_whatever_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """In digests of one length, so that neither a length nor a beginning tells anything."""
    apps = [app_with(f"app-{n}", (f"key-{n}", "s" * (n + 1))) for n in range(50)]
    doorman = Doorman(Apps((*apps, app_with("same", ("key-0", "s")))))
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("api.auth.hmac.compare_digest", compare)
    for pair in (("key-0", "s"), ("key-49", "s" * 50), ("key-0", "t"), ("k", "s" * 5000)):
        compared.clear()
        owned(doorman, pair)
        assert len(compared) == len({other for _, other in compared}) == 50
        assert {len(each) for row in compared for each in row} == {32}


def test_a_suspended_app_begins_nothing_and_ends_what_it_began() -> None:
    farm = Farm()
    resource_id, sid = farm.started()
    ticket = farm.acquire(uid="7")
    suspended = App(app_id=APP_ID, customer_key=KEY, customer_secret=SECRET, suspended=True)
    farm = Farm(control=farm.control, changes={"apps": (suspended,)})
    assert error(farm.call("POST", "/acquire", BODY)) == (400, 405)
    assert error(farm.start(ticket, uid="7")) == (400, 405)
    answer = farm.client.post(f"/console/api/recordings/{sid}/cuts", json={}, auth=farm.auth)
    assert answer.status_code == 400
    assert farm.client.get(f"/console/api/recordings/{sid}", auth=farm.auth).status_code == 200
    assert farm.query(resource_id, sid).status_code == 200
    assert error(farm.stop(resource_id, sid)) == (206, 435)  # stopped, and nobody had published
