"""A whole farm whose channel is a real Janus, and publishers that come and go."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.e2e.farm import Farm, Publisher, farm
from tests.janus import Janus, start_janus
from tests.receiver import Receiver, listening

_UPLOADED = 31  # event type
_TOLD_S = 90.0


@dataclass(frozen=True, slots=True)
class JanusFarm:
    """The media server, the farm, and the customer's receiver of events."""

    janus: Janus
    farm: Farm
    receiver: Receiver
    pin: str | None

    def notices(self, sid: str) -> list[dict[str, Any]]:
        """What the customer was told of a recording, in order of arrival."""
        told = [json.loads(raw) for _, raw in tuple(self.receiver.got)]
        return [notice for notice in told if notice["sid"] == sid]

    def told(self, sid: str, event: int) -> dict[str, Any]:
        """The details of the first notice of a type, when it is there."""
        deadline = time.monotonic() + _TOLD_S
        while True:
            for notice in self.notices(sid):
                if notice["eventType"] == event:
                    details: dict[str, Any] = notice["payload"]["details"]
                    return details
            assert time.monotonic() < deadline, f"no event {event}: {self.notices(sid)}"
            time.sleep(0.05)

    def uploaded(self, sid: str) -> list[str]:
        """The playlists of a recording, when all that they name is in the bucket."""
        return [row["fileName"] for row in self.told(sid, _UPLOADED)["fileList"]]


@contextmanager
def janus_farm(
    folder: Path, need: Callable[[str], str], *, pin: str | None = None
) -> Iterator[JanusFarm]:
    """Both of them, with text as ids; the farm's channel URL holds the PIN of all rooms."""
    need("redis-server")
    need("janus")
    with start_janus(folder, string_ids=True) as janus, listening() as receiver:
        callback = f"http://127.0.0.1:{receiver.server_address[1]}/"
        url = f"{janus.url}?{urlencode({'pin': pin})}" if pin else janus.url
        options = ("--channel", url, "--callback-url", callback)
        with farm(folder / "data", *options) as running:
            yield JanusFarm(janus, running, receiver, pin)


@dataclass
class Stage:
    """Pattern publishers of one room, and when they came and went (Unix times)."""

    url: str
    cname: str
    ready_s: dict[str, list[float]] = field(default_factory=dict)
    left_s: dict[str, list[float]] = field(default_factory=dict)
    _there: dict[str, Publisher] = field(default_factory=dict)

    def enter(self, uid: str, *options: str) -> None:
        """Until it sends."""
        publisher = Publisher(self.url, self.cname, uid, "--pattern", *options)
        self._there[uid] = publisher
        publisher.wait_ready()
        self.ready_s.setdefault(uid, []).append(time.time())

    def exit(self, uid: str) -> None:
        """Leaves as it should; harmless for one whose connection was lost."""
        self.left_s.setdefault(uid, []).append(time.time())
        self._there.pop(uid).leave()

    def clear(self) -> None:
        """Nobody is there any more."""
        for uid in tuple(self._there):
            self.exit(uid)


@contextmanager
def stage(world: JanusFarm, cname: str) -> Iterator[Stage]:
    """A room of a test's own; whoever is in it at the end leaves."""
    world.janus.create_room(cname, pin=world.pin)
    made = Stage(world.farm.facts["channel"], cname)
    try:
        yield made
    finally:
        made.clear()
