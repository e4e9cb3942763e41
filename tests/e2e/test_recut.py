"""Recordings that are cut again from their tape: what is asked for is in the decoded files."""

import io
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
import redis

from api.agora.client import Recording
from api.console.client import ConsoleClient
from media.judge import decode, pattern
from media.publish.frame_code import uid_code
from media.publish.read_pattern import read_frame_number
from tests.e2e.farm import COMMAND, Farm, farm, until
from workers.store import keys

pytestmark = [pytest.mark.e2e, pytest.mark.server, pytest.mark.timeout(600)]

FPS = 15
RETENTION_S = 3600
SHORT_S = 25
ENDED_S = 120.0
CANVAS = {"width": 320, "height": 180, "fps": FPS, "bitrate": 1500, "mixedVideoLayout": 1}
FIRST, SECOND = "71", "82"
LEFT, RIGHT, WHOLE = slice(0, 160), slice(160, 320), slice(None)  # columns
HALF = {"y_axis": 0, "width": 0.5, "height": 1}
SWAPPED = {
    "mixedVideoLayout": 3,
    "layoutConfig": [HALF | {"uid": SECOND, "x_axis": 0}, HALF | {"uid": FIRST, "x_axis": 0.5}],
}


@dataclass
class Stage:
    """A farm that keeps tapes, and one recording on it that has ended."""

    farm: Farm
    console: ConsoleClient
    sid: str
    length_s: float

    def cut(self, request: dict[str, Any], sid: str = "") -> dict[str, Any]:
        status, answer = self.console.recut(sid or self.sid, request)
        assert status == 202, answer
        return answer

    def ended(self, sid: str) -> dict[str, Any]:
        """The recording, once everything of it is there."""
        deadline = time.monotonic() + ENDED_S
        while True:
            status, answer = self.console.recording(sid)
            if status == 200 and answer["state"] in ("ended", "failed"):
                assert answer["state"] == "ended"
                return answer
            assert time.monotonic() < deadline, answer
            time.sleep(0.2)

    def again(self, request: dict[str, Any], sid: str = "") -> dict[str, Any]:
        return self.ended(self.cut(request, sid)["sid"])

    def media(self, answer: dict[str, Any], ending: str = ".m3u8") -> bytes:
        """What the one file with this ending holds, or what its playlist lists."""
        (key,) = [row["fileName"] for row in answer["files"] if row["fileName"].endswith(ending)]
        if ending != ".m3u8":
            return self.farm.bucket.get(key)
        assert self.farm.bucket.get(key).endswith(b"#EXT-X-ENDLIST\n")
        return decode.joined(part for _, part in self.farm.bucket.segments(key))

    def spool(self, sid: str) -> Path:
        return self.farm.data / "spool" / sid


def start(running: Farm, cname: str, **recording: Any) -> Recording:
    request = {
        "recordingConfig": {"channelType": 0, "transcodingConfig": CANVAS, **recording},
        "recordingFileConfig": {"avFileType": ["hls", "mp4"]},
        "storageConfig": running.storage(cname),
    }
    return running.agora.start(cname, "900", "mix", request)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    data = tmp_path_factory.mktemp("recut") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAPEFARM_TAPE_RETENTION_S", str(RETENTION_S))
        with (
            farm(data) as running,
            running.publisher("again", FIRST, "--pattern"),
            running.publisher("again", SECOND, "--pattern", "--video", "h264"),
            console_of(running) as console,
        ):
            recording = start(running, "again")
            until(recording.started_s + 9)
            look = {"mixedVideoLayout": 2, "maxResolutionUid": SECOND}
            assert recording.update_layout(look)[0] == 200
            until(recording.started_s + 21)
            status, answer = recording.stop()
            assert status == 200, answer
            yield Stage(running, console, recording.sid, 21.0)


def shown(picture: decode.Picture, columns: slice) -> int | None:
    """Whose picture is in these columns."""
    found = read_frame_number(picture.luma()[:, columns])
    return found[0] if found else None


def share(pictures: list[decode.Picture], columns: slice, uid: str) -> float:
    code = uid_code(uid)
    return sum(shown(one, columns) == code for one in pictures) / len(pictures)


