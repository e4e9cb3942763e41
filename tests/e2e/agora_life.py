"""Recordings driven through REST alone, queried each second while other calls are made."""

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from api.agora.client import AgoraClient
from tests.e2e.agora_model import Kind, Seen, files

Answer = tuple[int, dict[str, Any]]
_QUERY_EVERY_S = 1.0
HLS = {"avFileType": ["hls"]}
BOTH = {"avFileType": ["hls", "mp4"]}
SNAPSHOTS = {"captureInterval": 2, "fileType": ["jpg"]}
SMALL = {"width": 160, "height": 120, "fps": 7, "bitrate": 65, "mixedVideoLayout": 1}


@dataclass
class Life:
    """One recording, from its start on."""

    agora: AgoraClient
    kind: Kind
    cname: str
    uid: str
    request: Mapping[str, Any]  # clientRequest of start
    resource_id: str = ""
    sid: str = ""
    seen: list[Seen] = field(default_factory=list)
    stop_asked_s: float = 0.0  # of the call that ended it; 0: there was none
    stop_answered_s: float = 0.0
    stopped: Answer | None = None
    misfits: int = 0  # calls that did not fit its state
    _at_once: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Acquire and start."""
        self.resource_id = self.agora.acquire(self.cname, self.uid)
        status, body = self.start_with(self.resource_id)
        assert (status, set(body)) == (200, {"cname", "uid", "resourceId", "sid"}), body
        self.sid = body["sid"]

    def start_with(self, resource_id: str) -> Answer:
        """Start with a resource ID."""
        path = f"resourceid/{resource_id}/mode/{self.kind.mode}/start"
        return self.agora.call(path, self._body(self.request))

    def start_again(self) -> Answer:
        """With the resource ID that it was started with."""
        return self.start_with(self.resource_id)

    def start_beside(self) -> Answer:
        """The same channel and uid, with a resource ID of its own."""
        return self.start_with(self.agora.acquire(self.cname, self.uid))

    def query(self) -> Seen:
        """Ask how it stands; what is answered is kept."""
        with self._at_once:
            asked_s = time.time()
            status, body = self.agora.call(f"{self._path}/query", None)
            seen = Seen(asked_s, time.time(), status, body)
            self.seen.append(seen)
            return seen

    def update(self, request: Mapping[str, Any]) -> Answer:
        """Change whom it records."""
        return self.agora.call(f"{self._path}/update", self._body(request))

    def update_layout(self, request: Mapping[str, Any]) -> Answer:
        """Change how it looks."""
        return self.agora.call(f"{self._path}/updateLayout", self._body(request))

    def stop(self, *, wait: bool = True) -> Answer:
        """End it."""
        asked_s = time.time()
        first = not self.stop_asked_s
        if first:
            self.stop_asked_s = asked_s
        answer = self.agora.call(f"{self._path}/stop", self._body({"async_stop": not wait}))
        if first:
            self.stop_answered_s, self.stopped = time.time(), answer
        return answer

    @property
    def running(self) -> bool:
        """Nobody asked it to stop."""
        return not self.stop_asked_s

    @property
    def stop_times(self) -> tuple[float, float] | None:
        """When its stop was asked for and answered."""
        return None if self.running else (self.stop_asked_s, self.stop_answered_s)

    def listed(self) -> list[Any]:
        """The longest list it was seen with."""
        lists = [files(one.server) for one in self.seen if one.code == 200]
        if self.stopped is not None and self.stopped[0] == 200:
            lists.append(files(self.stopped[1]["serverResponse"]))
        return max(lists, key=len, default=[])

    @property
    def heard(self) -> bool:
        """Somebody was: its media has a beginning."""
        starts = [one.server["sliceStartTime"] for one in self.seen if one.code == 200]
        return any(starts)

    @property
    def ends(self) -> tuple[Any, ...] | None:
        """All its files, if it was answered with them."""
        if self.stopped is None or self.stopped[0] != 200:
            return None
        server = self.stopped[1]["serverResponse"]
        if "fileList" not in server or server["uploadingStatus"] != "uploaded":
            return None
        return tuple(files(server))

    def wait_for(self, code: int, *, status: int | None = None, within_s: float = 60.0) -> Seen:
        """Until a query is answered so."""
        deadline_s = time.monotonic() + within_s
        while True:
            seen = self.query()
            if seen.code == code and (status is None or seen.server["status"] == status):
                return seen
            assert time.monotonic() < deadline_s, f"{seen.code} {seen.body}, not {code} {status}"
            time.sleep(0.2)

    @property
    def _path(self) -> str:
        return f"resourceid/{self.resource_id}/sid/{self.sid}/mode/{self.kind.mode}"

    def _body(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"cname": self.cname, "uid": self.uid, "clientRequest": dict(request)}


@contextmanager
def queried_each_second(lives: list[Life]) -> Iterator[None]:
    """All of them, also those that join the list later.  Raises what a query raised, at the end."""
    done = threading.Event()

    def ask() -> None:
        while not done.wait(_QUERY_EVERY_S):
            for life in list(lives):
                life.query()

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            yield
        finally:
            done.set()
        asking.result()
