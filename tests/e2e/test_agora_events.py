"""Every event that can occur is made to occur, and its callback held against the reference."""

import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from api.agora.client import AgoraClient
from tests.api.token_builder import Token007, rtc
from tests.e2e import notices
from tests.e2e.agora_life import HLS, SMALL, SNAPSHOTS, Life
from tests.e2e.agora_model import Kind, Seen
from tests.e2e.agora_replay import EXAMPLES
from tests.e2e.farm import COMMAND, Farm, Publisher, farm
from tests.e2e.gate import UNAVAILABLE, Gate
from tests.e2e.notices import Notice
from tests.receiver import Receiver, listening
from workers.embedded.probe import http_ok

pytestmark = [pytest.mark.e2e, pytest.mark.server, pytest.mark.timeout(400)]

CNAME, DESERTED, FORBIDDEN = "events", "deserted", "forbidden"
APP_ID, KEY, SECRET, HOOK_SECRET = "guarded-app", "events-key", "events-secret", "hook-of-it"
CERTIFICATE = "0123456789abcdef0123456789abcdef"
TOKEN_S, IDLE_S, STOP_WAIT_S = 8, 5, 4
DENIED = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: 99\r\n\r\n"
    + b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>".ljust(99)
)
NOT_LET_IN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
MIX = Kind("mix", "string")
APART = Kind("individual", "json")
PICTURES = Kind("individual", None)
GUARDED = f"""
[[apps]]
app_id = "{APP_ID}"
customer_key = "{KEY}"
customer_secret = "{SECRET}"
certificates = ["{CERTIFICATE}"]
callback_url = "URL"
callback_secret = "{HOOK_SECRET}"
"""


@dataclass
class Story:
    """What was done on one farm, and what was told of it."""

    farm: Farm
    guarded: AgoraClient
    receiver: Receiver
    room_gate: Gate
    buckets: dict[str, Gate]  # by the code of the error that they provoke
    publisher: Publisher
    lives: dict[str, Life] = field(default_factory=dict)
    around_failover: list[Seen] = field(default_factory=list)

    def start(self, name: str, kind: Kind, cname: str = CNAME, **request: Any) -> Life:
        """A recording, which callbacks are known by."""
        agora = self.guarded if name == "token" else self.farm.agora
        uid = str(900 + len(self.lives))
        config = {"maxIdleTime": 300} | request.pop("recordingConfig", {})
        storage = self.farm.storage(name)
        if name in self.buckets:
            endpoint = f"http://127.0.0.1:{self.buckets[name].port}"
            storage["extensionParams"] = {"endpoint": endpoint}
        asked = {"recordingConfig": config, "storageConfig": storage} | request
        life = Life(agora, kind, cname, uid, asked)
        self.lives[name] = life
        life.start()
        return life

    def told(self, name: str) -> list[Notice]:
        """Of one recording, in order; each has the signatures of its own app."""
        secret = HOOK_SECRET if name == "token" else self.farm.facts["callback_secret"]
        sid = self.lives[name].sid
        mine = [(headers, raw) for headers, raw in self.receiver.got if sid.encode() in raw]
        return notices.unique(notices.opened(headers, raw, secret) for headers, raw in mine)

    def details(self, name: str, event: int) -> list[dict[str, Any]]:
        """Of all its events of a type."""
        return [
            notice["payload"]["details"]
            for notice in self.told(name)
            if notice["eventType"] == event
        ]

    def wait_until_told(self, name: str, event: int, within_s: float = 60.0) -> None:
        deadline_s = time.monotonic() + within_s
        while not self.details(name, event):
            assert time.monotonic() < deadline_s, f"{name}: no event {event}: {self.told(name)}"
            time.sleep(0.1)


@contextmanager
def room(port: int) -> Iterator[None]:
    process = subprocess.Popen([*COMMAND, "room", "--port", str(port)], stderr=subprocess.DEVNULL)
    try:
        while http_ok(f"http://127.0.0.1:{port}/"):
            assert process.poll() is None
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def story(
    tmp_path_factory: pytest.TempPathFactory,
    need: Callable[[str], str],
    free_port: Callable[[], int],
) -> Iterator[Story]:
    need("redis-server")
    folder = tmp_path_factory.mktemp("events")
    with ExitStack() as there:
        told = there.enter_context(begin(there, folder, free_port()))
        tell(told)
        yield told