def test_the_same_again_is_the_same_to_the_byte(stage: Stage) -> None:
    parent, again = stage.ended(stage.sid), stage.again({})
    assert again["cut_of"] == stage.sid
    assert again["sid"] in stage.console.recording(stage.sid)[1]["cuts"]
    assert stage.media(again) == stage.media(parent)
    assert len(stage.media(again)) > 100_000
    assert len(stage.media(again, ".mp4")) == len(stage.media(parent, ".mp4"))
    status, report = stage.console.report(again["sid"])
    assert (status, report["sid"]) == (200, again["sid"])


def test_another_layout_is_there_from_the_first_picture_to_the_last(stage: Stage) -> None:
    again = stage.again({"transcodingConfig": SWAPPED})
    pictures = list(decode.pictures(stage.media(again)))
    assert abs(len(pictures) / FPS - stage.length_s) < 1
    assert pictures[0].frame.width == CANVAS["width"]
    assert share(pictures, LEFT, SECOND) > 0.9
    assert share(pictures, RIGHT, FIRST) > 0.9
    film = list(decode.pictures(stage.media(again, ".mp4")))
    assert abs(len(film) - len(pictures)) <= 1


def test_another_canvas_and_only_segments(stage: Stage) -> None:
    picture = {"width": 640, "height": 360, "fps": 10, "mixedVideoLayout": 1}
    again = stage.again({"transcodingConfig": picture, "avFileType": ["hls"]})
    assert [row["fileName"].rpartition(".")[2] for row in again["files"]] == ["m3u8"]
    pictures = list(decode.pictures(stage.media(again)))
    assert (pictures[0].frame.width, pictures[0].frame.height) == (640, 360)
    assert abs(len(pictures) / 10 - stage.length_s) < 1
    assert share(pictures, slice(0, 320), FIRST) > 0.9


def test_only_whom_was_asked_for(stage: Stage) -> None:
    lists = {"audio": [SECOND], "video": [FIRST]}
    again = stage.again({"publishers": lists, "transcodingConfig": {"mixedVideoLayout": 1}})
    data = stage.media(again)
    pictures = list(decode.pictures(data))
    # The one who is only heard has a region without a picture.
    seen = {shown(one, columns) for one in pictures for columns in (LEFT, RIGHT, WHOLE)}
    assert uid_code(FIRST) in seen
    assert uid_code(SECOND) not in seen
    sound = decode.sound(data)
    assert pattern.heard(sound, SECOND, from_s=sound.start_s + 2, until_s=sound.end_s - 1) > 0.9
    assert pattern.heard(sound, FIRST, from_s=sound.start_s + 2, until_s=sound.end_s - 1) < 0.1


def test_a_mix_becomes_individual(stage: Stage) -> None:
    again = stage.again({"mode": "individual"})
    stems = {row["uid"]: {} for row in again["files"]}
    for row in again["files"]:
        stems[row["uid"]][row["trackType"]] = row["fileName"]
    assert stems.keys() == {FIRST, SECOND}
    for uid, files in stems.items():
        assert files.keys() == {"audio", "video"}
        parts = stage.farm.bucket.segments(files["video"])
        pictures = [one for _, part in parts for one in decode.pictures(part)]
        assert share(pictures, WHOLE, uid) > 0.9
        assert pattern.watch(pictures).missing_share < 0.02
        sound = decode.sound(
            decode.joined(part for _, part in stage.farm.bucket.segments(files["audio"]))
        )
        assert pattern.heard(sound, uid, from_s=sound.start_s + 1, until_s=sound.end_s - 1) > 0.9


def test_one_publisher_apart(stage: Stage) -> None:
    again = stage.again({"mode": "individual", "publishers": {"audio": [FIRST], "video": [SECOND]}})
    names = [row["fileName"].rpartition("__uid_s_")[2] for row in again["files"]]
    assert sorted(names) == [f"{FIRST}__uid_e_audio.m3u8", f"{SECOND}__uid_e_video.m3u8"]


