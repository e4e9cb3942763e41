"""Who may call what, and how strangers are answered."""

import base64

import pytest

from tests.api.farm import APP_ID, CNAME, KEY, SECRET, UID, Farm

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
