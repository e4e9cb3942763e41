"""All examples of the reference played on one farm: what calls lead to each documented answer."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.e2e.agora_life import BOTH, HLS, SMALL, SNAPSHOTS
from tests.e2e.agora_replay import (
    APP_ID,
    CNAME,
    EXAMPLES,
    KEY,
    SECRET,
    SID,
    STORAGE,
    UID,
    Answer,
    Replay,
    credentials,
    has_errors,
    mode_of,
    named,
)
from tests.e2e.agora_stage import SLOTS, SLOW, SUSPENDED, Stage
from tests.e2e.agora_stage import SMALL as SMALL_APP
from tests.e2e.gate import Gate

OTHER_ROOM = "demo-room-8"
_MEDIA_S = 2.5
_WITHIN_S = 120.0
_WRONG = {"recordingConfig": 1, "streamSubscribe": 1, "mixedVideoLayout": 9, "async_stop": "maybe"}
_LIVES = (  # start, changes, stop: one after the other, as they have the same recorder
    ("start-individual-default", ["update-individual-subscription"], "stop-individual"),
    ("start-individual-snapshot-only", [], "stop-individual-snapshot"),
    ("start-mix-minimal", ["update-mix-subscription", *named("updateLayout")], "stop-mix-hls"),
    ("start-mix-s3-sts", ["update-mix-sts-refresh"], "stop-mix-async"),
)
_APART = {"recordingConfig": {"channelType": 0, "streamTypes": 2}}
_MIX = {"recordingConfig": {"channelType": 0, "transcodingConfig": SMALL}}
_FILM = {**_MIX, "recordingFileConfig": BOTH}
_STANDARD = {"recordingConfig": {"streamTypes": 2, "streamMode": "standard"}}
_LONG = {  # query: mode and request of the recording that it asks about
    "query-individual": ("individual", _APART),
    "query-individual-snapshot": (
        "individual",
        {**_APART, "recordingFileConfig": HLS, "snapshotConfig": SNAPSHOTS},
    ),
    "query-mix-hls": ("mix", _MIX),
    "query-mix-hls-mp4": ("mix", _FILM),
}
_OF_NAMES = (  # mode, request and channel of recordings that are made for their files' names
    ("individual", _STANDARD, CNAME),
    ("individual", _STANDARD, OTHER_ROOM),
    ("raw", _FILM | _APART, CNAME),
    ("raw", {**_APART, "snapshotConfig": SNAPSHOTS}, OTHER_ROOM),
)


@dataclass(frozen=True, slots=True)
class Run:
    """A recording."""

    resource_id: str
    sid: str
    mode: str
    uid: str = UID
    cname: str = CNAME


class Show:
    """Plays them, and notes on the stage what was answered."""

    def __init__(self, stage: Stage, refused: Mapping[str, str]) -> None:
        """``refused``: examples of what the farm does not do."""
        self._stage, self._refused = stage, refused

    def tickets(self) -> None:
        """acquire in all its kinds."""
        replay, note = self._stage.replay, self._stage.note
        for name in named("acquire"):
            answer = replay.send(name)
            note(name, answer, answer[1].get("resourceId", ""))
        for change, app_id in (
            ({"clientRequest": {"resourceExpiredHour": 721}}, APP_ID),
            ({"cname": "a/b"}, APP_ID),
            ({}, SUSPENDED),
        ):
            note("acquire-rtc", replay.call("acquire", _outer() | change, app_id))

    def gateway(self) -> None:
        """Who is not let in."""
        ask, name = self._stage.replay.ask, "errors-gateway"
        path = f"/v1/apps/{APP_ID}/cloud_recording/acquire"
        good, wrong = credentials(KEY, SECRET), credentials(KEY, "wrong")
        slow = [ask("POST", path.replace(APP_ID, SLOW), _outer(), good) for _ in range(3)]
        for answer in (
            ask("POST", path, _outer(), {"Content-Type": "application/json"}),
            ask("POST", path, _outer(), wrong),
            ask("POST", path.replace(APP_ID, "f" * 32), _outer(), good),
            ask("PUT", path, _outer(), good),
            next(answer for answer in slow if answer[0] != 200),
        ):
            self._stage.note(name, answer)
        self._stage.note("ncs-ip", self._stage.replay.send("ncs-ip"))

    def starts(self) -> None:
        """Every start while nobody is in the channel, what contradicts it, and its end."""
        for name in named("start"):
            if name in self._refused:
                resource_id = self._acquire()
                self._stage.note(name, self._stage.replay.send(name, resource_id))
                continue
            run = self._start(name)
            if has_errors(name):
                self._send(name, run)
                self._send(name, Run(self._acquire(), "", run.mode))
                self._stage.note(name, self._spoiled(name, Run(self._acquire(), "", run.mode)))
            if name == "start-individual-default":
                self._wait(run, "query-individual-before-first-slice", 4)
                self._send("query-individual-before-first-slice", run)
            stop = {"individual": "stop-individual", "mix": "stop-mix-hls"}.get(run.mode)
            status, body = self._send(stop, run) if stop else self._end(run)
            assert status == 206, (name, status, body)
        for name in self._refused:
            if not name.startswith("start"):
                self._send(name, run)

    def lives(self) -> None:
        """Recordings of somebody, with changes, to their end."""
        for start, changes, stop in _LIVES:
            run = self._start(start)
            if stop == "stop-mix-async":
                self._wait(run, "query-mix-hls", 5)  # it names a file that is there
            else:
                time.sleep(_MEDIA_S)
            for name in changes:
                self._send(name, run)
            for name in filter(has_errors, [stop, *changes]):
                self._stage.note(name, self._spoiled(name, run))
            self._send(stop, run)
            if stop == "stop-mix-async":
                again = self._stage.replay.send(stop, run.resource_id, run.sid)
                for name in ("stop-individual", "stop-mix-hls", "errors-with-server-response"):
                    self._stage.note(name, again, run.resource_id, run.sid)
            query = "query-individual" if run.mode == "individual" else "query-mix-hls"
            self._wait_until_gone(run, query)
            for name in filter(has_errors, [stop, query, *changes]):
                gone = self._send(name, run)
            self._stage.note("errors-with-server-response", gone, run.resource_id, run.sid)
        film = self._start_own(UID, "mix", _FILM)
        time.sleep(_MEDIA_S)
        self._send("stop-mix-hls-mp4", film)

    def long_lives(self) -> None:
        """Recordings that are seen with their first files; recorders of our own, at once."""
        runs = {
            name: self._start_own(str(910 + number), mode, request)
            for number, (name, (mode, request)) in enumerate(_LONG.items())
        }
        others = [
            self._start_own(str(920 + number), mode, request, cname)
            for number, (mode, request, cname) in enumerate(_OF_NAMES)
        ]
        for name, run in runs.items():
            body = self._wait(run, name, 5)
            assert body["uid"] == run.uid
            self._stage.note(name, (200, body | {"uid": UID}), run.resource_id, run.sid)
            if has_errors(name):
                self._stage.note(name, self._spoiled(name, run))
        with ThreadPoolExecutor() as pool:
            ends = [*pool.map(self._end, (*runs.values(), *others))]
        assert [status for status, _ in ends] == [200] * len(ends), ends

    def lost_redis(self, replay: Replay, gate: Gate) -> None:
        """Each call while Redis is away, through an API process of its own."""
        ids, ways = (self._acquire(), SID), (gate.hear_no_more, gate.shut)
        for name in [name for name in EXAMPLES if has_errors(name) and name not in self._refused]:
            for close_gate in ways:
                gate.open()
                _until_there(replay, *ids)
                close_gate()
                self._stage.note(name, replay.send(name, *ids), *ids)
        self._stage.note("acquire-rtc", replay.send("acquire-rtc"))

    def full_farm(self) -> None:
        """Every slot is taken; before that, all that an app may have."""
        note, call = self._stage.note, self._stage.replay.call
        runs = [self._start_own("940", "mix", _MIX, OTHER_ROOM, SMALL_APP)]
        note("acquire-rtc", call("acquire", _outer(), SMALL_APP))
        names = [name for name in named("start") if has_errors(name) and name not in self._refused]
        spare = [self._acquire() for _ in names]
        runs += [
            self._start_own(str(940 + number), "mix", _MIX, OTHER_ROOM)
            for number in range(1, SLOTS)
        ]
        for name, resource_id in zip(names, spare, strict=True):
            note(name, self._stage.replay.send(name, resource_id))
        note("acquire-rtc", self._stage.replay.send("acquire-rtc"))
        for number, run in enumerate(runs):
            self._end(run, SMALL_APP if number == 0 else APP_ID, wait=False)

    def _acquire(self, uid: str = UID, cname: str = CNAME, app_id: str = APP_ID) -> str:
        status, body = self._stage.replay.call("acquire", _outer(uid, cname), app_id)
        assert status == 200, body
        return str(body["resourceId"])

    def _start(self, name: str) -> Run:
        """As in an example."""
        resource_id = self._acquire()
        status, body = self._stage.replay.send(name, resource_id)
        assert status == 200, (name, body)
        self._stage.note(name, (status, body), resource_id, body["sid"])
        return Run(resource_id, body["sid"], mode_of(name))

    def _start_own(
        self,
        uid: str,
        mode: str,
        request: Mapping[str, Any],
        cname: str = CNAME,
        app_id: str = APP_ID,
    ) -> Run:
        resource_id = self._acquire(uid, cname, app_id)
        body = _outer(uid, cname) | {"clientRequest": {"storageConfig": STORAGE, **request}}
        path = f"resourceid/{resource_id}/mode/{mode}/start"
        status, body = self._stage.replay.call(path, body, app_id)
        assert status == 200, body
        return Run(resource_id, body["sid"], mode, uid, cname)

    def _end(self, run: Run, app_id: str = APP_ID, *, wait: bool = True) -> Answer:
        path = f"resourceid/{run.resource_id}/sid/{run.sid}/mode/{run.mode}/stop"
        body = _outer(run.uid, run.cname) | {"clientRequest": {"async_stop": not wait}}
        return self._stage.replay.call(path, body, app_id)

    def _send(self, name: str, run: Run) -> Answer:
        """An example's request about a recording; what is answered is noted."""
        answer = self._stage.replay.send(name, run.resource_id, run.sid)
        return self._stage.note(name, answer, run.resource_id, run.sid)

    def _spoiled(self, name: str, run: Run) -> Answer:
        """An example's request with something that cannot be right."""
        replay, request = self._stage.replay, EXAMPLES[name]["request"]
        if "body" in request:
            body = request["body"] | {"clientRequest": _WRONG}
            return replay.send(name, run.resource_id, run.sid, body=body)
        return replay.send(name, run.resource_id, "no-sid")

    def _wait(self, run: Run, query: str, status: int) -> dict[str, Any]:
        """Until it has this status, and as many files as in the example."""
        deadline_s = time.monotonic() + _WITHIN_S
        listed = len(EXAMPLES[query]["responses"][0]["body"]["serverResponse"].get("fileList", ""))
        while True:
            _, body = self._stage.replay.send(query, run.resource_id, run.sid)
            server = body["serverResponse"]
            files = server.get("fileList", "")
            if server["status"] == status and (isinstance(files, str) or len(files) >= listed):
                return body
            assert time.monotonic() < deadline_s, body
            time.sleep(0.1)

    def _wait_until_gone(self, run: Run, query: str) -> None:
        deadline_s = time.monotonic() + _WITHIN_S
        while self._stage.replay.send(query, run.resource_id, run.sid)[0] != 404:
            assert time.monotonic() < deadline_s
            time.sleep(0.1)


def _outer(uid: str = UID, cname: str = CNAME) -> dict[str, Any]:
    return {"cname": cname, "uid": uid, "clientRequest": {}}


def _until_there(replay: Replay, resource_id: str, sid: str) -> None:
    """Until Redis is heard: nothing is known of what is asked about."""
    deadline_s = time.monotonic() + _WITHIN_S
    while replay.send("query-mix-hls", resource_id, sid)[0] != 404:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