@contextmanager
def begin(there: ExitStack, folder: Path, room_port: int) -> Iterator[Story]:
    receiver = there.enter_context(listening())
    url = f"http://127.0.0.1:{receiver.server_address[1]}/hook"
    apps = folder / "apps.toml"
    apps.write_text(GUARDED.replace("URL", url))
    there.enter_context(room(room_port))
    room_gate = there.enter_context(Gate(room_port).standing())
    room_gate.refuse(lambda said: NOT_LET_IN if FORBIDDEN.encode() in said else None)
    there.enter_context(pytest.MonkeyPatch.context()).setenv(
        "TAPEFARM_STOP_WAIT_S", str(STOP_WAIT_S)
    )
    options = ("--callback-url", url, "--apps", str(apps), "--recorders", "2")
    channel = ("--channel", f"room+http://127.0.0.1:{room_gate.port}")
    running = there.enter_context(farm(folder / "data", *options, *channel))
    s3_port = urlsplit(f"//{running.facts['s3']['endpoint']}").port or 0
    buckets = {name: there.enter_context(Gate(s3_port).standing()) for name in ("denied", "away")}
    guarded = there.enter_context(AgoraClient(running.facts["api"], APP_ID, KEY, SECRET))
    size = ("--size", "160", "120")
    publisher = there.enter_context(running.publisher(CNAME, "101", "--pattern", *size))
    yield Story(running, guarded, receiver, room_gate, buckets, publisher)


def tell(story: Story) -> None:
    """Everything at the same time."""
    begun_s = time.monotonic()
    for name in story.buckets:
        story.start(name, APART)
    story.buckets["denied"].refuse(lambda _: DENIED)
    story.buckets["away"].refuse(lambda _: UNAVAILABLE)
    story.start("killed", MIX, recordingConfig={"transcodingConfig": SMALL})
    story.start("pictures", PICTURES, recordingFileConfig=HLS, snapshotConfig=SNAPSHOTS)
    story.start("idle", APART, DESERTED, recordingConfig={"maxIdleTime": IDLE_S})
    story.start("refused", APART, FORBIDDEN)
    uid = str(900 + len(story.lives))
    story.start("token", APART, token=token(uid))
    with ThreadPoolExecutor() as pool:
        acts = [pool.submit(act, story) for act in (fail_over, mute, disappoint)]
        for act in acts:
            act.result()
    print(f"the story took {time.monotonic() - begun_s:.1f} s")


def token(uid: str) -> str:
    service = rtc(CNAME, uid, {1: TOKEN_S})
    return Token007(APP_ID, CERTIFICATE, int(time.time()), TOKEN_S, [service]).build()


def fail_over(story: Story) -> None:
    """Its recorder is killed while it is asked about; started again and stopped in the end."""
    life = story.lives["killed"]
    story.around_failover.append(life.wait_for(200, status=5))
    reconciler = story.farm.facts["pids"]["reconciler"]
    os.kill(reconciler, signal.SIGSTOP)  # what is so for a moment is so until it is seen
    try:
        story.farm.kill_owner(life.sid)
        story.around_failover.append(life.wait_for(404))
    finally:
        os.kill(reconciler, signal.SIGCONT)
    story.around_failover.append(life.wait_for(200))
    story.wait_until_told("killed", 12)
    assert life.start_again()[0] == 201
    assert life.start_beside()[0] == 400
    life.stop(wait=False)
    life.wait_for(404)


def mute(story: Story) -> None:
    """Sound stops and comes back, then its publisher leaves."""
    story.wait_until_told("pictures", 43)
    story.publisher.say("mute audio")
    time.sleep(2)
    story.publisher.say("unmute audio")
    story.lives["pictures"].wait_for(200, status=5)
    time.sleep(2)
    story.lives["pictures"].stop(wait=False)
    story.lives["pictures"].wait_for(404)


def disappoint(story: Story) -> None:
    """Files that do not arrive: a refusal is told at once, an outage when it lasts."""
    for name in story.buckets:
        story.wait_until_told(name, 43)
    story.lives["denied"].stop(wait=False)
    status, body = story.lives["away"].stop()
    assert (status, body["code"]) == (400, 50), body
    story.wait_until_told("denied", 1)
    story.buckets["denied"].open()
    deadline_s = time.monotonic() + 60
    while len(story.details("away", 1)) < 2:
        assert time.monotonic() < deadline_s, story.details("away", 1)
        time.sleep(0.2)
    for name in ("denied", "idle", "refused", "token"):
        story.lives[name].wait_for(404)
        story.wait_until_told(name, 11)


