"""What is killed comes back, and what was on tape is delivered.

Each story has a farm of its own and waits most of its time, so they go on at the same time.
"""

import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import redis

from api.agora.client import Recording
from media.judge import decode, pattern
from media.publish.read_pattern import read_frame_number
from tests.e2e.farm import Farm, Publisher, farm, until

pytestmark = [pytest.mark.e2e, pytest.mark.server, pytest.mark.alone, pytest.mark.timeout(600)]

MIX = {"width": 320, "height": 180, "fps": 15, "bitrate": 300, "mixedVideoLayout": 1}
AT_ONCE = 2  # stories: each is a farm, and they share the machine
ENDED_S = 90.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is in the bucket after a story."""

    playlist: str  # its text
    data: bytes  # of all its segments
    film: bytes  # the MP4
    least_s: float = 0.0  # the recording is at least as long, and at most as long,
    most_s: float = 0.0  # by what the clock said around the calls that started and stopped it

    @property
    def listed_s(self) -> float:
        """How long the playlist is."""
        return sum(float(value) for value in re.findall(r"#EXTINF:([\d.]+)", self.playlist))

    def pictures(self) -> list[decode.Picture]:
        return list(decode.pictures(self.data))


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> "dict[str, Future[Outcome]]":
    told: dict[str, Callable[[Path], Outcome]] = {
        "whole": _everything_is_killed,
        "around": _redis_cutter_and_uploader_are_killed,
        "flushed": _redis_loses_everything,
        "both": _redis_loses_everything_and_the_recorder_is_killed,
        "recorder": _the_recorder_is_killed,
    }
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = {
            name: pool.submit(story, tmp_path_factory.mktemp(name) / "data")
            for name, story in told.items()
        }
        wait(futures.values())
    return futures


def _start(running: Farm, name: str, **config: object) -> Recording:
    """A mix of the channel of this name, by the recorder 900."""
    request = {
        "recordingConfig": {"transcodingConfig": MIX, **config},
        "recordingFileConfig": {"avFileType": ["hls", "mp4"]},
        "storageConfig": running.storage(name),
    }
    return running.agora.start(name, "900", "mix", request)


def _stop(running: Farm, recording: Recording, name: str, *, waits: bool = False) -> Outcome:
    """Stop it, and all that is delivered in the end; the answer names the files if it ``waits``."""
    asked_s = time.time()
    status, answer = recording.stop(wait=waits)
    answered_s = time.time()
    assert status == 200, answer
    if waits:
        assert answer["serverResponse"]["fileList"], answer
        answered_s = asked_s + 2  # the call took effect at once, or it would have ended later
    outcome = _delivered(running, recording, name)
    least_s, most_s = asked_s - recording.started_s, answered_s - recording.asked_s
    return replace(outcome, least_s=least_s, most_s=most_s)


def _delivered(running: Farm, recording: Recording, name: str) -> Outcome:
    stem = f"{name}/{recording.sid}_{name}"
    key, film = f"{stem}.m3u8", f"{stem}_0.mp4"
    deadline_s = time.monotonic() + ENDED_S
    while not (_ended(running, key) and film in running.bucket.names(f"{name}/")):
        assert time.monotonic() < deadline_s, "the recording was not finished"
        time.sleep(0.2)
    data = decode.joined(part for _, part in running.bucket.segments(key))
    return Outcome(running.bucket.get(key).decode(), data, running.bucket.get(film))


def _ended(running: Farm, key: str) -> bool:
    try:
        return running.bucket.get(key).decode().endswith("#EXT-X-ENDLIST\n")
    except KeyError:
        return False


def _the_recorder_is_killed(data: Path) -> Outcome:
    with (
        farm(data, "--recorders", "2") as running,
        running.publisher("killed", "7", "--pattern"),
    ):
        recording = _start(running, "killed")
        until(recording.started_s + 6)
        running.kill_owner(recording.sid)
        until(recording.started_s + 18)
        return _stop(running, recording, "killed", waits=True)


def test_a_killed_recorder_is_replaced_within_seconds_and_the_playlist_goes_on(
    stories: "dict[str, Future[Outcome]]",
) -> None:
    outcome = stories["recorder"].result()
    assert outcome.least_s - 1 < outcome.listed_s < outcome.most_s + 1
    hole_s = _hole(outcome.pictures())
    print(f"kill -9 of the recorder: {hole_s:.1f} s without new pictures")
    assert hole_s < 8


def _hole(pictures: list[decode.Picture]) -> float:
    """The longest time in which the publisher's frame number does not change."""
    longest_s = 0.0
    last_number, since_s = None, 0.0
    for picture in pictures:
        seen = read_frame_number(picture.luma())
        if seen is not None and seen[1] != last_number:
            if last_number is not None:
                longest_s = max(longest_s, picture.time_s - since_s)
            last_number, since_s = seen[1], picture.time_s
    return longest_s