def test_a_mix_becomes_webm(stage: Stage) -> None:
    again = stage.again({"mode": "individual", "avFileType": ["webm"]})
    files = {(row["uid"], row["trackType"]): row["fileName"] for row in again["files"]}
    # H.264 does not go into WebM.
    assert files.keys() == {(FIRST, "audio"), (FIRST, "video"), (SECOND, "audio")}
    film = stage.farm.bucket.get(files[FIRST, "video"])
    pictures = list(decode.pictures(film))
    assert share(pictures, WHOLE, FIRST) > 0.9
    assert pattern.watch(pictures).missing_share < 0.02
    assert pictures[-1].time_s > stage.length_s - 3
    with av.open(io.BytesIO(film)) as container:
        assert container.duration is not None
        assert abs(container.duration / av.time_base - pictures[-1].time_s) < 0.5
    for uid in (FIRST, SECOND):
        sound = decode.sound(stage.farm.bucket.get(files[uid, "audio"]))
        assert pattern.heard(sound, uid, from_s=sound.start_s + 1, until_s=sound.end_s - 1) > 0.9


def test_individual_again_is_the_same_to_the_byte(stage: Stage) -> None:
    """Whether a slice was cut while more was to come makes no difference."""
    first = stage.again({"mode": "individual", "streamMode": "standard"})
    second = stage.again({}, first["sid"])
    assert len(first["files"]) == len(second["files"]) > 4
    for one, other in zip(first["files"], second["files"], strict=True):
        names = one["fileName"], other["fileName"]
        assert names[0].partition("__")[2] == names[1].partition("__")[2]
        if not names[0].endswith("av.m3u8") and names[0].endswith(".m3u8"):
            one_media, other_media = (
                [data for _, data in stage.farm.bucket.segments(name)] for name in names
            )
            assert one_media == other_media


def test_a_cut_again_can_be_cut_again(stage: Stage) -> None:
    first = stage.cut({"transcodingConfig": SWAPPED})
    second = stage.again({"publishers": {"audio": [FIRST], "video": [FIRST]}}, first["sid"])
    assert second["cut_of"] == stage.sid
    pictures = list(decode.pictures(stage.media(second)))
    assert share(pictures, RIGHT, FIRST) > 0.9
    assert share(pictures, LEFT, SECOND) == 0
    stage.ended(first["sid"])


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"mode": "raw"}, "mode"),
        ({"layout": 2}, "layout"),
        ({"transcodingConfig": {"width": 5000}}, "transcodingConfig.width"),
        ({"transcodingConfig": {"width": 1920, "height": 1920}}, "transcodingConfig.width"),
        ({"transcodingConfig": {"mixedVideoLayout": 3}}, "transcodingConfig.layoutConfig"),
        ({"avFileType": ["webm"]}, "avFileType"),
        ({"mode": "individual", "transcodingConfig": SWAPPED}, "mode"),
        ({"publishers": {"audio": [], "video": []}}, "publishers"),
    ],
)
def test_what_makes_no_sense_is_refused(stage: Stage, request_: dict[str, Any], words: str) -> None:
    before = stage.console.recording(stage.sid)[1]["cuts"]
    status, answer = stage.console.recut(stage.sid, request_)
    assert status == 400, answer
    assert words in answer["message"]
    assert stage.console.recording(stage.sid)[1]["cuts"] == before


def test_the_command_line(stage: Stage) -> None:
    done = _recut(stage, stage.sid, "--layout", "1", "--publishers", SECOND, "--format", "hls")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["state"] == "ended"
    assert share(list(decode.pictures(stage.media(answer))), WHOLE, SECOND) > 0.9
    secret = stage.farm.facts["s3"]["secret_key"]
    assert secret not in done.stdout + done.stderr


def test_the_command_line_says_what_is_wrong(stage: Stage, tmp_path: Path) -> None:
    unknown = _recut(stage, "0" * 32)
    assert (unknown.returncode, unknown.stderr) == (1, "tapefarm: no such recording (404)\n")
    wrong = _recut(stage, stage.sid, "--mode", "individual", "--layout", "1")
    assert (wrong.returncode, "Only a mix" in wrong.stderr) == (1, True)
    nowhere = _recut(stage, stage.sid, "--data", str(tmp_path))
    assert (nowhere.returncode, "farm.json" in nowhere.stderr) == (1, True)


