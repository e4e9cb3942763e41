"""Layouts and lists that change while it records: each at its moment in the finished files."""

import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from api.agora.client import Recording
from media.judge import decode, pattern
from media.publish.read_pattern import read_frame_number
from tests.e2e.farm import Farm, farm, until
from tests.receiver import Receiver, listening

pytestmark = [pytest.mark.e2e, pytest.mark.server, pytest.mark.timeout(600)]

FPS = 15
TICK_S = 1 / FPS
CANVAS = {"width": 320, "height": 180, "fps": FPS, "bitrate": 1500, "mixedVideoLayout": 1}
LEFT, RIGHT = slice(0, 160), slice(160, 320)  # columns
FIRST, SECOND = 71, 82  # UIDs, and what is read in their pictures
GREEN = (20, 200, 40)
BACK_S = 4.0  # a publisher is subscribed to again, and its first key frame is there

HALF = {"y_axis": 0, "width": 0.5, "height": 1}
SWAPPED = {
    "mixedVideoLayout": 3,
    "layoutConfig": [
        HALF | {"uid": str(SECOND), "x_axis": 0},
        HALF | {"uid": str(FIRST), "x_axis": 0.5},
    ],
}
EVERYBODY = {
    "audioUidList": {"subscribeAudioUids": ["#allstream#"]},
    "videoUidList": {"subscribeVideoUids": ["#allstream#"]},
}
NOT_THE_SECOND = {
    "audioUidList": {"unSubscribeAudioUids": [str(SECOND)]},
    "videoUidList": {"unSubscribeVideoUids": [str(SECOND)]},
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What one picture of a mix shows."""

    at_s: float  # Unix seconds
    left: int | None  # whose picture
    right: int | None
    whole: int | None
    green: bool  # in the left half


@dataclass
class Take:
    """A mix with its changes."""

    calls: dict[str, tuple[float, float]] = field(default_factory=dict)  # asked, answered
    pictures: list[Shown] = field(default_factory=list)
    sound: decode.Sound | None = None
    origin_s: float = 0.0
    apart: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # text and media by track
    sound_first: bytes = b""  # a mix that was asked for pictures only later

    def call(self, name: str, act: Callable[..., tuple[int, Any]], request: Any) -> None:
        asked_s = time.time()
        status, answer = act(request)
        self.calls[name] = asked_s, time.time()
        assert status == 200, answer
        assert set(answer) == {"cname", "uid", "resourceId", "sid"}

    def when(self, shown: Callable[[Shown], bool], after: str) -> float:
        """Since when something is to be seen that was not when a call was made."""
        asked_s = self.calls[after][0]
        before = [one for one in self.pictures if one.at_s < asked_s - TICK_S]
        assert not shown(before[-1])
        return next(one.at_s for one in self.pictures if one.at_s > asked_s - 1 and shown(one))

    def at_once(self, shown: Callable[[Shown], bool], call: str) -> None:
        """Something is to be seen from a call on: a picture of the canvas more or less."""
        asked_s, answered_s = self.calls[call]
        at_s = self.when(shown, call)
        print(
            f"{call}: {(at_s - asked_s) * 1000:.0f} ms, answer {(answered_s - asked_s) * 1000:.0f}"
        )
        assert asked_s - TICK_S <= at_s <= answered_s + TICK_S

    def heard(self, uid: int, from_s: float, until_s: float) -> float:
        assert self.sound is not None
        offset_s = self.sound.start_s - self.origin_s
        begin_s, end_s = from_s + offset_s, until_s + offset_s
        return pattern.heard(self.sound, str(uid), from_s=begin_s, until_s=end_s)


class Images(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        file = BytesIO()
        Image.new("RGB", (320, 180), GREEN).save(file, "JPEG", quality=95)
        found = self.path == "/green.jpg"
        body = file.getvalue() if found else b""
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def image_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Images)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def start(running: Farm, uid: str, mode: str, prefix: str, **changes: Any) -> Recording:
    config: dict[str, Any] = {"channelType": 0, "streamTypes": 2} | changes
    if mode == "mix":
        config["transcodingConfig"] = CANVAS
    request = {"recordingConfig": config, "storageConfig": running.storage(prefix)}
    return running.agora.start("changes", uid, mode, request)


def finish(running: Farm, take: Take, mix: Recording, prefix: str) -> None:
    take.origin_s = mix.query()[1]["serverResponse"]["sliceStartTime"] / 1000
    status, answer = mix.stop()
    assert status == 200, answer
    segments = running.bucket.segments(f"{prefix}/{mix.sid}_changes.m3u8")
    data = decode.joined(part for _, part in segments)
    pictures = list(decode.pictures(data))
    first_s = pictures[0].time_s
    for picture in pictures:
        take.pictures.append(seen(picture, take.origin_s + picture.time_s - first_s))
    take.sound = decode.sound(data)
    steps = [b.at_s - a.at_s for a, b in itertools.pairwise(take.pictures)]
    assert max(steps) < 1.5 * TICK_S


def seen(picture: decode.Picture, at_s: float) -> Shown:
    luma = picture.luma()
    codes = [read_frame_number(luma[:, part]) for part in (LEFT, RIGHT, slice(None))]
    left, right, whole = (None if code is None else code[0] for code in codes)
    rgb = picture.frame.to_ndarray(format="rgb24")[40:140, 20:140].reshape(-1, 3)
    green = bool(np.abs(rgb.mean(axis=0) - GREEN).max() < 25 and rgb.std(axis=0).max() < 12)
    return Shown(at_s, left, right, whole, green)


@pytest.fixture(scope="module")
def story(
    tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]
) -> Iterator[tuple[Take, Receiver]]:
    need("redis-server")
    take = Take()
    with listening() as receiver, image_server() as images:
        url = f"http://127.0.0.1:{receiver.server_address[1]}/hook"
        data = tmp_path_factory.mktemp("changes") / "data"
        with (
            farm(data, "--callback-url", url) as running,
            running.publisher("changes", str(FIRST), "--pattern"),
            running.publisher("changes", str(SECOND), "--pattern", "--video", "h264"),
        ):
            mix, apart = start(running, "900", "mix", "m"), start(running, "901", "individual", "i")
            late = start(running, "902", "mix", "l", subscribeAudioUids=["#allstream#"])
            pictures = {
                "backgroundImage": f"{images}/green.jpg",
                "defaultUserBackgroundImage": f"{images}/none.jpg?secret=1",
            }
            for at_s, name, act, request in (
                (6.37, "swap", mix.update_layout, SWAPPED | pictures),
                (11.23, "remove", mix.update, {"streamSubscribe": NOT_THE_SECOND}),
                (11.3, "remove apart", apart.update, {"streamSubscribe": NOT_THE_SECOND}),
                (17.09, "return", mix.update, {"streamSubscribe": EVERYBODY}),
                (17.1, "return apart", apart.update, {"streamSubscribe": EVERYBODY}),
                (17.2, "pictures", late.update, {"streamSubscribe": EVERYBODY}),
                (23.41, "default", mix.update_layout, {}),
            ):
                until(mix.started_s + at_s)
                take.call(name, act, request)
            until(mix.started_s + 27)
            finish(running, take, mix, "m")
            assert apart.stop()[0] == late.stop()[0] == 200
            segments = running.bucket.segments(f"l/{late.sid}_changes.m3u8")
            take.sound_first = decode.joined(part for _, part in segments)
            for kind in ("audio", "video"):
                name = f"i/{apart.sid}_changes__uid_s_{SECOND}__uid_e_{kind}.m3u8"
                parts = running.bucket.segments(name)
                text = running.bucket.get(name).decode()
                take.apart[kind] = text, decode.joined(part for _, part in parts)
            for call in (mix.update_layout, mix.update):
                assert call({"streamSubscribe": EVERYBODY})[0] == 404
        yield take, receiver


def test_a_layout_changes_at_the_moment_it_was_asked_for(story: tuple[Take, Receiver]) -> None:
    take, _ = story
    assert (take.pictures[30].left, take.pictures[30].right) == (FIRST, SECOND)
    take.at_once(lambda shown: shown.left == SECOND, "swap")
    take.at_once(lambda shown: shown.right == FIRST, "swap")
    take.at_once(lambda shown: shown.whole == FIRST, "default")
    assert not any(shown.green for shown in take.pictures if shown.at_s < take.calls["remove"][0])


def test_who_is_removed_vanishes_and_comes_back_to_the_same_place(
    story: tuple[Take, Receiver],
) -> None:
    take, _ = story
    take.at_once(lambda shown: shown.green and shown.left is None, "remove")
    back_s, asked_s = (
        take.when(lambda shown: shown.left == SECOND, "return"),
        take.calls["return"][0],
    )
    print(f"back after {back_s - asked_s:.2f} s")
    assert asked_s - TICK_S <= back_s < asked_s + BACK_S
    gone = [s for s in take.pictures if take.calls["remove"][1] + 2 * TICK_S < s.at_s < asked_s]
    assert all(shown.green and shown.right == FIRST for shown in gone)


def test_who_is_removed_falls_silent_and_is_heard_again(story: tuple[Take, Receiver]) -> None:
    take, _ = story
    begin_s, removed_s = take.pictures[0].at_s, take.calls["remove"][0]
    back_s = take.calls["return"][0]
    assert take.heard(SECOND, begin_s + 1, removed_s - 0.1) == 1.0
    assert take.heard(SECOND, removed_s + 0.2, back_s - 0.1) == 0.0
    assert take.heard(SECOND, back_s + BACK_S, take.pictures[-1].at_s - 0.2) == 1.0
    assert take.heard(FIRST, begin_s + 1, take.pictures[-1].at_s - 0.2) == 1.0


def test_a_mix_that_began_with_sound_shows_who_is_asked_for_later(
    story: tuple[Take, Receiver],
) -> None:
    take, _ = story
    pictures = [seen(picture, picture.time_s) for picture in decode.pictures(take.sound_first)]
    steps = [b.at_s - a.at_s for a, b in itertools.pairwise(pictures)]
    assert max(steps) < 1.5 * TICK_S
    blank = [one for one in pictures if one.at_s < pictures[0].at_s + 15]
    assert all(one.left is one.right is one.whole is None for one in blank)
    assert (pictures[-1].left, pictures[-1].right) == (FIRST, SECOND)
    sound = decode.sound(take.sound_first)
    end_s = sound.start_s + 25
    for uid in (FIRST, SECOND):
        assert pattern.heard(sound, str(uid), from_s=sound.start_s + 1, until_s=end_s) == 1.0


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_files_apart_end_where_their_publisher_was_removed_and_begin_again(
    story: tuple[Take, Receiver], kind: str
) -> None:
    take, _ = story
    text, data = take.apart[kind]
    times = [time_s for time_s, _ in decode.packets(data, kind)]
    holes = [(a, b) for a, b in itertools.pairwise(times) if b - a > 0.5]
    assert len(holes) == 1, (times[0], times[-1], len(times), text)
    [hole] = holes
    asked_s = take.calls["return apart"][0] - take.calls["remove apart"][0]
    print(f"{kind}: hole of {hole[1] - hole[0]:.2f} s, asked for {asked_s:.2f} s")
    assert asked_s - 0.2 < hole[1] - hole[0] < asked_s + BACK_S
    assert text.count("#EXT-X-DISCONTINUITY\n") >= 1
    assert text.endswith("#EXT-X-ENDLIST\n")


def test_an_image_that_cannot_be_had_is_told_of_without_its_secret(
    story: tuple[Take, Receiver],
) -> None:
    _, receiver = story
    notices = [json.loads(raw) for _, raw in receiver.got]
    [warning] = [notice for notice in notices if notice["eventType"] == 2]
    details = warning["payload"]["details"]
    assert details["msgName"] == "cloud_recording_warning"
    assert re.search(r"/none\.jpg is not shown: .*404", details["warnMsg"])
    assert "secret" not in str(warning)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Take:
    need("redis-server")
    take = Take()
    with (
        farm(tmp_path_factory.mktemp("killed") / "data", "--recorders", "2") as running,
        running.publisher("changes", str(FIRST), "--pattern"),
        running.publisher("changes", str(SECOND), "--pattern"),
    ):
        mix = start(running, "900", "mix", "k")
        until(mix.started_s + 6.21)
        take.call("swap", mix.update_layout, SWAPPED)
        running.kill_owner(mix.sid)
        until(mix.started_s + 7.0)
        take.call("nobody there", mix.update_layout, {"mixedVideoLayout": 1})
        take.call("remove", mix.update, {"streamSubscribe": NOT_THE_SECOND})
        until(mix.started_s + 19.0)
        finish(running, take, mix, "k")
    return take


def test_what_was_asked_for_holds_though_its_recorder_was_killed(killed: Take) -> None:
    killed.at_once(lambda shown: shown.left == SECOND and shown.right == FIRST, "swap")


def test_what_is_asked_for_while_nobody_records_is_done_by_the_next(killed: Take) -> None:
    killed.at_once(lambda shown: shown.whole == FIRST, "remove")
    last_s = killed.pictures[-1].at_s
    assert all(shown.whole == FIRST for shown in killed.pictures if shown.at_s > last_s - 3)
    assert killed.heard(SECOND, killed.calls["remove"][1] + 0.2, last_s - 0.2) == 0.0
    assert killed.heard(FIRST, last_s - 3, last_s - 0.2) == 1.0
