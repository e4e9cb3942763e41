"""Mode ``raw``: sound and pictures of a publisher together, from real tapes, unit by unit."""

from itertools import chain, groupby, pairwise

import av
import numpy as np
import pytest

from media.cut.model import IndividualSpec, Segment
from media.cut.raw import cut_raw
from media.judge import decode
from media.mux import mp4
from media.mux.piece import Index
from media.publish.read_pattern import read_frame_number
from media.tape.model import NS, EventType, Source, TapeEvent
from media.tape.wanted import Wanted
from tests.media.cut.look import assert_plays
from tests.media.cut.patterns import pattern, turning
from tests.media.cut.scene import (
    BLUE,
    H264,
    OPUS,
    ORIGIN_NS,
    PCMU,
    RED,
    VP8,
    moved,
    pictures,
    presence,
    telephone_tone,
    tone,
    track,
)
from tests.media.cut.tapes import on_tape
from tests.media.cut.test_turns import both_codecs
from tests.media.cut.units import FRAME_NS, by_units

MIC = track("1", Source.MICROPHONE, OPUS)
CAM = track("1", Source.CAMERA, H264)
WEBCAM = track("1", Source.CAMERA, VP8)
SIZE = (160, 120)
RAW = IndividualSpec(mp4=True)


def cut(tape, out, end_s, spec=RAW, *, units=15.0, trim=False):
    """All segments and pieces."""
    results = by_units(cut_raw, tape, out, end_s, spec, units=units, trim=trim)
    return [[one for made in results for one in getattr(made, of)] for of in ("segments", "pieces")]


def rows(segments: list[Segment]) -> list[tuple[object, ...]]:
    """Index, media, container, and begin and length in seconds."""
    return [
        (
            s.index,
            s.kind,
            s.container,
            round((s.start_ns - ORIGIN_NS) / NS, 1),
            round(s.duration_s, 1),
        )
        for s in segments
    ]


def on_air(path, camera, seconds, *, sound=None, after_s=0.4, gop_s=4, mic=MIC, more=()):
    video = pictures(
        camera, RED, start_ns=ORIGIN_NS + int(after_s * NS), seconds=seconds, size=SIZE, gop_s=gop_s
    )
    heard = tone(mic, 500, start_ns=ORIGIN_NS, seconds=seconds) if sound is None else sound
    added = TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS, track=heard[0].track.id)
    return on_tape(path / "t", [video, heard], [*presence(camera, ORIGIN_NS), added, *more])


def stream(segments):
    return b"".join(s.path.read_bytes() for s in segments)


def heard(segments):
    """The sound of segments that need not hold the same tracks, as one stream of AAC."""
    frames = [one for s in segments for one in decode.packets(s.path.read_bytes(), "audio")]
    steps = [after - before for (before, _), (after, _) in pairwise(frames)]
    assert steps == pytest.approx([1024 / decode.RATE] * len(steps), abs=0.001)
    return decode.sound(b"".join(data for _, data in frames))


def whole_mp4(pieces):
    head = mp4.head([Index.read(piece.index) for piece in pieces])
    return head + b"".join(piece.payload.read_bytes() for piece in pieces)


def assert_one_tone(sound: decode.Sound, hertz: int, seconds: float) -> None:
    """Of an even loudness, without a click: nothing beside it."""
    samples = sound.samples[4800 : int(seconds * decode.RATE) - 4800]
    window = np.hanning(4800)
    for at in range(0, len(samples) - 4800, 2400):
        spectrum = np.abs(np.fft.rfft(samples[at : at + 4800] * window)) ** 2
        peak = hertz // 10
        assert int(spectrum.argmax()) == peak
        assert spectrum[peak - 5 : peak + 6].sum() > 0.999 * spectrum.sum()


