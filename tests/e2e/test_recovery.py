"""What is killed comes back, and what was on tape is delivered."""

import os
import re
import signal
import time
from pathlib import Path

import pytest
import redis

from media.judge import decode, pattern
from media.publish.read_pattern import read_frame_number
from tests.e2e.farm import Farm, Publisher, farm, until

pytestmark = [pytest.mark.e2e, pytest.mark.server]

MIX = {"width": 320, "height": 180, "fps": 15, "bitrate": 300, "mixedVideoLayout": 1}


def test_a_killed_recorder_is_replaced_within_seconds_and_the_playlist_goes_on(
    tmp_path: Path,
) -> None:
    with farm(tmp_path / "data", "--recorders", "2") as running:
        request = {
            "recordingConfig": {"transcodingConfig": MIX},
            "storageConfig": running.storage("killed"),
        }
        with running.publisher("killed", "7", "--pattern"):
            recording = running.agora.start("killed", "900", "mix", request)
            until(recording.started_s + 8)
            _kill_owner(running, recording.sid)
            until(recording.started_s + 22)
            status, answer = recording.stop()
        assert status == 200, answer
        playlist = answer["serverResponse"]["fileList"]
        data = decode.joined(part for _, part in running.bucket.segments(playlist))
        text = running.bucket.get(playlist).decode()
    listed_s = sum(float(value) for value in re.findall(r"#EXTINF:([\d.]+)", text))
    assert abs(listed_s - 22) < 1
    hole_s = _hole(list(decode.pictures(data)))
    print(f"kill -9 of the recorder: {hole_s:.1f} s without new pictures")
    assert hole_s < 8


def _kill_owner(running: Farm, sid: str) -> None:
    """Kill the recorder process that tapes it."""
    running.reload()
    for pid in running.facts["pids"]["recorder"]:
        files = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
        if any(f"/{sid}/tape/" in name for name in files):
            os.kill(pid, signal.SIGKILL)
            return
    pytest.fail("no recorder has the tape open")


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


def test_a_farm_that_was_killed_whole_finishes_what_was_on_tape(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with farm(data) as first:
        request = {
            "recordingConfig": {"transcodingConfig": MIX, "maxIdleTime": 8},
            "storageConfig": first.storage("whole"),
        }
        publisher = Publisher(first.facts["channel"], "whole", "7", "--pattern")
        publisher.wait_ready()
        recording = first.agora.start("whole", "900", "mix", request)
        until(recording.started_s + 9)
        _kill_everything(first)
        publisher.leave()
    with farm(data) as second:
        key = f"whole/{recording.sid}_whole.m3u8"
        deadline = time.time() + 60
        while not _ended(second, key):
            assert time.time() < deadline, "the recording was not finished"
            time.sleep(0.5)
        parts = second.bucket.segments(key)
    pictures = list(decode.pictures(decode.joined(part for _, part in parts)))
    seen = pattern.watch(pictures)
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


def _ended(running: Farm, key: str) -> bool:
    try:
        return running.bucket.get(key).decode().endswith("#EXT-X-ENDLIST\n")
    except KeyError:
        return False


def test_redis_cutter_and_uploader_are_killed_and_nothing_is_missing(tmp_path: Path) -> None:
    with farm(tmp_path / "data") as running:
        request = {
            "recordingConfig": {"transcodingConfig": MIX},
            "storageConfig": running.storage("around"),
        }
        with running.publisher("around", "7", "--pattern"):
            recording = running.agora.start("around", "900", "mix", request)
            for at_s, role in ((5, "redis"), (16.4, "cutter"), (22, "uploader"), (24, "redis")):
                until(recording.started_s + at_s)
                _kill(running, role)
            until(recording.started_s + 34)
            recording.stop(wait=False)
            key = f"around/{recording.sid}_around.m3u8"
            deadline = time.time() + 90
            while not _ended(running, key):
                assert time.time() < deadline, "the recording was not finished"
                time.sleep(0.5)
        data = decode.joined(part for _, part in running.bucket.segments(key))
    seen = pattern.watch(decode.pictures(data))
    print(f"{len(seen.numbers)} pictures, {seen.missing} missing")
    assert len(seen.numbers) > 32 * 15
    assert seen.missing_share <= 0.01
    assert seen.disordered == 0


@pytest.mark.parametrize("recorder_too", [False, True])
def test_redis_loses_everything_and_the_recording_goes_on(
    tmp_path: Path, recorder_too: bool
) -> None:
    with farm(tmp_path / "data") as running:
        request = {
            "recordingConfig": {"transcodingConfig": MIX},
            "storageConfig": running.storage("flushed"),
        }
        with running.publisher("flushed", "7", "--pattern"):
            recording = running.agora.start("flushed", "900", "mix", request)
            until(recording.started_s + 7)
            if recorder_too:
                _kill(running, "recorder")
            with redis.Redis.from_url(running.facts["redis"]) as client:
                client.flushall()
            until(recording.started_s + 30)
            status, answer = recording.stop()
        assert status == 200, answer
        playlist = answer["serverResponse"]["fileList"]
        data = decode.joined(part for _, part in running.bucket.segments(playlist))
    pictures = list(decode.pictures(data))
    hole_s = _hole(pictures)
    print(f"{len(pictures) / 15:.1f} s, {hole_s:.1f} s without new pictures")
    assert abs(len(pictures) / 15 - 30) < 0.5
    assert hole_s < (20 if recorder_too else 0.5)


def _kill(running: Farm, role: str) -> None:
    running.reload()
    pids = running.facts["pids"][role]
    os.kill(pids[0] if isinstance(pids, list) else pids, signal.SIGKILL)