def _recut(stage: Stage, sid: str, *options: str) -> "subprocess.CompletedProcess[str]":
    where = () if "--data" in options else ("--data", str(stage.farm.data))
    return subprocess.run(
        [*COMMAND, "recut", sid, *options, *where, "--wait"],
        capture_output=True,
        text=True,
        check=False,
        timeout=ENDED_S,
    )


def test_a_recording_that_runs_is_followed_to_its_end(stage: Stage) -> None:
    recording = start(stage.farm, "again")
    assert stage.console.recut(recording.sid, {})[0] in (202, 409)
    until(recording.started_s + 8)
    cut = stage.cut({"transcodingConfig": SWAPPED}, recording.sid)
    until(recording.started_s + 24)
    status, now = stage.console.recording(cut["sid"])
    assert (status, now["state"]) == (200, "delivering")
    assert now["files"], "the first slice is there while the recording runs"
    assert recording.stop()[0] == 200
    again = stage.ended(cut["sid"])
    pictures = list(decode.pictures(stage.media(again)))
    parent = list(decode.pictures(stage.media(stage.ended(recording.sid))))
    assert abs(len(pictures) - len(parent)) <= 1
    assert share(pictures, LEFT, SECOND) > 0.85  # who came first is there from the first picture


def test_cut_again_while_its_recording_is_delivered(stage: Stage) -> None:
    recording = start(stage.farm, "again")
    until(recording.started_s + 6)
    with ThreadPoolExecutor(4) as pool:
        stopped = pool.submit(recording.stop, wait=False)
        time.sleep(0.05)
        cuts = [
            pool.submit(stage.console.recut, recording.sid, {"transcodingConfig": SWAPPED})
            for _ in range(3)
        ]
    assert stopped.result()[0] == 200
    lengths = set()
    for cut in cuts:
        status, answer = cut.result()
        assert status == 202, answer
        lengths.add(len(list(decode.pictures(stage.media(stage.ended(answer["sid"]))))))
    assert len(lengths) == 1


