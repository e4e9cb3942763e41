"""Recordings of pattern publishers, made at the same time on one farm: each takes its seconds."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.agora.client import Recording
from tests.e2e.farm import Farm, until
from tests.e2e.watch import PlaylistWatch

PREFIX = "together"
LENGTH_S = 23.0  # two segments, and the sound goes on after its hole in the second
MUTED_S = (17.0, 20.0)
CANVAS = {
    "height": 640,
    "width": 360,
    "bitrate": 500,
    "fps": 15,
    "mixedVideoLayout": 1,
    "backgroundColor": "#FF0000",
}
_UNTOUCHED = {
    "channelType": 0,
    "streamTypes": 0,
    "streamMode": "original",
    "subscribeAudioUids": ["123", "456"],
    "subscribeUidGroup": 0,
}


@dataclass(frozen=True, slots=True)
class Delivered:
    """One of them, and what the answer to its stop call said."""

    cname: str
    sid: str
    length_s: float  # from the answer to start until stop was called
    took_s: float  # from then until it was answered
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Together:
    """123 sends VP8 and 456 H.264 into one channel; a third one only sound into another."""

    mix: Delivered
    apart: Delivered
    untouched: Delivered
    payloads: Path  # what was sent of the sound alone: a line each
    watch: PlaylistWatch


def record(farm: Farm, folder: Path) -> Together:
    """Record them; they go into ``PREFIX/mix``, ``PREFIX/apart`` and ``PREFIX/untouched``."""
    log = folder / "payloads"
    sound_only = ("--pattern", "--video", "none", "--log-payloads", str(log))
    with ExitStack() as there:
        speaker = there.enter_context(farm.publisher("alone", "123", *sound_only))
        for uid, codec in (("123", "vp8"), ("456", "h264")):
            there.enter_context(farm.publisher("pair", uid, "--pattern", "--video", codec))
        watch = there.enter_context(PlaylistWatch(farm.bucket, f"{PREFIX}/"))
        both = {"channelType": 0, "streamTypes": 2}
        time.sleep(0.5)
        untouched = _start(farm, "alone", "527841", "untouched", _UNTOUCHED)
        begun_s = time.time()
        mix = _start(farm, "pair", "527841", "mix", both | {"transcodingConfig": CANVAS})
        apart = _start(farm, "pair", "527842", "apart", both | {"subscribeUidGroup": 0})
        for at_s, command in zip(MUTED_S, ("mute audio", "unmute audio"), strict=True):
            until(begun_s + at_s)
            speaker.say(command)
        until(begun_s + LENGTH_S)
        with ThreadPoolExecutor() as pool:
            delivered = pool.map(_stop, (mix, apart, untouched), ("pair", "pair", "alone"))
            return Together(*delivered, log, watch)


def _start(farm: Farm, cname: str, uid: str, folder: str, config: dict[str, Any]) -> Recording:
    request = {"recordingConfig": config, "storageConfig": farm.storage(PREFIX, folder)}
    return farm.agora.start(cname, uid, "mix" if folder == "mix" else "individual", request)


def _stop(recording: Recording, cname: str) -> Delivered:
    asked_s = time.time()
    status, answer = recording.stop()
    took_s = time.time() - asked_s
    assert status == 200, answer
    length_s = asked_s - recording.started_s
    return Delivered(cname, recording.sid, length_s, took_s, answer["serverResponse"])