def test_h264_and_sound_share_their_segments(tmp_path):
    tape = on_air(tmp_path, CAM, 40)
    segments, _ = cut(tape, tmp_path / "o", 40.5, trim=True)
    assert rows(segments) == [
        ("h264", "audio_and_video", "ts", 0, 16.4),
        ("h264", "audio_and_video", "ts", 16.4, 16.0),
        ("h264", "audio_and_video", "ts", 32.4, 8.0),
    ]
    assert [s.discontinuity for s in segments] == [True, False, False]
    for one in segments:
        assert_plays(one.path)
        assert decode.codecs(one.path.read_bytes()) == {"video": "h264", "audio": "aac"}
    whole = stream(segments)
    assert len(list(decode.pictures(whole))) == 600
    assert_one_tone(decode.sound(whole), 500, 40)


def test_the_mp4_holds_the_same(tmp_path):
    tape = on_air(tmp_path, CAM, 40)
    segments, pieces = cut(tape, tmp_path / "o", 40.5)
    assert {(p.codec, p.media, p.uid) for p in pieces} == {("h264", "audio_and_video", "1")}
    assert len({p.stretch for p in pieces}) == 1
    data, whole = whole_mp4(pieces), stream(segments)
    seen, streamed = (list(decode.pictures(one)) for one in (data, whole))
    assert len(seen) == 600
    zero = streamed[0].time_s - 0.4
    shown = [one.time_s for one in seen]
    assert shown == pytest.approx([one.time_s - zero for one in streamed], abs=0.001)
    assert_one_tone(decode.sound(data), 500, 40)


@pytest.mark.parametrize("camera", [CAM, WEBCAM], ids=["h264", "vp8"])
def test_the_segments_do_not_depend_on_how_the_work_is_divided(tmp_path, camera):
    heard = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=50)
    mute = [
        TapeEvent(kind, ORIGIN_NS + at * NS, uid="1", source=Source.CAMERA)
        for kind, at in ((EventType.MUTED, 11), (EventType.UNMUTED, 33))
    ]
    tape = on_air(tmp_path, camera, 45, sound=heard, more=mute)
    made = [cut(tape, tmp_path / str(u), 50.5, units=u) for u in (15.0, 4.0)]
    one, other = ({s.path.name: s.path.read_bytes() for s in each} for each, _ in made)
    assert one == other
    one, other = (
        {p.payload.name: (p.payload.read_bytes(), p.index.read_bytes()) for p in each}
        for _, each in made
    )
    assert one == other
    assert sorted(rows(made[0][0])) == sorted(rows(made[1][0]))


def test_while_the_camera_pauses_sound_goes_on_alone(tmp_path):
    mute = [
        TapeEvent(kind, ORIGIN_NS + at * NS, uid="1", source=Source.CAMERA)
        for kind, at in ((EventType.MUTED, 10), (EventType.UNMUTED, 30))
    ]
    tape = on_air(tmp_path, CAM, 45, after_s=0, gop_s=5, more=mute)
    segments, pieces = cut(tape, tmp_path / "o", 45, trim=True)
    assert [row[:2] for row in rows(segments)] == [
        ("h264", "audio_and_video"),
        ("h264", "audio"),
        ("h264", "audio"),
        ("h264", "audio_and_video"),
    ]
    assert [s.discontinuity for s in segments] == [True, True, False, True]
    ends = [s.start_ns + round(s.duration_s * NS) for s in segments]
    gaps = [b.start_ns - end for end, b in zip(ends, segments[1:], strict=False)]
    assert all(abs(gap) < FRAME_NS for gap in gaps)
    assert_one_tone(heard(segments), 500, 45)
    assert_one_tone(decode.sound(whole_mp4(pieces)), 500, 45)
    assert len({p.stretch for p in pieces}) == 1


def test_sound_long_before_the_first_picture_has_an_index_of_its_own(tmp_path):
    tape = on_air(tmp_path, CAM, 50, after_s=22)
    segments, pieces = cut(tape, tmp_path / "o", 50)
    assert [row[:2] for row in rows(segments)] == [
        ("aac", "audio"),
        ("h264", "audio"),
        ("h264", "audio_and_video"),
        ("h264", "audio_and_video"),
    ]
    assert [p.codec for p in pieces] == ["aac", "h264", "h264", "h264"]
    assert len({p.stretch for p in pieces}) == 2
    assert_one_tone(heard(segments), 500, 50)
    assert_one_tone(decode.sound(whole_mp4(pieces[1:])), 500, 34)


