"""The demo's choreography: two publishers, two recordings, one mute, one rejoin."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from api.agora.client import AgoraClient, Recording
from api.cli.demo.stage import Actor, DemoFailed, Stage

CNAME = "demo"
VP8_UID, H264_UID = "101", "202"
LENGTH_S = 20.0
MUTE_S = (5.0, 9.0)  # of the VP8 publisher's sound
AWAY_S = (11.0, 14.0)  # of the H.264 publisher
SIZE = (640, 360)
_OK = 200


@dataclass(frozen=True, slots=True)
class Played:
    """What was recorded, and how long the end took."""

    mix: Recording
    individual: Recording
    answers: tuple[dict[str, Any], dict[str, Any]]  # of the two stop calls
    length_s: float
    finish_s: tuple[float, float]  # from each stop call to its last verified file
    away_s: tuple[float, float]  # when the second one really was away, from the start of the mix


def play(stage: Stage, client: AgoraClient, tick: Callable[[str], None]) -> Played:
    """Run it in real time; ``tick`` is called several times a second with what is going on.

    Raises DemoFailed and RuntimeError.
    """
    first = stage.publisher(CNAME, VP8_UID, "vp8")
    second = stage.publisher(CNAME, H264_UID, "h264")
    individual = client.start(CNAME, "900002", "individual", _request(stage, "individual", {}))
    canvas = {"width": SIZE[0], "height": SIZE[1], "fps": 15, "mixedVideoLayout": 1}
    config = {"transcodingConfig": {**canvas, "bitrate": 800, "backgroundColor": "#202428"}}
    mix = client.start(CNAME, "900001", "mix", _request(stage, "mix", config))
    away = [AWAY_S[0], AWAY_S[1]]
    for at_s, words, act in _script(stage, first, second, away, mix.started_s):
        _wait(mix.started_s + at_s, words, tick)
        act()
    _wait(mix.started_s + LENGTH_S, "stopping", tick)
    asked_s = time.time()
    mixed = _stopped(mix)
    mix_took_s = time.time() - asked_s
    asked_individual_s = time.time()
    apart = _stopped(individual)
    took_s = time.time() - asked_individual_s
    tick("done")
    return Played(
        mix,
        individual,
        (mixed, apart),
        asked_s - mix.started_s,
        (mix_took_s, took_s),
        (away[0], away[1]),
    )


def _script(
    stage: Stage, first: Actor, second: Actor, away: list[float], zero_s: float
) -> Iterator[tuple[float, str, Callable[[], None]]]:
    def leave() -> None:
        away[0] = time.time() - zero_s
        second.leave()

    def come_back() -> None:
        stage.publisher(CNAME, H264_UID, "h264")
        away[1] = time.time() - zero_s

    yield MUTE_S[0], "both publish", lambda: first.say("mute audio")
    yield MUTE_S[1], f"{VP8_UID} is muted", lambda: first.say("unmute audio")
    yield AWAY_S[0], "both publish", leave
    yield AWAY_S[1], f"{H264_UID} is away", come_back


def _wait(until_s: float, words: str, tick: Callable[[str], None]) -> None:
    while (left_s := until_s - time.time()) > 0:
        tick(words)
        time.sleep(min(left_s, 0.2))


def _stopped(recording: Recording) -> dict[str, Any]:
    status, answer = recording.stop()
    if status != _OK:
        raise DemoFailed(f"stop was answered {status}: {answer}")
    return answer


def _request(stage: Stage, folder: str, config: dict[str, Any]) -> dict[str, Any]:
    s3 = stage.facts["s3"]
    return {
        "recordingConfig": {"channelType": 0, "streamTypes": 2, "subscribeUidGroup": 0, **config},
        "storageConfig": {
            "vendor": 11,
            "region": 0,
            "bucket": s3["bucket"],
            "accessKey": s3["access_key"],
            "secretKey": s3["secret_key"],
            "fileNamePrefix": ["demo", folder],
            "extensionParams": {"endpoint": f"http://{s3['endpoint']}"},
        },
    }
