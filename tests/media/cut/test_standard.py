"""Stream mode ``standard``: sound as WebM beside pictures that are WebM."""

from itertools import pairwise

import av
import pytest

from media.cut.model import IndividualSpec
from media.tape.model import NS, EventType, Source, TapeEvent
from tests.media.cut.look import assert_plays
from tests.media.cut.scene import (
    AV1,
    BLUE,
    H264,
    OPUS,
    ORIGIN_NS,
    PCMU,
    RED,
    VP8,
    VP9,
    moved,
    pictures,
    presence,
    telephone_tone,
    tone,
    track,
)
from tests.media.cut.tapes import on_tape
from tests.media.cut.test_turns import both_codecs
from tests.media.cut.units import cut_apart, since_s

MIC = track("1", Source.MICROPHONE, OPUS)
STANDARD, DEFAULT = IndividualSpec("standard"), IndividualSpec()
SIZE = (160, 120)


def on_air(tmp_path, camera, seconds, *, sound=None, after_s=0.5):
    video = pictures(
        camera, RED, start_ns=ORIGIN_NS + int(after_s * NS), seconds=seconds, size=SIZE, gop_s=4
    )
    heard = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=seconds) if sound is None else sound
    added = TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS, track=heard[0].track.id)
    return on_tape(tmp_path / "t", [video, heard], [*presence(camera, ORIGIN_NS), added])


def rows(segments):
    return [(s.kind, s.container, round(since_s(s), 1), s.listed) for s in segments]


def times_s(segment):
    with av.open(str(segment.path)) as file:
        packets = [one for one in file.demux(file.streams[0]) if one.size]
        return [float(one.pts * one.time_base) for one in packets]


@pytest.mark.parametrize("codec", [VP8, VP9, AV1])
def test_beside_webm_pictures_sound_is_aac_and_untouched_opus_in_webm(tmp_path, codec):
    camera = track("1", Source.CAMERA, codec)
    tape = on_air(tmp_path, camera, 20)
    segments = cut_apart(tape, tmp_path / "o", 20.5, STANDARD, trim=True)
    assert rows(segments) == [
        ("audio", "ts", 0, True),
        ("audio", "webm", 0, False),
        ("video", "webm", 0.5, True),
        ("audio", "webm", 15, False),
        ("audio", "ts", 15.0, True),
        ("video", "webm", 16.5, True),
    ]
    sound = [s for s in segments if (s.kind, s.container) == ("audio", "webm")]
    assert {s.profile for s in sound} == {"opus"}
    for one in segments:
        assert_plays(one.path)


def test_webm_files_have_the_recordings_time_so_that_they_join(tmp_path):
    tape = on_air(tmp_path, track("1", Source.CAMERA, VP8), 20)
    segments = [s for s in cut_apart(tape, tmp_path / "o", 20.5, STANDARD) if s.container == "webm"]
    for kind, step_s in (("audio", 0.02), ("video", 1 / 15)):
        own = [s for s in segments if s.kind == kind]
        assert len(own) == 2
        for one in own:
            assert times_s(one)[0] == pytest.approx((one.start_ns - ORIGIN_NS) / NS, abs=0.002)
        joined = [at_s for one in own for at_s in times_s(one)]
        assert max(b - a for a, b in pairwise(joined)) == pytest.approx(step_s, abs=0.002)


def test_default_knows_nothing_of_it(tmp_path):
    tape = on_air(tmp_path, track("1", Source.CAMERA, VP8), 10)
    segments = cut_apart(tape, tmp_path / "o", 10.5, DEFAULT)
    assert rows(segments) == [("audio", "ts", 0, True), ("video", "webm", 0.5, True)]
    assert times_s(segments[1])[0] == 0


def test_with_pictures_alone_it_is_as_default(tmp_path):
    tape = on_air(tmp_path, track("1", Source.CAMERA, VP8), 10)
    made = [
        cut_apart(tape, tmp_path / mode, 10.5, IndividualSpec(mode, audio=False))
        for mode in ("standard", "default")
    ]
    one, other = ([s.path.read_bytes() for s in segments] for segments in made)
    assert one == other


def test_beside_h264_there_is_no_webm(tmp_path):
    tape = on_air(tmp_path, track("1", Source.CAMERA, H264), 20)
    segments = cut_apart(tape, tmp_path / "o", 20.5, STANDARD)
    assert {s.container for s in segments} == {"ts"}
    assert {s.profile for s in segments} == {"mp4a.40.2", "avc1.42c014"}


def test_who_changes_from_vp8_to_h264_has_both(tmp_path):
    first = pictures(track("1", Source.CAMERA, VP8), RED, start_ns=ORIGIN_NS, seconds=20, size=SIZE)
    second = pictures(
        track("1", Source.CAMERA, H264), BLUE, start_ns=ORIGIN_NS + 20 * NS, seconds=30, size=SIZE
    )
    second = [moved([f], rtp_time=f.rtp_time + 1_800_000)[0] for f in second]
    camera = both_codecs("1")
    heard = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=50)
    added = TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS, track=MIC.id)
    video = moved([*first, *second], track=camera)
    tape = on_tape(tmp_path / "t", [video, heard], [*presence(camera, ORIGIN_NS), added])
    made = [cut_apart(tape, tmp_path / str(u), 50, STANDARD, units=u) for u in (15.0, 4.0)]
    one, other = ({s.path.name: s.path.read_bytes() for s in segments} for segments in made)
    assert one == other
    sound = [s for s in made[0] if (s.kind, s.container) == ("audio", "webm")]
    assert [round(since_s(s)) for s in sound] == [0, 15]
    assert [s.container for s in made[0] if s.kind == "video"] == ["webm", "webm", "ts", "ts"]


def test_a_camera_that_pauses_does_not_end_its_publishers_sound(tmp_path):
    camera = track("1", Source.CAMERA, VP8)
    video = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=10, size=SIZE)
    heard = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=60)
    mute = TapeEvent(EventType.MUTED, ORIGIN_NS + 10 * NS, uid="1", source=Source.CAMERA)
    added = TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS, track=MIC.id)
    events = [*presence(camera, ORIGIN_NS), added, mute]
    segments = cut_apart(
        on_tape(tmp_path / "t", [video, heard], events), tmp_path / "o", 60, STANDARD, trim=True
    )
    sound = [s for s in segments if (s.kind, s.container) == ("audio", "webm")]
    assert [since_s(s) for s in sound] == [0, 15, 30, 45]


def test_telephone_sound_has_no_webm(tmp_path):
    mic = track("1", Source.MICROPHONE, PCMU)
    heard = telephone_tone(mic, 500, start_ns=ORIGIN_NS, seconds=8)
    tape = on_air(tmp_path, track("1", Source.CAMERA, VP8), 8, sound=heard)
    segments = cut_apart(tape, tmp_path / "o", 8.5, STANDARD)
    assert rows(segments) == [("audio", "ts", 0, True), ("video", "webm", 0.5, True)]
