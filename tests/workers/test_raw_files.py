"""Files of mode ``raw``: their names, which piece is in which, and an MP3 on its way."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from media.cut.model import Segment
from media.tape.model import NS, Source
from tests.workers.buckets import S3Server
from tests.workers.grown import FARM_KEY
from workers.apps import Apps
from workers.callbacks.outbox import Outbox
from workers.cutter.names import segment_names
from workers.job import naming
from workers.job.errors import BadRecut
from workers.job.recut import Recut
from workers.job.sealed import seal
from workers.job.spec import Mode, RecordingSpec
from workers.job.state import State
from workers.metrics.metrics import Metrics
from workers.settings import App
from workers.spool.damage import crc_of
from workers.spool.spool import Closed, Folder, SegmentFile, Spool, StoredPiece, Unit
from workers.storage.multipart import S3Multipart
from workers.store.store import Store
from workers.uploader import growing_files, notices, playlists, spans
from workers.uploader.uploader import Uploader

Make = Callable[..., RecordingSpec]
SID = "0" * 32
T0 = 1_760_000_000 * NS  # 2025-10-09T08:53:20Z
STEM = f"{SID}_room-7__uid_s_101__uid_e_"
PART = 64 * 1024
TOLD = (
    App(app_id="app", customer_key="k", customer_secret=SecretStr("s"), callback_url="http://x"),
)


def made(container: str, source: Source, index: str = "", number: int = 0) -> Segment:
    kind = "audio" if source in (Source.MICROPHONE, Source.SCREEN_AUDIO) else "video"
    return Segment(
        "101",
        kind,  # type: ignore[arg-type]  # one of them
        source,
        container,  # type: ignore[arg-type]
        Path("x"),
        T0,
        15.0,
        discontinuity=True,
        index=index,
        number=number,
        listed=container == "ts",
    )


@pytest.mark.parametrize(
    ("segment", "names"),
    [
        (made("ts", Source.CAMERA, "h264"), ("20251009085320000_h264.ts", "h264.m3u8", "")),
        (made("ts", Source.MICROPHONE, "h264"), ("20251009085320000_h264.ts", "h264.m3u8", "")),
        (made("ts", Source.MICROPHONE, "aac"), ("20251009085320000_aac.ts", "aac.m3u8", "")),
        (made("webm", Source.CAMERA, "vp8", 3), ("1_3_vp8.webm", "", "vp8.mpd")),
        (made("webm", Source.MICROPHONE, "vp8", 12), ("0_12_vp8.webm", "", "vp8.mpd")),
        (made("jpg", Source.CAMERA), ("20251009085320000.jpg", "", "")),
        (
            made("ts", Source.SCREEN, "h264"),
            ("screen_20251009085320000_h264.ts", "screen_h264.m3u8", ""),
        ),
        (
            made("webm", Source.SCREEN_AUDIO, "vp9"),
            ("screen_0_0_vp9.webm", "", "screen_vp9.mpd"),
        ),
    ],
)
def test_names_are_those_of_the_reference(
    make_spec: Make, segment: Segment, names: tuple[str, ...]
) -> None:
    found = segment_names(make_spec(mode=Mode.RAW), segment)
    assert found == tuple(STEM + name if name else "" for name in names)


def piece(number: int, row: str, codec: str = "h264", **more: object) -> StoredPiece:
    values = {
        "name": f"{number:06d}-0",
        "kind": "mp4",
        "start_ns": T0 + number * 15 * NS,
        "duration_s": 15.0,
        "bytes": 1000,
        "stretch": row,
        "uid": "101",
        "source": "camera",
        "codec": codec,
        "media": "audio_and_video",
    }
    return StoredPiece(**(values | more))


def unit(number: int, *pieces: StoredPiece, final: bool = False) -> Unit:
    return Unit(
        number=number,
        start_ns=T0 + number * 15 * NS,
        end_ns=T0 + (number + 1) * 15 * NS,
        final=final,
        segments=(),
        cursor={},
        keep_from_ns=0,
        pieces=pieces,
    )


def test_each_publisher_has_rows_of_files_counted_from_0(
    make_spec: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media.mux.file_numbers.LONGEST_NS", 30 * NS)
    own = [
        piece(0, "101-microphone-0", "aac", source="microphone", media="audio"),
        *(piece(number, "101-microphone-1") for number in range(1, 5)),
        piece(5, "101-microphone-2", media="video"),
    ]
    screen = piece(1, "101-screen_audio-0", source="screen")
    other = piece(1, "7-microphone-0", uid="7")
    units = [
        unit(0, own[0]),
        unit(1, own[1], screen, other),
        *(unit(n, own[n]) for n in range(2, 6)),
    ]
    found = growing_files.of(make_spec(mode=Mode.RAW, mp4=True), units)
    assert [(one.name, len(one.pieces), one.closed, one.track_type) for one in found] == [
        (f"{STEM}0_aac.mp4", 1, True, "audio"),
        (f"{STEM}1_h264.mp4", 2, True, "audio_and_video"),
        (f"{STEM}2_h264.mp4", 2, True, "audio_and_video"),
        (f"{STEM}3_h264.mp4", 1, False, "video"),
        (f"{STEM}screen_0_h264.mp4", 1, False, "audio_and_video"),
        (f"{SID}_room-7__uid_s_7__uid_e_0_h264.mp4", 1, False, "audio_and_video"),
    ]
    done = growing_files.of(make_spec(mode=Mode.RAW, mp4=True), [*units, unit(6, final=True)])
    assert all(one.closed for one in done)
    entry = growing_files.entry(make_spec(mode=Mode.RAW, mp4=True), done[0])
    assert (entry.uid, entry.mixed, entry.playable) == ("101", False, True)


def listed(kind: str, number: int, *, discontinuity: bool = False, width: int = 640) -> SegmentFile:
    return SegmentFile(
        name=f"{STEM}{number}_h264.ts",
        playlist=f"{STEM}h264.m3u8",
        uid="101",
        kind=kind,
        source="microphone" if kind == "audio" else "camera",
        container="ts",
        codec="aac" if kind == "audio" else "h264",
        start_ns=T0 + number * 15 * NS,
        duration_s=15.0,
        discontinuity=discontinuity,
        resumed=discontinuity,
        width=0 if kind == "audio" else width,
        height=0 if kind == "audio" else 360,
    )


def test_one_index_lists_sound_and_pictures(make_spec: Make) -> None:
    row = (
        listed("audio_and_video", 0, discontinuity=True),
        listed("audio", 1, discontinuity=True),
        listed("audio_and_video", 2, discontinuity=True),
    )
    line = playlists.Line(row[0].playlist, row, whole=True)
    entry = playlists.entry(make_spec(mode=Mode.RAW), line)
    assert (entry.track_type, entry.playable, entry.uid) == ("audio_and_video", True, "101")
    text = playlists.text(line)
    assert "#EXT-X-TARGETDURATION:18\n" in text  # pictures end at key frames
    assert text.count("#EXT-X-DISCONTINUITY\n") == 3
    sound = playlists.Line(row[0].playlist, row[1:2], whole=False)
    assert "#EXT-X-TARGETDURATION:18\n" in playlists.text(sound)  # it must not change later
    assert playlists.entry(make_spec(mode=Mode.RAW), sound).track_type == "audio"


def test_a_track_that_begins_is_told_and_not_the_one_that_goes_on() -> None:
    both = "audio_and_video"
    row = [
        listed("video", 0, discontinuity=True),
        listed(both, 1).model_copy(update={"discontinuity": True}),  # somebody begins to speak
        listed("audio", 2).model_copy(update={"discontinuity": True}),  # without pictures
        listed(both, 3, discontinuity=True),  # pictures are back
        listed("audio", 4).model_copy(update={"discontinuity": True}),
        listed(both, 9, discontinuity=True),  # away for a while
        listed(both, 12, discontinuity=True),
    ]
    begun: list[list[str]] = []
    for text in playlists.text(playlists.Line("x", tuple(row), whole=True)).splitlines():
        if text == "#EXT-X-DISCONTINUITY":
            begun.append([])
        elif "TRACK-EVENT" in text:
            begun[-1] += re.findall(r"TRACK_TYPE=(\w+),", text)
    sound, pictures, everything = ["AUDIO"], ["VIDEO"], ["AUDIO", "VIDEO"]
    assert begun == [pictures, sound, [], pictures, [], everything, everything]


def test_recuts_are_no_raw_ones(make_spec: Make) -> None:
    parent = make_spec(mode=Mode.RAW, mp3=True)
    with pytest.raises(BadRecut):
        Recut().spec(parent, "1" * 32, T0)
    mixed = Recut(mode=Mode.MIX).spec(parent, "1" * 32, T0)
    assert (mixed.mode, mixed.mp3, mixed.grows) == (Mode.MIX, False, False)


def _uploader(store: Store, spool: Spool) -> Uploader:
    return Uploader(store, spool, Outbox(store.client, Apps(())), Metrics())


def _stored(folder: Folder, scratch: Path, number: int, data: bytes) -> StoredPiece:
    payload, index = scratch / "payload", scratch / "index"
    payload.write_bytes(data)
    index.write_text("{}")
    crcs = {"payload_crc": crc_of(payload), "index_crc": crc_of(index)}
    one = piece(number, "101-microphone", "mp3", kind="mp3", media="audio", bytes=len(data), **crcs)
    one = one.model_copy(update={"source": "microphone"})
    folder.adopt_piece(payload, index, one.name)
    return one


@pytest.mark.server
def test_where_media_begins_is_told_of_both_kinds_of_index(make_spec: Make, store: Store) -> None:
    outbox, spec = Outbox(store.client, Apps(TOLD)), make_spec(mode=Mode.RAW)
    first = listed("audio_and_video", 0, discontinuity=True)
    webm = [
        first.model_copy(update={"name": f"{kind}-{n}", "kind": kind, "start_ns": T0 + n * 20 * NS})
        for kind in ("audio", "video")
        for n in range(2)
    ]
    for row, merged in (((first, listed("audio", 1)), False), (webm, True)):
        line = playlists.Line("x", tuple(row), whole=True, merged=merged)
        entry = playlists.entry(spec, line)
        rows = [json.loads(n.text) for n in notices.of_playlist(outbox, spec, line, entry, 0)]
        begun = [one["payload"]["details"] for one in rows if one["eventType"] == 42]
        times = [(one["trackType"], one["startUtcMs"] - one["discontinueUtcMs"]) for one in begun]
        both = [(kind, after_ms) for kind in ("audio", "video") for after_ms in (0, 5000)]
        assert times == (both if merged else [("audio_and_video", 0)])
        assert {one["payload"]["serviceScene"] for one in rows} == {"rtsc/raw-recording"}


class Killed(BaseException):
    """Nobody catches it, as nobody catches SIGKILL."""


@pytest.mark.server
@pytest.mark.parametrize(
    ("dies_at", "size"), [("begin", PART + 1), ("part", 3 * PART - 1), ("complete", PART)]
)
def test_an_mp3_arrives_whole_whoever_dies(
    s3: S3Server,
    store: Store,
    make_spec: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dies_at: str,
    size: int,
) -> None:
    monkeypatch.setattr(spans, "PART_BYTES", PART)
    spec = make_spec(mode=Mode.RAW, mp3=True, storage=s3.storage, accepted_ns=T0)
    spool = Spool(tmp_path / "spool")
    folder = spool.folder(SID)
    folder.make(seal(spec, FARM_KEY))
    store.heartbeat("recorder-a", 10, ttl_s=600)
    store.start(spec, SID)
    claim = store.claim(SID, "recorder-a", 600)
    assert claim is not None
    whole = b""
    for number in range(3):
        data = bytes([number]) * size
        whole += data
        folder.save_unit(unit(number, _stored(folder, tmp_path, number, data), final=number == 2))
    folder.close(Closed(origin_ns=T0, end_ns=T0 + 45 * NS, units=3, reason="stopped"))
    store.tape_closed(claim, spec, origin_ns=T0, end_ns=T0 + 45 * NS, units_sealed=3)

    def dying(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as deadly, pytest.raises(Killed):
        deadly.setattr(S3Multipart, dies_at, dying)
        _uploader(store, spool).upload(SID, "")
    _uploader(store, spool).upload(SID, "")
    name = naming.raw(spec, "101", "0_mp3.mp3")
    assert s3.content(f"a/b/{name}") == whole
    assert s3.unfinished(f"a/b/{name}") == []
    (file,) = store.files(SID)
    assert (file.name, file.track_type, file.playable) == (f"a/b/{name}", "audio", True)
    row = store.row(SID)
    assert row is not None
    assert row.state is State.ENDED