def test_beside_webm_pictures_sound_is_untouched_opus(tmp_path):
    tape = on_air(tmp_path, WEBCAM, 20)
    segments, pieces = cut(tape, tmp_path / "o", 20.5, trim=True)
    assert pieces == []
    assert rows(segments) == [
        ("vp8", "audio", "webm", 0, 15),
        ("vp8", "video", "webm", 0.4, 16),
        ("vp8", "audio", "webm", 15, 5),
        ("vp8", "video", "webm", 16.4, 4),
    ]
    assert [(s.listed, s.number) for s in segments] == [(False, n) for n in (0, 0, 1, 1)]
    for one in segments:
        assert_plays(one.path)


def test_telephone_sound_beside_webm_pictures_is_not_lost(tmp_path):
    mic = track("1", Source.MICROPHONE, PCMU)
    heard = telephone_tone(mic, 500, start_ns=ORIGIN_NS, seconds=20)
    tape = on_air(tmp_path, WEBCAM, 20, sound=heard, mic=mic)
    segments, _ = cut(tape, tmp_path / "o", 20.5)
    assert [row[:3] for row in rows(segments)] == [
        ("aac", "audio", "ts"),
        ("vp8", "video", "webm"),
        ("aac", "audio", "ts"),
        ("vp8", "video", "webm"),
    ]


def test_who_changes_from_vp8_to_h264_has_both_and_loses_nothing(tmp_path):
    first = pictures(WEBCAM, RED, start_ns=ORIGIN_NS, seconds=20, size=SIZE)
    second = pictures(CAM, BLUE, start_ns=ORIGIN_NS + 20 * NS, seconds=30, size=SIZE)
    second = [moved([f], rtp_time=f.rtp_time + 1_800_000)[0] for f in second]
    camera = both_codecs("1")
    heard = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=50)
    added = TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS, track=MIC.id)
    video = moved([*first, *second], track=camera)
    tape = on_tape(tmp_path / "t", [video, heard], [*presence(camera, ORIGIN_NS), added])
    segments, _ = cut(tape, tmp_path / "o", 50)
    sound = [s for s in segments if "audio" in s.kind]
    assert [s.index for s in sound] == ["vp8", "vp8", "h264", "h264"]
    assert sum(s.duration_s for s in sound) == pytest.approx(50, abs=0.1)
    assert len(list(decode.pictures(stream([s for s in sound if s.index == "h264"])))) == 450


def test_other_sizes_and_turned_pictures_begin_another_mp4(tmp_path):
    small = pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=6, size=SIZE)
    large = pictures(CAM, BLUE, start_ns=ORIGIN_NS + 6 * NS, seconds=6, size=(320, 180))
    large = [moved([f], rtp_time=f.rtp_time + 6 * 90_000)[0] for f in large]
    heard = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=12)
    added = TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS, track=MIC.id)
    events = [*presence(CAM, ORIGIN_NS), added]
    tape = on_tape(tmp_path / "t", [[*small, *large], heard], events)
    segments, pieces = cut(tape, tmp_path / "o", 12)
    assert [(s.width, s.discontinuity) for s in segments] == [(160, True), (320, True)]
    assert len({p.stretch for p in pieces}) == 2
    for piece, size in zip(pieces, (SIZE, (320, 180)), strict=True):
        seen = list(decode.pictures(whole_mp4([piece])))
        assert len(seen) == 90
        assert (seen[0].frame.width, seen[0].frame.height) == size


def test_sound_that_is_not_recorded_stays_out_of_long_segments(tmp_path, monkeypatch):
    monkeypatch.setattr("media.cut.reading._FAR_NS", 10 * NS)
    tape = on_air(tmp_path, CAM, 40, after_s=0, gop_s=40)
    segments, _ = cut(tape, tmp_path / "o", 40, IndividualSpec(audio=False))
    assert rows(segments) == [("h264", "video", "ts", 0, 40)]


