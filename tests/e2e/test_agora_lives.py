"""Recordings of every mode driven through REST in any order, and held against the reference."""

import itertools
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.e2e import agora_model, notices
from tests.e2e.agora_life import BOTH, HLS, SMALL, SNAPSHOTS, Life, queried_each_second
from tests.e2e.agora_model import End, Kind
from tests.e2e.farm import Farm, Publisher, farm
from tests.e2e.notices import Notice
from tests.receiver import Receiver, listening

pytestmark = [pytest.mark.e2e, pytest.mark.server, pytest.mark.timeout(400)]

CNAME, DESERTED = "lives", "deserted"
SPEAKER, GUEST = "101", "102"
ORDERS = 2  # of the calls
EVERYBODY = {"subscribeAudioUids": ["#allstream#"]}
LISTS = (
    {"audioUidList": EVERYBODY},
    {"audioUidList": {"unSubscribeAudioUids": [GUEST]}},
    {"audioUidList": EVERYBODY, "videoUidList": {"unSubscribeVideoUids": [GUEST]}},
)
CALLS = [  # of an example, in the order of its first one
    *(("update", lists) for lists in LISTS),
    *(("update_layout", layout) for layout in range(3)),
    ("guest",),
    *([("start_again",)] * 4),
    *([("start_beside",)] * 4),
    *([("wait", 1.5)] * 4),
    ("guest",),
    *(("stop", wait) for wait in (True, False) * 3),
    *(("update", lists) for lists in LISTS),
]
MIX, APART = "mix", "individual"
KINDS = {  # name -> what it is, its recordingConfig, what else its clientRequest has
    "apart": (Kind(APART, "json"), {"streamTypes": 2}, {"recordingFileConfig": HLS}),
    "untouched": (Kind(APART, "json"), {"streamTypes": 0, "streamMode": "original"}, {}),
    "pictures too": (
        Kind(APART, None),
        {"streamTypes": 2},
        {"recordingFileConfig": HLS, "snapshotConfig": SNAPSHOTS},
    ),
    "pictures": (
        Kind(APART, None, scene="rtc_snapshot"),
        {"streamTypes": 1},
        {"snapshotConfig": SNAPSHOTS},
    ),
    "mix": (Kind(MIX, "string"), {"transcodingConfig": SMALL}, {}),
    "film": (
        Kind(MIX, "json", mp4=True),
        {"transcodingConfig": SMALL},
        {"recordingFileConfig": BOTH},
    ),
    "raw": (
        Kind("raw", "json", mp4=True, scene="rtsc/raw-recording"),
        {"streamTypes": 2},
        {"recordingFileConfig": BOTH},
    ),
    "nobody": (Kind(MIX, "string"), {"transcodingConfig": SMALL, "maxIdleTime": 5}, {}),
}
UIDS = itertools.count(900)  # an example never meets what is left of another


class World:
    """A farm, who hears of it, and who speaks in its channel."""

    def __init__(self, running: Farm, receiver: Receiver) -> None:
        self.farm, self._receiver = running, receiver
        self._heard = 0
        self._told: dict[str, list[Notice]] = defaultdict(list)

    def told(self, sid: str) -> list[Notice]:
        """All notices of a recording, as they arrived, each with good signatures."""
        secret = self.farm.facts["callback_secret"]
        got = self._receiver.got
        while self._heard < len(got):
            notice = notices.opened(*got[self._heard], secret)
            self._told[notice["sid"]].append(notice)
            self._heard += 1
        return notices.unique(self._told[sid])

    def stories(self, sids: list[str]) -> dict[str, list[Notice]]:
        """The same of recordings that are over, when nothing more is to come."""
        deadline_s = time.monotonic() + 30
        while True:
            before = {sid: len(self.told(sid)) for sid in sids}
            time.sleep(0.5)
            told = {sid: self.told(sid) for sid in sids}
            ended = all(11 in [row["eventType"] for row in rows] for rows in told.values())
            if ended and before == {sid: len(rows) for sid, rows in told.items()}:
                return told
            assert time.monotonic() < deadline_s, before


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Iterator[World]:
    need("redis-server")
    with listening() as receiver:
        url = f"http://127.0.0.1:{receiver.server_address[1]}/hook"
        data = tmp_path_factory.mktemp("lives") / "data"
        with (
            farm(data, "--callback-url", url) as running,
            running.publisher(CNAME, SPEAKER, "--pattern", "--size", "160", "120"),
        ):
            yield World(running, receiver)


