"""kill -9 of uploaders and cutters at random moments: one whole MP4, and nothing beside it."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from media.cut.composite import cut_composite
from media.judge import decode
from media.mux import mp4
from media.mux.piece import Index
from media.tape.model import NS, EventType, Source, TapeEvent
from media.tape.reader import Tape
from tests.media.cut.scene import OPUS, ORIGIN_NS, RED, VP8, pictures, presence, tone, track
from tests.media.cut.tapes import on_tape
from tests.workers.buckets import S3Server
from tests.workers.grown import FARM_KEY, MadeUpMix, left
from workers.cutter.plan import composite_spec, slice_at
from workers.job.sealed import seal
from workers.job.spec import Canvas, RecordingSpec
from workers.job.state import State
from workers.spool.spool import Closed, Spool
from workers.store.store import Store

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]
Make = Callable[..., RecordingSpec]
SID = "0" * 32
MP4 = f"a/b/{SID}_room-7_0.mp4"


class Mortal:
    """One worker; see tests/workers/mortal.py."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._answer()

    def _answer(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline()

    def say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        self._answer()


@contextmanager
def mortal(role: str, **facts: Any) -> Iterator[Mortal]:
    command = [sys.executable, "-m", "tests.workers.mortal", role, json.dumps(facts)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        one = Mortal(process)
        one.say("go")
        try:
            yield one
        finally:
            one.say("kill")


@pytest.fixture
def facts(redis_url: str, tmp_path: Path) -> dict[str, Any]:
    return {
        "sid": SID,
        "redis": redis_url,
        "spool": str(tmp_path / "spool"),
        "farm_key": FARM_KEY.get_secret_value(),
        "part": 64 * 1024,
    }


def until_ended(store: Store, victims: list[Mortal], rng: random.Random, most_s: float) -> int:
    """Kill somebody again and again; returns how often."""
    killed = 0
    while not _ended(store):
        time.sleep(rng.uniform(0, most_s * min(1.0, (killed + 1) / 12)))
        if _ended(store):
            break  # who ended it removes what is left
        victim = rng.choice(victims)
        victim.say("kill")
        victim.say("go")
        killed += 1
        if killed == 60:  # or it might never end
            _wait(store)
    return killed


def _ended(store: Store) -> bool:
    row = store.row(SID)
    return row is not None and row.state is State.ENDED


def _wait(store: Store) -> None:
    deadline = time.monotonic() + 120
    while not _ended(store):
        assert time.monotonic() < deadline, "it did not end"
        time.sleep(0.05)


def _gone(folder: Path) -> bool:
    deadline = time.monotonic() + 10
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not folder.exists()


@pytest.mark.parametrize("seed", range(4))
def test_uploaders_are_killed_at_random(
    s3: S3Server,
    store: Store,
    make_spec: Make,
    facts: dict[str, Any],
    tmp_path: Path,
    seed: int,
) -> None:
    rng, spool = random.Random(seed), Spool(tmp_path / "spool")
    spec = make_spec(SID, storage=s3.storage, mp4=True, quality_report=False)
    mix = MadeUpMix(spec, store, spool, tmp_path / "scratch")
    with ExitStack() as lives:
        two = [lives.enter_context(mortal("uploader", **facts)) for _ in range(2)]
        order = list(range(12))
        rng.shuffle(order)
        for number in order:
            mix.cut(number, rng.randrange(20_000, 200_000), final=number == 11)
            time.sleep(rng.uniform(0, 0.1))
            victim = rng.choice(two)
            victim.say("kill")
            victim.say("go")
        mix.close(12)
        killed = 12 + until_ended(store, two, rng, most_s=0.4)
        assert _gone(mix.folder.path)
    print(f"seed {seed}: killed {killed} times")
    assert s3.content(MP4) == mix.whole(range(12))
    assert s3.names() == [f"a/b/{SID}_room-7.m3u8", MP4]
    assert s3.unfinished(MP4) == []
    assert left(mix.folder) == []


@pytest.mark.parametrize("seed", range(2))
def test_cutters_and_uploaders_are_killed_at_random(
    s3: S3Server,
    store: Store,
    make_spec: Make,
    facts: dict[str, Any],
    tmp_path: Path,
    seed: int,
) -> None:
    canvas = Canvas(width=160, height=120, fps=15, bitrate=100)
    spec = make_spec(SID, storage=s3.storage, mp4=True, canvas=canvas, quality_report=False)
    folder = Spool(tmp_path / "spool").folder(SID)
    folder.make(seal(spec, FARM_KEY))
    _tape(folder.tape)
    closed = Closed(origin_ns=ORIGIN_NS, end_ns=ORIGIN_NS + 40 * NS, units=3, reason="stopped")
    expected = _undisturbed(spec, folder.tape, closed, tmp_path)
    store.heartbeat("recorder-a", 1, ttl_s=600)
    store.start(spec, "nonce")
    claim = store.claim(SID, "recorder-a", 600)
    assert claim is not None
    folder.close(closed)
    store.tape_closed(
        claim, spec, origin_ns=closed.origin_ns, end_ns=closed.end_ns, units_sealed=closed.units
    )
    rng = random.Random(seed)
    with (
        mortal("cutter", slices=[2, 0, 1], **facts) as cutter,
        mortal("uploader", **facts) as uploader,
    ):
        killed = until_ended(store, [cutter, cutter, uploader], rng, most_s=1.2)
        assert _gone(folder.path)
    print(f"seed {seed}: killed {killed} times")
    assert s3.content(MP4) == expected
    segments = [name for name in s3.names() if name.endswith(".ts")]
    assert len(segments) == 3
    assert sorted(s3.names()) == sorted([f"a/b/{SID}_room-7.m3u8", MP4, *segments])
    assert s3.unfinished(MP4) == []
    stream = b"".join(s3.content(name) for name in segments)
    shown = len(list(decode.pictures(expected)))
    assert shown == len(list(decode.pictures(stream))) == 40 * 15


def _tape(folder: Path) -> Tape:
    camera, microphone = track("1", Source.CAMERA, VP8), track("1", Source.MICROPHONE, OPUS)
    begin = ORIGIN_NS - NS
    frames = [
        pictures(camera, RED, start_ns=begin, seconds=43),
        tone(microphone, 500, start_ns=begin, seconds=43),
    ]
    heard = TapeEvent(EventType.TRACK_ADDED, begin + 1, track=microphone.id)
    return on_tape(folder, frames, [*presence(camera, begin), heard])


def _undisturbed(spec: RecordingSpec, tape: Path, closed: Closed, scratch: Path) -> bytes:
    out = scratch / "undisturbed"
    out.mkdir()
    pieces = [
        cut_composite(
            Tape(tape),
            composite_spec(spec),
            origin_ns=closed.origin_ns,
            slice=slice_at(closed.origin_ns, number, closed),
            out_dir=out,
        ).pieces[0]
        for number in range(closed.units)
    ]
    head = mp4.head([Index.read(one.index) for one in pieces], created_ns=closed.origin_ns)
    return head + b"".join(one.payload.read_bytes() for one in pieces)
