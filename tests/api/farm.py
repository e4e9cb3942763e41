"""A farm of the tests' own: the app over memory, and a client that speaks as one customer."""

from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.memory import MemoryControl
from tests.api.documented import DocumentedClient
from workers.metrics.metrics import Metrics
from workers.settings import App, Settings

NS = 1_000_000_000
NOW_NS = 1_760_000_000 * NS
APP_ID = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
KEY, SECRET = "customer-key", "customer-secret"
CNAME, UID = "demo-room-7", "900001"

STORAGE: dict[str, Any] = {
    "vendor": 11,
    "region": 0,
    "bucket": "rec-bucket",
    "accessKey": "AKIDEXAMPLE",
    "secretKey": "SECRETEXAMPLE",
    "extensionParams": {"endpoint": "s3.example.com"},
}


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "farm_key": "0123456789abcdef",
        "channel_url": "room+http://127.0.0.1:8081",
        "apps": (
            App(app_id=APP_ID, customer_key=KEY, customer_secret=SECRET),
            App(app_id="another", customer_key="other-key", customer_secret="other-secret"),
        ),
    }
    return Settings(**(values | changes))


@dataclass
class Farm:
    control: MemoryControl = field(default_factory=MemoryControl)
    now_ns: int = NOW_NS
    addresses: dict[str, list[str]] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.app: Flask = create_app(
            self.control,
            settings(**self.changes),
            Metrics(),
            clock=lambda: self.now_ns,
            resolver=self.resolve,
            **self.options,
        )
        self.app.test_client_class = DocumentedClient
        self.client: FlaskClient = self.app.test_client()
        self.auth: tuple[str, str] | None = (KEY, SECRET)

    def resolve(self, host: str) -> list[str]:
        return self.addresses.get(host, ["93.184.216.34"])

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> TestResponse:
        if body is not None:
            more["json"] = body
        base = f"/v1/apps/{more.pop('app_id', APP_ID)}/cloud_recording"
        return self.client.open(base + path, method=method, auth=self.auth, **more)

    def acquire(self, *, cname: str = CNAME, uid: str = UID, **client: Any) -> str:
        body = {"cname": cname, "uid": uid, "clientRequest": client}
        answer = self.call("POST", "/acquire", body)
        assert answer.status_code == 200, answer.json
        return str(answer.json["resourceId"])

    def start(
        self,
        resource_id: str,
        client: Any = None,
        *,
        mode: str = "mix",
        cname: str = CNAME,
        uid: str = UID,
    ) -> TestResponse:
        body = {"cname": cname, "uid": uid, "clientRequest": client or start_body()}
        return self.call("POST", f"/resourceid/{resource_id}/mode/{mode}/start", body)

    def started(self, *, mode: str = "mix", mp4: bool = False) -> tuple[str, str]:
        resource_id = self.acquire()
        files = {"recordingFileConfig": {"avFileType": ["hls", "mp4"]}} if mp4 else {}
        answer = self.start(resource_id, start_body() | files, mode=mode)
        assert answer.status_code == 200, answer.json
        return resource_id, str(answer.json["sid"])

    def query(self, resource_id: str, sid: str, mode: str = "mix") -> TestResponse:
        return self.call("GET", f"/resourceid/{resource_id}/sid/{sid}/mode/{mode}/query")

    def stop(
        self, resource_id: str, sid: str, mode: str = "mix", cname: str = CNAME, **client: Any
    ) -> TestResponse:
        body = {"cname": cname, "uid": UID, "clientRequest": client}
        return self.call("POST", f"/resourceid/{resource_id}/sid/{sid}/mode/{mode}/stop", body)

    def change(
        self, call: str, resource_id: str, sid: str, mode: str = "mix", client: Any = None
    ) -> TestResponse:
        """An update or updateLayout; of something that may be changed unless told."""
        lists = {"audioUidList": {"subscribeAudioUids": ["1"]}}
        client = client or {"streamSubscribe": lists, "mixedVideoLayout": 1}
        body = {"cname": CNAME, "uid": UID, "clientRequest": client}
        return self.call("POST", f"/resourceid/{resource_id}/sid/{sid}/mode/{mode}/{call}", body)


def start_body(**recording: Any) -> dict[str, Any]:
    return {"recordingConfig": {"channelType": 0, **recording}, "storageConfig": STORAGE}


def error(answer: TestResponse) -> tuple[int, int]:
    """HTTP status and code, once the answer has the recording service's error shape."""
    body = answer.get_json()
    assert set(body) == {"code", "reason"}, body
    assert isinstance(body["reason"], str)
    assert body["reason"]
    return answer.status_code, body["code"]