class Lives(RuleBasedStateMachine):
    """A recording of each kind at the same time, and what is done with them.

    Nothing is drawn but how many calls are made: answers depend on the time they take, and the same
    draws would not lead to the same life twice.
    """

    world: World
    order: int

    def __init__(self) -> None:
        super().__init__()
        self.lives: dict[str, Life] = {}
        self.left: list[tuple[Any, ...]] = []
        self.turns: Iterator[str] = iter(())
        self.guest: Publisher | None = None
        self.open = ExitStack()

    @initialize()
    def begin(self) -> None:
        chance = random.Random(self.order)
        self.left = chance.sample(CALLS, len(CALLS)) if self.order else list(CALLS)
        self.turns = itertools.cycle(chance.sample(sorted(KINDS), len(KINDS)))
        asked: list[Life] = []
        self.open.enter_context(queried_each_second(asked))
        for name, (kind, config, more) in KINDS.items():
            request = {
                "recordingConfig": {"channelType": 0, "maxIdleTime": 300} | config,
                "storageConfig": self.world.farm.storage("lives", kind.mode),
            }
            cname = DESERTED if name == "nobody" else CNAME
            life = Life(self.world.farm.agora, kind, cname, str(next(UIDS)), request | more)
            life.start()
            self.lives[name] = life
            asked.append(life)

    @rule()
    def call(self) -> None:
        """The next of what is to be done, with the next recording."""
        if not self.left:
            return
        action, *more = self.left.pop(0)
        if action == "wait":
            time.sleep(*more)
        elif action == "guest":
            self.the_guest_comes_or_goes()
        else:
            getattr(self, action)(self.lives[next(self.turns)], *more)

    def the_guest_comes_or_goes(self) -> None:
        if self.guest is not None:
            self.guest.leave()
            self.guest = None
            return
        channel = self.world.farm.facts["channel"]
        self.guest = Publisher(channel, CNAME, GUEST, "--pattern", "--video", "none")
        self.guest.wait_ready()

    def start_again(self, life: Life) -> None:
        runs = is_on_air(life)
        life.misfits += 1
        status, body = life.start_again()
        if runs and is_on_air(life):
            assert (status, body) == (201, {"code": 7, "reason": "already started"})
        elif not runs:
            assert status in {201, 400}, body

    def start_beside(self, life: Life) -> None:
        if not is_on_air(life):
            return
        life.misfits += 1
        status, body = life.start_beside()
        if is_on_air(life):
            assert (status, body) == (400, {"code": 53, "reason": "task conflict"})

    def update(self, life: Life, lists: dict[str, Any]) -> None:
        media = life.request["recordingConfig"].get("streamTypes", 2)
        hears, sees = media != 1, media != 0
        fits = ("audioUidList" not in lists or hears) and ("videoUidList" not in lists or sees)
        expect_answer(life, life.update({"streamSubscribe": lists}), fits=fits)

    def update_layout(self, life: Life, layout: int) -> None:
        answer = life.update_layout({"mixedVideoLayout": layout})
        expect_answer(life, answer, fits=life.kind.mixed)

    def stop(self, life: Life, wait: bool) -> None:  # a row of CALLS
        if life.running:
            expect_end(life, wait=wait)
        life.misfits += 1
        status, body = life.stop(wait=wait)
        assert (status, body["code"]) in {(400, 49), (404, 404)}, body

    @invariant()
    def every_answer_was_in_its_place(self) -> None:
        for name, life in self.lives.items():
            agora_model.check_queries(life.kind, life.seen, ended_times(name, life))

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # nothing is wrong yet
                self.see_to_the_end()
        finally:
            self.open.close()
            if self.guest is not None:
                self.guest.leave()

    def see_to_the_end(self) -> None:
        while self.left:  # an example may end early
            self.call()
            self.every_answer_was_in_its_place()
        with ThreadPoolExecutor(len(self.lives)) as pool:
            list(pool.map(finish, self.lives, self.lives.values()))
        self.open.close()
        self.every_answer_was_in_its_place()
        told = self.world.stories([life.sid for life in self.lives.values()])
        for name, life in self.lives.items():
            gone = life.stopped is None or life.stopped[0] in {400, 404}  # before it was stopped
            end = End(name == "nobody" and gone, life.heard, life.ends, life.misfits)
            agora_model.check_story(life.kind, told[life.sid], end)


def finish(name: str, life: Life) -> None:
    """See its first file, unless it was stopped before; then its end."""
    if life.running and name != "nobody":
        life.wait_for(200, status=5)
        expect_end(life, wait=True)
    life.wait_for(404)


def is_on_air(life: Life) -> bool:
    """Nobody stopped it, and it did not end by itself."""
    return life.running and life.query().code == 200


def expect_answer(life: Life, answer: tuple[int, dict[str, Any]], *, fits: bool) -> None:
    """An update that is done, refused for what it asks, or comes too late."""
    status, body = answer
    if status == 404:
        assert not is_on_air(life)
    elif fits:
        assert (status, set(body)) == (200, {"cname", "uid", "resourceId", "sid"}), body
    else:
        assert (status, body["code"]) == (400, 2)


def ended_times(name: str, life: Life) -> tuple[float, float] | None:
    """When it was stopped, or from when on it may have been gone by itself."""
    if name != "nobody" or not life.seen:
        return life.stop_times
    alone_s = life.seen[0].asked_s + 4
    if life.stop_times is None:
        return alone_s, float("inf")
    return min(alone_s, life.stop_times[0]), life.stop_times[1]


def expect_end(life: Life, *, wait: bool) -> None:
    """The first stop of a recording."""
    status, body = life.stop(wait=wait)
    if status == 200:
        server = body["serverResponse"]
        expected = {"uploadingStatus"}
        if life.kind.list_mode is not None:
            expected |= {"fileListMode", "fileList"}
            assert server["fileListMode"] == life.kind.list_mode
            listed = agora_model.files(server)
            agora_model.check_grows(life.kind, life.listed(), listed)
            agora_model.check_names(life.kind, life.sid, life.cname, listed)
            assert listed or not wait
        assert set(server) == expected
        assert server["uploadingStatus"] == ("uploaded" if wait else "unknown")
    else:  # nobody was heard yet, or it has gone by itself
        assert (status, body["code"]) in {(206, 435), (404, 404), (400, 49)}, body


@pytest.mark.parametrize("order", range(ORDERS))
def test_any_order_of_calls_is_answered_as_the_reference_says(world: World, order: int) -> None:
    run_state_machine_as_test(
        type("LivesHere", (Lives,), {"world": world, "order": order}),
        settings=settings(
            max_examples=1,
            stateful_step_count=len(CALLS) + 1,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