def _everything_is_killed(data: Path) -> Outcome:
    with farm(data) as first:
        publisher = Publisher(first.facts["channel"], "whole", "7", "--pattern")
        publisher.wait_ready()
        recording = _start(first, "whole", maxIdleTime=5)
        until(recording.started_s + 9)
        _kill_everything(first)
        publisher.leave()
    with farm(data) as second:
        return _delivered(second, recording, "whole")


def test_a_farm_that_was_killed_whole_finishes_what_was_on_tape(
    stories: "dict[str, Future[Outcome]]",
) -> None:
    seen = pattern.watch(stories["whole"].result().pictures())
    print(f"{len(seen.numbers)} pictures of the 9 s before everything was killed")
    assert len(seen.numbers) > 6 * 15


def _kill_everything(running: Farm) -> None:
    running.killed = True
    os.kill(running.process.pid, signal.SIGKILL)
    for pids in running.facts["pids"].values():
        for pid in pids if isinstance(pids, list) else [pids]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it followed its supervisor


def _redis_cutter_and_uploader_are_killed(data: Path) -> Outcome:
    with farm(data) as running, running.publisher("around", "7", "--pattern"):
        recording = _start(running, "around")
        for at_s, role in ((5, "redis"), (16.4, "cutter"), (19, "uploader"), (20, "redis")):
            until(recording.started_s + at_s)
            _kill(running, role)
        until(recording.started_s + 26)
        return _stop(running, recording, "around")


def test_redis_cutter_and_uploader_are_killed_and_nothing_is_missing(
    stories: "dict[str, Future[Outcome]]",
) -> None:
    seen = pattern.watch(stories["around"].result().pictures())
    print(f"{len(seen.numbers)} pictures, {seen.missing} missing")
    assert len(seen.numbers) > 24 * 15
    assert seen.missing_share <= 0.01
    assert seen.disordered == 0


def _redis_loses_everything(data: Path, *, recorder_too: bool = False) -> Outcome:
    with farm(data) as running, running.publisher("flushed", "7", "--pattern"):
        recording = _start(running, "flushed")
        until(recording.started_s + 7)
        if recorder_too:
            _kill(running, "recorder")
        with redis.Redis.from_url(running.facts["redis"]) as client:
            client.flushall()
        until(recording.started_s + 30)
        return _stop(running, recording, "flushed", waits=True)


def _redis_loses_everything_and_the_recorder_is_killed(data: Path) -> Outcome:
    return _redis_loses_everything(data, recorder_too=True)


@pytest.mark.parametrize(("story", "most_hole_s"), [("flushed", 0.5), ("both", 20.0)])
def test_redis_loses_everything_and_the_recording_goes_on(
    stories: "dict[str, Future[Outcome]]", story: str, most_hole_s: float
) -> None:
    outcome = stories[story].result()
    pictures = outcome.pictures()
    hole_s = _hole(pictures)
    print(f"{len(pictures) / 15:.1f} s, {hole_s:.1f} s without new pictures")
    assert outcome.least_s - 0.5 < len(pictures) / 15 < outcome.most_s + 0.5
    assert hole_s < most_hole_s


def _kill(running: Farm, role: str) -> None:
    running.reload()
    pids = running.facts["pids"][role]
    os.kill(pids[0] if isinstance(pids, list) else pids, signal.SIGKILL)


@pytest.mark.parametrize("story", ["whole", "around", "flushed", "both", "recorder"])
def test_the_mp4_holds_what_the_segments_hold(
    stories: "dict[str, Future[Outcome]]", story: str
) -> None:
    outcome = stories[story].result()
    film = list(decode.pictures(outcome.film))
    print(f"{len(film)} pictures in the MP4")
    assert abs(len(film) - len(outcome.pictures())) <= 1
    sound, streamed = decode.sound(outcome.film), decode.sound(outcome.data)
    assert abs(len(sound.samples) - len(streamed.samples)) <= decode.RATE / 15
