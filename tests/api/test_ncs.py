"""Where callbacks come from."""

import json
from pathlib import Path

import pytest

from tests.api.farm import APP_ID, Farm

EXAMPLE = Path(__file__).parent / "agora_examples" / "ncs-ip.json"
PATHS = ["/v1/ncs/ip", "/v2/ncs/ip"]


@pytest.mark.parametrize("path", PATHS)
def test_the_addresses_of_the_settings_are_told(path: str) -> None:
    expected = json.loads(EXAMPLE.read_text())["responses"][0]["body"]
    farm = Farm(changes={"callback_source_ips": ("192.0.2.10", "192.0.2.11")})
    answer = farm.client.get(path, auth=farm.auth)
    assert (answer.status_code, answer.json) == (200, expected)
    six = Farm(changes={"callback_source_ips": ("2001:DB8::1",)})
    hosts = six.client.get(path, auth=six.auth).json["data"]["service"]["hosts"]
    assert hosts == [{"primaryIP": "2001:db8::1"}]


@pytest.mark.parametrize("path", PATHS)
def test_a_farm_that_was_told_none_tells_none(farm: Farm, path: str) -> None:
    answer = farm.client.get(path, auth=("other-key", "other-secret"))
    assert answer.json == {"data": {"service": {"hosts": []}}}


@pytest.mark.parametrize("path", PATHS)
def test_only_customers_are_told(farm: Farm, path: str) -> None:
    answer = farm.client.get(path)
    assert (answer.status_code, answer.json) == (401, {"message": "Unauthorized"})
    answer = farm.client.get(path, auth=("customer-key", "wrong"))
    assert answer.json == {"message": "Invalid authentication credentials"}
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    answer = farm.client.post(path, auth=farm.auth)
    assert (answer.status_code, answer.json) == (
        404,
        {"message": "no Route matched with those values"},
    )


def test_it_counts_as_a_request() -> None:
    farm = Farm(options={"requests_per_second": 1})
    assert farm.client.get(PATHS[0], auth=farm.auth).status_code == 200
    assert farm.client.get(PATHS[1], auth=farm.auth).status_code == 429
    body = {"cname": "a", "uid": "1", "clientRequest": {}}
    assert farm.call("POST", "/acquire", body, app_id=APP_ID).status_code == 429
