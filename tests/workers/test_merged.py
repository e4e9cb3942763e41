"""The merged indices of stream mode ``standard``, and the tags of single ones."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from media.cut.model import Segment
from media.tape.model import NS, Source
from tests.workers.grown import MadeUpMix
from workers.apps import Apps
from workers.callbacks.outbox import Outbox
from workers.cutter.plan import is_merged
from workers.job.spec import Mode
from workers.job.state import State
from workers.metrics.metrics import Metrics
from workers.spool.spool import Delivery, SegmentFile, Spool, Unit
from workers.uploader import playlists
from workers.uploader.uploader import Uploader

T0 = 1_760_000_000 * NS
DASH = "{urn:mpeg:dash:schema:mpd:2011}"


def made(kind: str, container: str, number: int, **more: object) -> SegmentFile:
    stem = f"s_c__uid_s_7__uid_e_{kind}"
    merged = f"s_c__uid_s_7__uid_e_av.{'mpd' if container == 'webm' else 'm3u8'}"
    codec, profile = {
        ("audio", "ts"): ("aac", "mp4a.40.2"),
        ("audio", "webm"): ("opus", "opus"),
        ("video", "ts"): ("h264", "avc1.42e01f"),
        ("video", "webm"): ("vp8", "vp8"),
    }[kind, container]
    size = {"width": 640, "height": 360} if kind == "video" else {}
    values = {
        "name": f"{stem}_{number}.{container}",
        "playlist": f"{stem}.m3u8",
        "uid": "7",
        "kind": kind,
        "source": "camera" if kind == "video" else "microphone",
        "container": container,
        "codec": codec,
        "start_ns": T0 + number * 15 * NS,
        "duration_s": 15.0,
        "discontinuity": number == 0,
        "resumed": number == 0,
        "profile": profile,
        "bytes": 150_000,
        "merged": merged,
        **size,
    }
    if (kind, container) == ("audio", "webm"):
        values["playlist"] = ""
    return SegmentFile(**{**values, **more})


def units(*slices: tuple[SegmentFile, ...], final: bool = True) -> list[Unit]:
    return [
        Unit(
            number=n,
            start_ns=T0 + n * 15 * NS,
            end_ns=T0 + (n + 1) * 15 * NS,
            final=final and n == len(slices) - 1,
            segments=slices[n],
            cursor={},
            keep_from_ns=0,
        )
        for n in range(len(slices))
    ]


def indices(cut: list[Unit], lacking: tuple[str, ...] = ()) -> dict[str, playlists.Line]:
    found = playlists.lines(cut, lambda name: name not in lacking)
    return {line.name.rpartition("_")[2]: line for line in found}


HLS = [(made("audio", "ts", n), made("video", "ts", n)) for n in range(2)]
WEB = [(made("audio", "ts", n), made("audio", "webm", n), made("video", "webm", n)) for n in (0, 1)]


def test_the_merged_playlist_refers_to_both_as_known_readers_expect() -> None:
    found = indices(units(*HLS))
    assert list(found) == ["audio.m3u8", "video.m3u8", "av.m3u8"]
    lines = playlists.text(found["av.m3u8"]).splitlines()
    assert lines == [
        "#EXTM3U",
        "#EXT-X-VERSION:4",
        "# Audio",
        (
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="audio",DEFAULT=YES,AUTOSELECT=YES,'
            'URI="s_c__uid_s_7__uid_e_audio.m3u8"'
        ),
        "# Video",
        (
            '#EXT-X-STREAM-INF:BANDWIDTH=160000,CODECS="avc1.42e01f,mp4a.40.2",'
            'RESOLUTION=640x360,AUDIO="audio"'
        ),
        "s_c__uid_s_7__uid_e_video.m3u8",
    ]
    for comment, name in (("# Audio", "audio.m3u8"), ("# Video", "video.m3u8")):
        following = lines[lines.index(comment) + 1 :]
        hits = (re.search(r"[a-z0-9_-]*\.m3u8", line) for line in following)
        assert next(hit[0] for hit in hits if hit).endswith(name)


def test_who_sends_no_pictures_has_a_merged_playlist_at_the_end_only() -> None:
    sound = [(made("audio", "ts", 0),)]
    assert list(indices(units(*sound, final=False))) == ["audio.m3u8"]
    found = indices(units(*sound))
    text = playlists.text(found["av.m3u8"])
    assert "# Audio\n" in text
    assert "# Video" not in text
    assert text.endswith("audio.m3u8\n")
    assert found["av.m3u8"].whole


def test_whose_pictures_never_made_a_file_has_the_playlist_of_its_sound() -> None:
    found = indices(units(WEB[0][:2]))
    assert list(found) == ["audio.m3u8", "av.m3u8"]


def test_a_publisher_without_sound_has_one_too() -> None:
    text = playlists.text(indices(units((made("video", "ts", 0),)))["av.m3u8"])
    assert "# Audio" not in text
    assert 'CODECS="avc1.42e01f",RESOLUTION=640x360\n' in text


def test_it_is_written_anew_with_every_segment_and_whole_when_both_are() -> None:
    first = indices(units(*HLS, final=False))["av.m3u8"]
    assert (len(first.segments), first.whole) == (4, False)
    held_up = indices(units(*HLS), (HLS[1][0].name,))["av.m3u8"]
    assert (len(held_up.segments), held_up.whole) == (3, False)
    assert indices(units(*HLS))["av.m3u8"].whole


def test_vp8_gives_a_manifest_and_no_merged_playlist() -> None:
    found = indices(units(*WEB))
    assert list(found) == ["audio.m3u8", "video.m3u8", "av.mpd"]
    plain = playlists.text(found["audio.m3u8"])
    assert "webm" not in plain
    root = ElementTree.fromstring(playlists.text(found["av.mpd"]))  # noqa: S314  # our own
    assert root.attrib["type"] == "static"
    assert root.attrib["mediaPresentationDuration"] == "PT30.000S"
    for kind in ("audio", "video"):
        (chosen,) = (s for s in root.iter(f"{DASH}AdaptationSet") if s.get("contentType") == kind)
        names = [one.attrib["media"] for one in chosen.iter(f"{DASH}SegmentURL")]
        assert names == [f"s_c__uid_s_7__uid_e_{kind}_{n}.webm" for n in range(2)]
        times = [(one.attrib["t"], one.attrib["d"]) for one in chosen.iter(f"{DASH}S")]
        assert times == [("0", "15000"), ("15000", "15000")]


def test_a_manifest_that_grows_is_dynamic() -> None:
    line = indices(units(*WEB, final=False))["av.mpd"]
    root = ElementTree.fromstring(playlists.text(line))  # noqa: S314  # our own
    assert root.attrib["type"] == "dynamic"
    assert {"availabilityStartTime", "publishTime", "minimumUpdatePeriod"} <= set(root.attrib)


def test_a_manifest_tells_looks_and_interruptions_as_known_readers_read_them() -> None:
    """Line by line, with the expressions of a published converter."""
    turned = WEB[1][2].model_copy(
        update={"rotation": 90, "resumed": True, "turns": ((T0 + 20 * NS, 0),)}
    )
    line = indices(units(WEB[0], (*WEB[1][:2], turned)))["av.mpd"]
    looks, starts, files, section = [], [], [], ""
    for row in playlists.text(line).splitlines():
        section = "video" if "video" in row else "audio" if "audio" in row else section
        look = re.match(r'.*width="(\d+)" height="(\d+)" rotate="(\d+)" time="(\d+)"', row)
        start = re.match(r'.*ExtDiscontinuity time="(\d+)"', row)
        file = re.match(r'.*media="((.*)_([a-zA-Z]+)_([0-9]+).*)"', row)
        looks += [(section, *look.groups())] if look else []
        starts += [(section, start[1])] if start else []
        files += [(section, file[3])] if file else []
    assert looks == [
        ("video", "640", "360", "0", "20251009085320000"),
        ("video", "640", "360", "270", "20251009085335000"),
        ("video", "640", "360", "0", "20251009085340000"),
    ]
    assert starts == [
        ("audio", "20251009085320000"),
        ("video", "20251009085320000"),
        ("video", "20251009085335000"),
    ]
    assert files == [("audio", "audio")] * 2 + [("video", "video")] * 2


def test_who_changes_family_has_both_indices() -> None:
    found = indices(units(WEB[0], HLS[1]))
    assert list(found) == ["audio.m3u8", "video.m3u8", "av.m3u8", "av.mpd"]
    assert "webm" not in playlists.text(found["av.m3u8"])
    manifest = playlists.text(found["av.mpd"])
    assert manifest.count("SegmentURL media=") == 2
    assert ".ts" not in manifest


def test_merged_indices_are_named_to_the_customer(make_spec) -> None:  # type: ignore[no-untyped-def]
    spec = make_spec(mode=Mode.INDIVIDUAL)
    for cut, name, playable in ((HLS, "av.m3u8", True), (WEB, "av.mpd", False)):
        entry = playlists.entry(spec, indices(units(*cut))[name])
        assert entry.name.endswith(f"__uid_e_{name}")
        assert (entry.track_type, entry.uid, entry.mixed) == ("audio_and_video", "7", False)
        assert (entry.playable, entry.slice_start_ms) == (playable, T0 // 1_000_000)


@pytest.mark.parametrize("container", ["jpg", "wav"])
def test_only_segments_of_both_media_of_standard_are_merged(make_spec, container, tmp_path) -> None:  # type: ignore[no-untyped-def]
    spec = make_spec(mode=Mode.INDIVIDUAL, stream_mode="standard")
    segment = Segment("7", "video", Source.CAMERA, "ts", tmp_path, T0, 15.0, discontinuity=True)
    assert is_merged(spec, segment)
    assert not is_merged(spec, replace(segment, source=Source.SCREEN))
    assert not is_merged(spec, replace(segment, container=container))
    for change in ({"stream_mode": "default"}, {"audio": False}, {"video": False}):
        assert not is_merged(spec.model_copy(update=change), segment)


def test_pictures_are_listed_nowhere_and_yet_must_be_there() -> None:
    shot = made("video", "ts", 0).model_copy(
        update={"name": "x.jpg", "playlist": "", "merged": "", "container": "jpg"}
    )
    cut = units((*HLS[0], shot))
    assert all(shot not in line.segments for line in playlists.lines(cut, lambda _: True))
    assert playlists.complete(cut, lambda _: True)
    assert not playlists.complete(cut, lambda name: name != "x.jpg")


def rotate_lines(*segments: SegmentFile) -> list[list[tuple[str, ...]]]:
    """WIDTH, HEIGHT, ROTATE and the seconds of TIME, by segment."""
    text = playlists.text(playlists.Line("x.m3u8", segments, whole=True))
    pattern = r"#EXT-X-AGORA-ROTATE:WIDTH=(\d+),HEIGHT=(\d+),ROTATE=(\d+),TIME=\d{12}(\d\d)"
    return [re.findall(pattern, part) for part in re.split(r"(?m)^[^#].*$", text)[:-1]]


def test_rotation_is_told_anticlockwise_and_each_turn_before_its_segment() -> None:
    first = made("video", "ts", 0, turns=((T0 + 5 * NS, 90), (T0 + 9 * NS, 180)))
    second = made("video", "ts", 1, rotation=180)
    third = made("video", "ts", 2, rotation=180)
    fourth = made("video", "ts", 3, width=360, height=640, rotation=180)
    assert rotate_lines(first, second, third, fourth) == [
        [("640", "360", "0", "20"), ("640", "360", "270", "25"), ("640", "360", "180", "29")],
        [("640", "360", "180", "35")],
        [],
        [("360", "640", "180", "05")],
    ]


@pytest.mark.server
def test_a_file_that_comes_while_indices_are_made_does_not_end_a_recording_without_its_own(  # type: ignore[no-untyped-def]
    s3, store, make_spec, tmp_path, monkeypatch
) -> None:
    """Two threads bring the last two files of an index at the same time."""
    spec = make_spec(mode=Mode.RAW, storage=s3.storage, accepted_ns=T0)
    spool = Spool(tmp_path / "spool")
    mix = MadeUpMix(spec, store, spool, tmp_path / "scratch")
    sound, pictures = (made(kind, "webm", 0, playlist="") for kind in ("audio", "video"))
    mix.folder.save_unit(units((sound, pictures))[0])
    mix.close(1)
    mix.folder.deliver(sound.name, Delivery(size=1, etag="e"))
    looked = playlists.lines

    def looking(cut, delivered):  # type: ignore[no-untyped-def]
        lines = looked(cut, delivered)
        mix.folder.deliver(pictures.name, Delivery(size=1, etag="e"))
        return lines

    monkeypatch.setattr(playlists, "lines", looking)
    uploader = Uploader(store, spool, Outbox(store.client, Apps(())), Metrics())
    uploader.upload(spec.sid, "")
    row = store.row(spec.sid)
    assert row is not None
    assert row.state is State.DELIVERING
    uploader.upload(spec.sid, "")
    seen = store.seen(spec.sid)
    assert seen is not None
    assert seen.row.state is State.ENDED
    assert [file.name.rpartition("_")[2] for file in seen.files] == ["av.mpd"]