def test_sizes_that_change_all_the_time_leave_few_files(tmp_path):
    sizes = (SIZE, (320, 180))
    kinds = [
        pictures(CAM, colour, start_ns=ORIGIN_NS, seconds=40, size=size, gop_s=1)
        for colour, size in zip((RED, BLUE), sizes, strict=True)
    ]
    video = [both[i // 15 % 2] for i, both in enumerate(zip(*kinds, strict=True))]
    tape = on_tape(tmp_path / "t", [video], presence(CAM, ORIGIN_NS))
    segments, pieces = cut(tape, tmp_path / "o", 40)
    assert len(segments) == 40
    films = [list(own) for _, own in groupby(pieces, lambda piece: piece.stretch)]
    assert len(films) < 12
    seen = [[p.frame.width for p in decode.pictures(whole_mp4(film))] for film in films]
    assert list(chain(*seen)) == [sizes[i // 15 % 2][0] for i in range(600)]


def test_a_publisher_without_sound_has_pictures_alone(tmp_path):
    video = pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=20, size=SIZE)
    tape = on_tape(tmp_path / "t", [video], presence(CAM, ORIGIN_NS))
    segments, pieces = cut(tape, tmp_path / "o", 20)
    assert {s.kind for s in segments} == {"video"}
    assert {p.media for p in pieces} == {"video"}
    with av.open(str(segments[0].path)) as file:
        assert [one.type for one in file.streams] == ["video"]


def away(path, from_s, until_s, end_s):
    """Somebody who is gone for a while; a tape."""
    times = ((0, from_s), (until_s, end_s))
    video, heard = [], []
    for begin, end in times:
        at_ns, seconds = ORIGIN_NS + begin * NS, end - begin
        shown = pictures(CAM, RED, start_ns=at_ns, seconds=seconds, size=SIZE, gop_s=4)
        video += [moved([f], rtp_time=f.rtp_time + begin * 90_000)[0] for f in shown]
        said = tone(MIC, 500, start_ns=at_ns, seconds=seconds)
        heard += [moved([f], rtp_time=f.rtp_time + begin * 48_000)[0] for f in said]
    gone = [
        TapeEvent(kind, ORIGIN_NS + at * NS, uid="1")
        for kind, at in ((EventType.LEFT, from_s), (EventType.JOINED, until_s))
    ]
    added = TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS, track=MIC.id)
    return on_tape(path / "t", [video, heard], [*presence(CAM, ORIGIN_NS), added, *gone])


def test_who_was_away_for_a_while_has_silence_in_the_mp4(tmp_path):
    segments, pieces = cut(away(tmp_path, 6, 20, 26), tmp_path / "o", 26, trim=True)
    assert [s.discontinuity for s in segments] == [True, True]
    assert len({p.stretch for p in pieces}) == 1
    data = whole_mp4(pieces)
    packets = [at_s for at_s, _ in decode.packets(data, "audio")]
    steps = [after - before for before, after in pairwise(packets)]
    assert steps == pytest.approx([1024 / decode.RATE] * len(steps), abs=0.001)
    sound = decode.sound(data)
    assert sound.end_s == pytest.approx(26, abs=0.1)
    quiet = sound.samples[int(6.5 * decode.RATE) : int(19.5 * decode.RATE)]
    assert np.abs(quiet).max() < 0.001
    assert np.abs(sound.samples[21 * decode.RATE :]).max() > 0.1
    shown = [one.time_s for one in decode.pictures(data)]
    assert shown[90] == pytest.approx(20, abs=0.01)


def test_who_was_away_for_long_has_another_mp4(tmp_path):
    _, pieces = cut(away(tmp_path, 6, 80, 86), tmp_path / "o", 86, trim=True)
    assert [p.start_ns - ORIGIN_NS for p in pieces] == pytest.approx([0, 80 * NS], abs=FRAME_NS)
    assert len({p.stretch for p in pieces}) == 2


def test_a_screen_has_segments_of_its_own(tmp_path):
    screen = track("1", Source.SCREEN, H264)
    tracks = [
        pictures(one, colour, start_ns=ORIGIN_NS, seconds=6, size=SIZE)
        for one, colour in ((CAM, RED), (screen, BLUE))
    ]
    added = TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS, track=screen.id)
    tape = on_tape(tmp_path / "t", tracks, [*presence(CAM, ORIGIN_NS), added])
    segments, pieces = cut(tape, tmp_path / "o", 6)
    assert [s.source for s in segments] == [Source.CAMERA, Source.SCREEN]
    assert len({p.stretch for p in pieces}) == 2


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turned_camera_is_upright_in_its_mp4(tmp_path, rotation):
    camera = turning(CAM)
    frames = pattern(camera, start_ns=ORIGIN_NS, seconds=8, gop_s=4, rotations={60: rotation})
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    segments, pieces = cut(tape, tmp_path / "o", 8)
    assert [s.rotation for s in segments] == [0, rotation]
    assert len({p.stretch for p in pieces}) == 2
    numbers = []
    for piece in pieces:
        for one in decode.pictures(whole_mp4([piece])):
            upright = np.rot90(one.luma(), one.frame.rotation // 90)
            numbers.append((read_frame_number(np.ascontiguousarray(upright)) or (0, -1))[1])
    assert numbers == list(range(120))


@pytest.mark.parametrize("units", [15.0, 4.0])
def test_lists_that_change_begin_and_end_media(tmp_path, units):
    """Pictures are not wanted from 5 s on, nobody is from 12 to 20 s."""
    sound_only, nobody = Wanted(video_uids=frozenset()), Wanted(frozenset(), frozenset())
    lists = [(5, sound_only), (12, nobody), (20, Wanted())]
    events = [wanted.event(ORIGIN_NS + at_s * NS) for at_s, wanted in lists]
    tape = on_air(tmp_path, CAM, 30, after_s=0, gop_s=2, more=events)
    segments, pieces = cut(tape, tmp_path / "o", 30, units=units, trim=True)
    assert rows(segments) == [
        ("h264", "audio_and_video", "ts", 0.0, 5.0),
        ("h264", "audio", "ts", 5.0, 7.0),
        ("h264", "audio_and_video", "ts", 20.0, 10.0),
    ]
    assert len(list(decode.pictures(whole_mp4(pieces)))) == 75 + 150
    sound = decode.sound(whole_mp4(pieces)).samples
    assert np.abs(sound[int(12.2 * decode.RATE) : int(19.8 * decode.RATE)]).max() < 0.001


def test_segments_cut_by_force_go_on_in_the_mp4(tmp_path, monkeypatch):
    monkeypatch.setattr("media.cut.copying._FORCED", {"h264": (6 * NS, 1 << 30)})
    monkeypatch.setattr("media.cut.joint_files._AT_ONCE", 100)
    tape = on_air(tmp_path, CAM, 20, after_s=0, gop_s=20)
    segments, pieces = cut(tape, tmp_path / "o", 20)
    assert [round(s.duration_s) for s in segments] == [6, 6, 6, 2]
    assert len({p.stretch for p in pieces}) == 1
    data = whole_mp4(pieces)
    assert len(list(decode.pictures(data))) == len(list(decode.pictures(stream(segments)))) == 300
    assert_one_tone(decode.sound(data), 500, 20)


def test_screenshots_beside_files_and_alone(tmp_path):
    tape = on_air(tmp_path, CAM, 10)
    for files in (True, False):
        spec = IndividualSpec(snapshot_s=4, files=files, mp4=True)
        segments, pieces = cut(tape, tmp_path / f"o{files}", 10, spec)
        shots = [s for s in segments if s.container == "jpg"]
        assert [s.start_ns - ORIGIN_NS for s in shots] == [4 * NS, 8 * NS]
        assert bool(len(segments) > len(shots)) is bool(pieces) is files
