"""What the farm or the caller is like before a row's call."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from api.memory import MemoryControl
from tests.api.farm import (
    APP_ID,
    CNAME,
    KEY,
    NOW_NS,
    NS,
    SECRET,
    STORAGE,
    UID,
    Farm,
    start_body,
)
from tests.api.token_builder import Token007, rtc
from workers.job.errors import (
    NoCapacity,
    QuotaExceeded,
    StorageRefused,
    StoreTimeout,
    StoreUnavailable,
)
from workers.job.state import State
from workers.job.status import FileEntry
from workers.settings import App

CERTIFICATE: Final = "5CFd2fd1755d40ecb72977518be15d3b"
FILE: Final = FileEntry("a.m3u8", "audio_and_video", "0", True, True, 1_760_000_000_150)


class Faulty(MemoryControl):
    """A farm that raises what it is told to, whatever it is asked."""

    __slots__ = ("fault",)

    def __init__(self) -> None:
        super().__init__(slots=10**9)
        self.fault: Exception | None = None

    def capacity(self, *asked: Any, **more: Any) -> bool:
        self._fail()
        return super().capacity(*asked, **more)

    def start(self, *asked: Any, **more: Any) -> str | None:
        self._fail()
        return super().start(*asked, **more)

    def status(self, sid: str) -> Any:
        if not isinstance(self.fault, NoCapacity | QuotaExceeded):
            self._fail()
        return super().status(sid)

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault


@dataclass
class Stage:
    """A call about to be made."""

    mode: str
    call: str
    farm: Farm = field(default_factory=lambda: Farm(control=Faulty()))
    ticket: str = ""
    sid: str = ""
    app_id: str = APP_ID
    auth: tuple[str, str] | None = (KEY, SECRET)
    method: str = ""
    suffix: str = ""
    raw: bytes | None = None
    content_type: str | None = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    beside: dict[str, Any] = field(default_factory=dict)  # what clientRequest holds as well

    def run(self) -> None:
        """A recording that the ticket has started."""
        made = "mix" if self.mode not in {"mix", "individual", "raw"} else self.mode
        self.ticket, self.sid = self.farm.started(mode=made)
        if self.call == "stop":
            self.farm.control.deliver(self.sid, FILE)

    def run_as(self, mode: str) -> None:
        self.ticket, self.sid = self.farm.started(mode=mode)

    def put(self, state: State, **changes: Any) -> None:
        if not self.sid:
            self.run()
        rows = self.farm.control._rows
        rows[self.sid] = replace(rows[self.sid], state=state, **changes)

    def later(self, seconds: float) -> None:
        if self.call != "start" and not self.sid:
            self.run()
        self.ticket = self.ticket or self.farm.acquire()
        self.farm.now_ns += int(seconds * NS)

    def fail(self, fault: Exception) -> None:
        if self.call in {"query", "stop", "update", "updateLayout"} and not self.sid:
            self.run()
        self.ticket = self.ticket or self.farm.acquire()
        self.farm.control.fault = fault  # type: ignore[attr-defined]

    def foreign(self, ticket: str) -> None:
        if self.call != "start":
            self.run()
        self.ticket = ticket


def _other_app(stage: Stage) -> None:
    stage.foreign(stage.farm.acquire())
    stage.app_id, stage.auth = "another", ("other-key", "other-secret")


def _suspended(stage: Stage) -> None:
    if stage.call != "acquire":
        stage.run()
    stage.ticket = stage.farm.acquire() if stage.call == "start" else stage.ticket
    app = App(app_id=APP_ID, customer_key=KEY, customer_secret=SECRET, suspended=True)
    stage.farm = Farm(control=stage.farm.control, changes={"apps": (app,)})


def _hours(stage: Stage) -> None:
    stage.ticket = stage.farm.acquire(resourceExpiredHour=1)
    stage.sid = str(stage.farm.start(stage.ticket).json["sid"])


def _again(stage: Stage) -> None:
    stage.run()
    stage.ticket = stage.farm.acquire()


def _stop_takes_long(stage: Stage) -> None:
    stage.run()
    stage.farm.control.finishes = False


def _silence(stage: Stage) -> None:
    stage.ticket, stage.sid = stage.farm.started()


def _temporary_keys(stage: Stage) -> None:
    keys = {"stsToken": "t", "stsExpiration": NOW_NS // NS + 4 * 3600}
    storage = STORAGE | {"vendor": 1, "region": 7} | keys
    stage.ticket = stage.farm.acquire()
    answer = stage.farm.start(stage.ticket, start_body() | {"storageConfig": storage})
    stage.sid = str(answer.json["sid"])


def _token(*, cname: str = CNAME, uid: str = UID, lasts_s: int = 3600, right: int = 1) -> str:
    began_s = NOW_NS // NS - 60
    services = [rtc(cname, uid, {right: lasts_s})]
    return Token007(APP_ID, CERTIFICATE, began_s, lasts_s, services).build()


def _certified(token: str) -> Callable[[Stage], None]:
    def arrange(stage: Stage) -> None:
        stage.ticket = stage.ticket or stage.farm.acquire()
        app = App(
            app_id=APP_ID,
            customer_key=KEY,
            customer_secret=SECRET,
            certificates=(CERTIFICATE,),
        )
        stage.farm = Farm(control=stage.farm.control, changes={"apps": (app,)})
        stage.beside["token"] = token

    return arrange


def _limited(stage: Stage) -> None:
    stage.farm = Farm(control=Faulty(), options={"requests_per_second": 1})
    for _ in range(3):
        stage.farm.call("POST", "/acquire", {})


SITUATIONS: Final[dict[str, Callable[[Stage], None]]] = {
    "running": Stage.run,
    "a mix": lambda stage: stage.run_as("mix"),
    "an individual recording": lambda stage: stage.run_as("individual"),
    "joining": lambda stage: stage.put(State.JOINING),
    "recording": lambda stage: stage.put(State.RECORDING, joined=True),
    "recording with a file": lambda stage: stage.put(State.RECORDING, files=(FILE,)),
    "stopping": lambda stage: stage.put(State.STOPPING),
    "delivering": lambda stage: stage.put(State.DELIVERING),
    "ended": lambda stage: stage.put(State.ENDED),
    "failed": lambda stage: stage.put(State.FAILED),
    "failover": lambda stage: stage.put(State.RECORDING, orphan=True),
    "nobody published": _silence,
    "uploads take long": _stop_takes_long,
    "another ticket of the same uid": _again,
    "a ticket of web pages": lambda stage: stage.foreign(stage.farm.acquire(scene=1)),
    "a ticket of postponed transcoding": lambda stage: stage.foreign(stage.farm.acquire(scene=2)),
    "a ticket of 5 min": lambda stage: stage.later(300),
    "a ticket older than 5 min": lambda stage: stage.later(300.000001),
    "a ticket of the last hour": _hours,
    "3599.999 s later": lambda stage: stage.later(3599.999),
    "3600 s later": lambda stage: stage.later(3600),
    "a ticket that nobody issued": lambda stage: stage.foreign("nonsense"),
    "a ticket of another app": _other_app,
    "a ticket of another uid": lambda stage: stage.foreign(stage.farm.acquire(uid="900002")),
    "a ticket of another channel": lambda stage: stage.foreign(stage.farm.acquire(cname="x")),
    "a sid of another ticket": lambda stage: stage.foreign(stage.farm.acquire()),
    "an unknown sid": lambda stage: setattr(stage, "sid", "0" * 32),
    "no sid": lambda stage: setattr(stage, "sid", "F" * 32),
    "no recorder": lambda stage: stage.fail(NoCapacity("no slot")),
    "quota used up": lambda stage: stage.fail(QuotaExceeded("enough")),
    "redis away": lambda stage: stage.fail(StoreUnavailable("redis did not answer")),
    "redis silent": lambda stage: stage.fail(StoreTimeout("redis did not answer in time")),
    "a bug": lambda stage: stage.fail(ZeroDivisionError()),
    "bucket refuses": lambda stage: setattr(
        stage.farm.control, "storage_error", StorageRefused("the bucket refused the keys")
    ),
    "app suspended": _suspended,
    "too many requests": _limited,
    "temporary keys": _temporary_keys,
    "a certificate": _certified(""),
    "a token of an hour": _certified(_token()),
    "an expired token": _certified(_token(lasts_s=60)),
    "a token of another uid": _certified(_token(uid="7")),
    "a token of another channel": _certified(_token(cname="elsewhere")),
    "a token that may not join": _certified(_token(right=2)),
    "a token that is none": _certified("nonsense"),
    "no credentials": lambda stage: setattr(stage, "auth", None),
    "wrong secret": lambda stage: setattr(stage, "auth", (KEY, "wrong")),
    "credentials of another": lambda stage: setattr(stage, "auth", ("other-key", "other-secret")),
    "an unknown app": lambda stage: setattr(stage, "app_id", "nosuchapp"),
    "wrong method": lambda stage: setattr(stage, "method", "PUT"),
    "wrong path": lambda stage: setattr(stage, "suffix", "s"),
    "sound alone": lambda stage: stage.beside.update(recordingConfig={"streamTypes": 0}),
    "screenshots": lambda stage: stage.beside.update(snapshotConfig={"fileType": ["jpg"]}),
    "not JSON": lambda stage: setattr(stage, "raw", b"{"),
    "a list": lambda stage: setattr(stage, "raw", b"[]"),
    "no content type": lambda stage: setattr(stage, "content_type", None),
}
_HEADER: Final = "content type "
_SCHEME: Final = "scheme "


def arrange(stage: Stage, given: str) -> None:
    """Bring about everything that a row is given."""
    for each in filter(None, given.split(" + ")):
        if each.startswith(_HEADER):
            stage.content_type = each.removeprefix(_HEADER)
        elif each.startswith(_SCHEME):
            pair = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
            stage.auth = None
            stage.headers["Authorization"] = f"{each.removeprefix(_SCHEME)} {pair}"
        else:
            SITUATIONS[each](stage)