def test_the_check_of_signatures_agrees_with_the_published_ones() -> None:
    example = EXAMPLES["callback-signature"]
    notice = notices.opened(example["headers"], example["raw_body"].encode(), example["secret"])
    assert notice["eventType"] == 40
    vector = (
        b'{"eventMs":1560408533119,"eventType":10,"noticeId":"4eb720f0-8da7-11e9-a43e-53f411c2761f"'
        b',"notifyMs":1560408533119,"payload":{"a":"1","b":2},"productId":1}'
    )
    sha1 = "033c62f40f687675f17f0f41f91a40c71c0f134c"
    sha256 = "6d3320c60b11101395b7fc8f9068748808a0aa1bfa064438e39d1bc2c7d74d99"
    assert notices.hmac_hex("sha1", b"secret", vector) == sha1
    assert notices.hmac_hex("sha256", b"secret", vector) == sha256
    with pytest.raises(AssertionError):
        notices.opened(example["headers"], example["raw_body"].encode(), "another secret")


def test_every_event_of_the_examples_occurred_or_cannot_occur(story: Story) -> None:
    told = [notice for name in story.lives for notice in story.told(name)]
    for notice in told:
        notices.check(notice)
    seen = defaultdict(list)
    for notice in told:
        seen[notice["eventType"]].append(notice)
    samples = EXAMPLES["callbacks"]["events"]
    assert set(notices.EVENTS) <= {sample["event"] for sample in samples}
    assert set(seen) == set(notices.EVENTS)
    for sample in samples:
        for notice in seen[sample["event"]]:
            assert set(notice) == set(sample["body"])
            assert set(notice["payload"]) == set(sample["body"]["payload"])
            assert set(notice["payload"]["details"]) >= set(sample["body"]["payload"]["details"])


def test_notices_are_numbered_and_arrive_in_order(story: Story) -> None:
    for name in story.lives:
        told = story.told(name)
        numbers = [notice["payload"]["sequence"] for notice in told]
        assert numbers == list(range(len(told))), (name, numbers)


@pytest.mark.parametrize(
    ("name", "errors", "leave", "status"),
    [
        ("killed", [], 24, [0]),
        ("pictures", [], 24, [0]),
        ("idle", [], 4, [0]),
        ("denied", [(1, 4, 32)], 24, [0]),
        ("away", [(2, 3, 50), (1, 4, 47)], 24, []),
        ("token", [(0, 5, 109)], 24, [1]),
        ("refused", [(0, 5, 110)], 1, [1]),
    ],
)
def test_how_it_ended_is_told(
    story: Story, name: str, errors: list[tuple[int, int, int]], leave: int, status: list[int]
) -> None:
    told = story.details(name, 1)
    assert [(row["module"], row["errorLevel"], row["errorCode"]) for row in told] == errors
    assert [row["leaveCode"] for row in story.details(name, 41)] == [leave]
    assert [row["exitStatus"] for row in story.details(name, 11)] == status


def test_what_was_sent_in_the_end_after_all_is_a_warning(story: Story) -> None:
    assert [(row["module"], row["warnCode"]) for row in story.details("denied", 2)] == [(1, 31)]
    assert story.details("denied", 31)
    assert not story.details("away", 31)


def test_calls_that_do_not_fit_are_told_with_where_it_stands(story: Story) -> None:
    [again, beside] = story.details("killed", 3)
    index = f"killed/{story.lives['killed'].sid}_{CNAME}.m3u8"
    for row in (again, beside):
        assert (row["status"], row["recordingMode"], row["fileList"]) == (5, 1, index)


def test_a_mute_is_told_and_its_end_and_where_files_begin_again(story: Story) -> None:
    states = [row["state"] for row in story.details("pictures", 43)]
    assert states[:3] == [0, 1, 0]
    assert states[-1] == 1
    begins = [row for row in story.details("pictures", 42) if row["trackType"] == "audio"]
    assert begins[0]["startUtcMs"] == begins[0]["discontinueUtcMs"]


def test_screenshots_are_told_by_name(story: Story) -> None:
    names = [row["fileName"] for row in story.details("pictures", 45)]
    there = story.farm.bucket.names("pictures/")
    assert sorted(names) == [name for name in there if name.endswith(".jpg")] != []


def test_a_query_finds_no_worker_while_another_recorder_takes_over(story: Story) -> None:
    """§8.4: 404 meanwhile, then the same recording with the same files."""
    before, meanwhile, after = story.around_failover
    assert meanwhile.body == {"code": 404, "reason": "failed to find worker"}
    assert before.server == after.server
    assert before.body["sid"] == after.body["sid"]
    [failover] = story.details("killed", 12)
    assert failover["newUid"] == int(story.lives["killed"].uid)
    codes = [seen.code for seen in story.lives["killed"].seen]
    back = codes.index(200, codes.index(404))
    end = codes.index(404, back)
    assert codes[end:] == [404] * (len(codes) - end)