def test_cutters_are_killed_and_redis_loses_everything(
    tmp_path: Path, need: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    need("redis-server")
    monkeypatch.setenv("TAPEFARM_TAPE_RETENTION_S", str(RETENTION_S))
    with (
        farm(tmp_path / "data") as running,
        running.publisher("again", FIRST, "--pattern"),
        running.publisher("again", SECOND, "--pattern"),
        console_of(running) as console,
    ):
        recording = start(running, "again")
        until(recording.started_s + 18)
        assert recording.stop()[0] == 200
        _hurt(Stage(running, console, recording.sid, 18))


def _hurt(stage: Stage) -> None:
    cuts = [stage.cut({"transcodingConfig": SWAPPED})["sid"] for _ in range(3)]
    cuts.append(stage.cut({"mode": "individual"})["sid"])
    for _ in range(3):
        time.sleep(0.7)
        stage.farm.reload()
        os.kill(stage.farm.facts["pids"]["cutter"][0], signal.SIGKILL)
    time.sleep(0.5)
    with redis.Redis.from_url(stage.farm.facts["redis"]) as client:
        everything = b"".join(
            str(client.hgetall(key)).encode() for key in client.scan_iter(keys.recording("*"))
        )
        client.flushall()
    assert stage.farm.facts["s3"]["secret_key"].encode() not in everything
    answers = {sid: _found(stage, sid) for sid in cuts}
    films = {stage.media(answers[sid]) for sid in cuts[:3]}
    assert len(films) == 1, "every cut gives the same"
    pictures = list(decode.pictures(films.pop()))
    assert abs(len(pictures) / FPS - stage.length_s) < 1
    assert share(pictures, LEFT, SECOND) > 0.9
    assert {row["uid"] for row in answers[cuts[3]]["files"]} == {FIRST, SECOND}
    parent = _found(stage, stage.sid)
    assert parent["files"], "what has ended is known again while its tape is kept"
    assert parent["tape"]["kept_until_ms"]
    stage.again({})


def _found(stage: Stage, sid: str) -> dict[str, Any]:
    """A recording that Redis may have forgotten, or that was over before it did."""
    deadline = time.monotonic() + ENDED_S
    while True:
        status, answer = stage.console.recording(sid)
        if status == 200 and answer["state"] == "ended":
            return answer
        if status == 404 and not stage.spool(sid).exists():
            return {"files": _files(stage, sid)}
        assert time.monotonic() < deadline, answer
        time.sleep(0.2)


def _files(stage: Stage, sid: str) -> list[dict[str, Any]]:
    names = [name for name in stage.farm.bucket.names("again/") if sid in name]
    listed = [name for name in names if re.search(r"(?<!av)\.m3u8$", name)]
    return [
        {"fileName": name, "uid": name.partition("uid_s_")[2].partition("__")[0]} for name in listed
    ]


def test_a_tape_goes_when_its_time_is_over(
    tmp_path: Path, need: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    need("redis-server")
    monkeypatch.setenv("TAPEFARM_TAPE_RETENTION_S", str(SHORT_S))
    with (
        farm(tmp_path / "data") as running,
        running.publisher("again", FIRST, "--pattern"),
        console_of(running) as console,
    ):
        recording = start(running, "again")
        until(recording.started_s + 4)
        assert recording.stop()[0] == 200
        stage = Stage(running, console, recording.sid, 4)
        until_s = stage.ended(recording.sid)["tape"]["kept_until_ms"] / 1000
        assert abs(until_s - time.time() - SHORT_S) < SHORT_S / 2
        stage.again({})
        while time.time() < until_s - 1:
            assert list((stage.spool(stage.sid) / "tape").glob("*.pcapng"))
            assert spool_bytes(running) >= 0
            time.sleep(0.5)
        assert spool_bytes(running) > 10_000
        _gone(stage)
        assert stage.console.recording(stage.sid)[1]["tape"]["from_ms"] is None
        deadline = time.time() + 30
        while spool_bytes(running):
            assert time.time() < deadline
            time.sleep(0.5)


def spool_bytes(running: Farm) -> float:
    text = httpx.get(running.facts["metrics"]["reconciler"], trust_env=False).text
    return float(re.search(r"^tapefarm_spool_bytes (\S+)", text, re.MULTILINE)[1])  # type: ignore[index]


def console_of(running: Farm) -> ConsoleClient:
    pair = running.facts["customer_key"], running.facts["customer_secret"]
    return ConsoleClient(running.facts["api"], *pair)


def _gone(stage: Stage) -> None:
    """Nothing stays in the spool, and who comes now is too late."""
    deadline = time.time() + 60
    while any((stage.farm.data / "spool").iterdir()):
        assert time.time() < deadline, list((stage.farm.data / "spool").iterdir())
        time.sleep(0.2)
    assert stage.console.recut(stage.sid, {})[0] == 410
    assert stage.console.recut("0" * 32, {})[0] == 404


def test_without_retention_only_what_is_on_tape(
    tmp_path: Path, need: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    need("redis-server")
    monkeypatch.setenv("TAPEFARM_TAPE_RETENTION_S", "0")
    with (
        farm(tmp_path / "data") as running,
        running.publisher("again", FIRST, "--pattern"),
        running.publisher("again", SECOND, "--pattern"),
        console_of(running) as console,
    ):
        request = {"recordingConfig": {"channelType": 0}, "storageConfig": running.storage("a")}
        recording = running.agora.start("again", "900", "individual", request)
        stage = Stage(running, console, recording.sid, 0)
        until(recording.started_s + 42)
        origin_ms = console.recording(recording.sid)[1]["from_ms"]
        cut = stage.cut({"mode": "mix", "transcodingConfig": CANVAS | SWAPPED})
        assert (cut["from_ms"] - origin_ms) in (15_000, 30_000)
        until(recording.started_s + 52)
        stopped_s = time.time()
        assert recording.stop()[0] == 200
        pictures = list(decode.pictures(stage.media(stage.ended(cut["sid"]))))
        assert abs(len(pictures) / FPS - (stopped_s - cut["from_ms"] / 1000)) < 1
        assert share(pictures, LEFT, SECOND) > 0.8  # it begins with a key frame
        _gone(stage)
