"""Tokens and quotas at an API with a real Redis and a real bucket behind it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api import token_builder
from tests.api.serving import serving, until
from tests.workers.buckets import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server
from workers.store.store import Store

pytestmark = pytest.mark.server

CERTIFICATE = "5CFd2fd1755d40ecb72977518be15d3b"
STORE_KEY = "a farm key for tests"  # of the fixture `store`
SECURED, SLOW = "970CA35de60c44645bbae8a215061b33", "slow"
PAIR = ("key", "the-secret")
APPS = """
[[apps]]
app_id = "{secured}"
customer_key = "key"
customer_secret = "the-secret"
certificates = ["00000000000000000000000000000000", "{certificate}"]
max_recordings = {most}
requests_per_second = 0

[[apps]]
app_id = "slow"
customer_key = "key"
customer_secret = "the-secret"
requests_per_second = 0.01
"""


def write(file: Path, most: int) -> None:
    draft = file.with_name("draft")
    draft.write_text(APPS.format(secured=SECURED, certificate=CERTIFICATE, most=most))
    draft.replace(file)


class Customer:
    def __init__(self, http: httpx.Client, storage: dict[str, Any]) -> None:
        self._http = http
        self._storage = storage

    def call(
        self, path: str, cname: str, client: dict[str, Any] | None = None, app_id: str = SECURED
    ) -> tuple[int, dict[str, Any]]:
        body = {"cname": cname, "uid": "7", "clientRequest": client or {}}
        path = f"/v1/apps/{app_id}/cloud_recording/{path}"
        answer = self._http.post(path, json=body, auth=PAIR)
        return answer.status_code, answer.json()

    def start(self, cname: str, token: str) -> tuple[int, dict[str, Any]]:
        status, ticket = self.call("acquire", cname)
        if status != 200:
            return status, ticket
        client = {"token": token, "storageConfig": self._storage}
        client["recordingConfig"] = {"channelType": 0}
        return self.call(f"resourceid/{ticket['resourceId']}/mode/mix/start", cname, client)


def test_what_a_token_and_a_quota_say_reaches_the_recording(
    redis_url: str, store: Store, s3: S3Server, free_port: Callable[[], int], tmp_path: Path
) -> None:
    file, log, now_s = tmp_path / "apps.toml", tmp_path / "log", int(time.time())
    write(file, 1)

    def token(cname: str, certificate: str = CERTIFICATE, lasts_s: int = 900) -> str:
        services = [token_builder.rtc(cname, "7", {1: 600})]
        made = token_builder.Token007(SECURED, certificate, now_s, lasts_s, services)
        return made.build()

    storage = {
        "vendor": 11,
        "region": 0,
        "bucket": BUCKET,
        "accessKey": ACCESS_KEY,
        "secretKey": SECRET_KEY,
        "extensionParams": {"endpoint": f"http://{s3.storage.endpoint}"},
    }
    settings = {
        "redis_url": redis_url,
        "apps_file": str(file),
        "farm_key": STORE_KEY,
        "storage_check_s": "10",
        "allow_private_endpoints": "true",
    }
    with serving(free_port(), log, **settings) as http:
        store.heartbeat("recorder", 10, 60.0)
        customer = Customer(http, storage)
        assert [
            (status, body["code"])
            for status, body in (
                customer.start("one", token("two")),
                customer.start("one", token("one", "1" * 32)),
                customer.start("one", token("one", lasts_s=0)),
            )
        ] == [(400, 110), (400, 110), (400, 109)]
        assert store.taken() == 0
        status, body = customer.start("one", token("one"))
        assert status == 200, body
        assert store.spec(body["sid"]).limits.until_ns == (now_s + 600) * 1_000_000_000
        refused, body = customer.start("two", token("two"))
        assert (refused, body) == (400, body | {"code": 406})
        write(file, 2)
        until(lambda: customer.call("acquire", "two")[0] == 200)
        assert customer.start("two", token("two"))[0] == 200
        assert customer.start("three", token("three"))[1]["code"] == 406
        assert customer.call("acquire", "a", app_id=SLOW)[0] == 200
        over = (429, {"message": "API rate limit exceeded"})
        assert customer.call("acquire", "a", app_id=SLOW) == over
    for secret in (CERTIFICATE, PAIR[1], SECRET_KEY, token("one")):
        assert secret not in log.read_text()
