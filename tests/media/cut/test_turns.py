"""Where copied video is cut anew: size, rotation, codec, limits; each slice decodes alone."""

import numpy as np
import pytest

from media.cut.copying import Splitter
from media.cut.cursor import LineState
from media.cut.model import IndividualSpec
from media.cut.pauses import Pauses
from media.publish.read_pattern import read_frame_number
from media.rtp.codec import Codec
from media.tape.model import NS, Frame, Source, Track
from tests.media.cut.look import assert_plays, shots
from tests.media.cut.patterns import pattern, turning
from tests.media.cut.scene import BLUE, H264, ORIGIN_NS, RED, VP8, moved, pictures, presence, track
from tests.media.cut.tapes import on_tape
from tests.media.cut.units import cut_apart, since_s

DEFAULT = IndividualSpec()
CAMERAS = [turning(track(str(n), Source.CAMERA, codec)) for n, codec in enumerate((VP8, H264), 1)]


def numbers(segment, rotation=0):
    """What the pictures of a segment show once they are turned."""
    return [
        (read_frame_number(np.ascontiguousarray(np.rot90(shot.y, -rotation // 90))) or (0, -1))[1]
        for shot in shots(segment.path)
    ]


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_picture_that_is_turned_begins_a_slice_at_the_next_key_frame(tmp_path, camera):
    """As phones do it: turned between two key frames, told with that frame and each key frame."""
    frames = pattern(camera, start_ns=ORIGIN_NS, seconds=8, gop_s=2, rotations={40: 180, 105: 0})
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    segments = cut_apart(tape, tmp_path / "o", 8, DEFAULT)
    assert [(since_s(s), s.duration_s, s.rotation) for s in segments] == [
        (0, pytest.approx(4, abs=0.01), 0),
        (4, pytest.approx(4, abs=0.01), 180),
    ]
    assert [s.discontinuity for s in segments] == [True, False]
    assert [s.resumed for s in segments] == [True, False]
    at = [[(at_ns - ORIGIN_NS) / NS for at_ns, _ in s.turns] for s in segments]
    assert at == [[pytest.approx(40 / 15, abs=0.01)], [pytest.approx(7, abs=0.01)]]
    assert [[rotation for _, rotation in s.turns] for s in segments] == [[180], [0]]
    for segment in segments:
        assert_plays(segment.path)
    assert numbers(segments[0])[:40] == list(range(40))
    assert numbers(segments[1], 180)[:45] == list(range(60, 105))


@pytest.mark.parametrize("units", [3.0, 15.0])
def test_a_camera_held_upright_changes_size_and_rotation_at_once(tmp_path, units):
    camera = CAMERAS[0]
    frames = pattern(camera, start_ns=ORIGIN_NS, seconds=20, gop_s=2, rotations={75: 90})
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    segments = cut_apart(tape, tmp_path / "o", 20, DEFAULT, units=units)
    assert [(since_s(s), s.width, s.height, s.rotation, s.turns) for s in segments] == [
        (0, 320, 180, 0, ()),
        (5, 180, 320, 90, ()),
    ]
    assert [s.discontinuity for s in segments] == [True, True]
    assert numbers(segments[1], 90) == list(range(75, 300))


def test_who_does_not_tell_lies_as_the_picture_is(tmp_path):
    camera = track("1", Source.CAMERA, VP8)
    frames = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=4, size=(160, 120))
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    (one,) = cut_apart(tape, tmp_path / "o", 4, DEFAULT)
    assert (one.rotation, one.turns) == (0, ())


def both_codecs(uid: str) -> Track:
    plain = track(uid, Source.CAMERA, VP8)
    return Track(
        plain.id, plain.uid, plain.kind, plain.source, plain.ssrc, (VP8, H264), plain.connection
    )


def test_a_new_codec_begins_a_slice_in_its_own_container(tmp_path):
    camera = both_codecs("1")
    vp8 = track("1", Source.CAMERA, VP8)
    h264 = track("1", Source.CAMERA, H264)
    first = pictures(vp8, RED, start_ns=ORIGIN_NS, seconds=4, size=(160, 120))
    second = pictures(h264, BLUE, start_ns=ORIGIN_NS + 4 * NS, seconds=4, size=(160, 120))
    second = [moved([f], rtp_time=f.rtp_time + 360_000)[0] for f in second]
    frames = moved([*first, *second], track=camera)
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    segments = cut_apart(tape, tmp_path / "o", 8, DEFAULT)
    assert [(since_s(s), s.container, s.codec, s.discontinuity, s.resumed) for s in segments] == [
        (0, "webm", "vp8", True, True),
        (4, "ts", "h264", True, False),
    ]
    assert [s.profile for s in segments] == ["vp8", "avc1.42c014"]
    assert [len(shots(s.path)) for s in segments] == [60, 60]


def without_sets(frame: Frame, *, keep: bool) -> bytes:
    """An access unit without its parameter sets."""
    units = [unit for unit in frame.data.split(b"\x00\x00\x01") if unit.strip(b"\x00")]
    left = [unit.rstrip(b"\x00") for unit in units if keep or unit[0] & 0x1F not in (7, 8)]
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in left)


def kinds(data: bytes) -> set[int]:
    return {unit[0] & 0x1F for unit in data.split(b"\x00\x00\x01")[1:] if unit}


def test_a_slice_has_the_parameter_sets_that_were_said_once_at_the_beginning(tmp_path):
    camera = track("1", Source.CAMERA, H264)
    frames = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=40, size=(160, 120), gop_s=4)
    bare = [moved([f], data=without_sets(f, keep=i == 0))[0] for i, f in enumerate(frames)]
    assert not any(kinds(f.data) & {7, 8} for f in bare[1:])
    tape = on_tape(tmp_path / "t", [bare], presence(camera, ORIGIN_NS))
    segments = cut_apart(tape, tmp_path / "o", 40, DEFAULT, trim=True)
    assert [since_s(s) for s in segments] == [0, 16, 32]
    for segment in segments:
        assert_plays(segment.path)
    seen = [shot.number(0, 0, 160, 120, (160, 120)) for s in segments for shot in shots(s.path)]
    assert seen == list(range(600))
    assert {s.profile for s in segments} == {"avc1.42c014"}


def test_sets_that_come_only_after_a_boundary_are_in_every_slice_from_there_on(tmp_path):
    """Until then nothing could be decoded, and nothing is stored."""
    camera = track("1", Source.CAMERA, H264)
    frames = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=48, size=(160, 120), gop_s=4)
    bare = [moved([f], data=without_sets(f, keep=i == 300))[0] for i, f in enumerate(frames)]
    tape = on_tape(tmp_path / "t", [bare], presence(camera, ORIGIN_NS))
    segments = cut_apart(tape, tmp_path / "o", 48, DEFAULT, trim=True)
    assert [since_s(s) for s in segments] == [20, 36]
    for segment in segments:
        assert_plays(segment.path)


def test_h264_is_cut_at_fifty_megabytes_and_vp8_is_not():
    def runs(codec: Codec) -> list[int]:
        camera = track("1", Source.CAMERA, codec)
        heavy = bytes(1_000_000)
        splitter = Splitter(LineState(), Pauses(()))
        splitter.feed(
            [
                Frame(camera, codec, ORIGIN_NS + n * NS, n, heavy, n == 0, True, 160, 120)
                for n in range(120)
            ]
        )
        splitter.finish(ORIGIN_NS + 121 * NS, final=True)
        return [len(run.frames) for run in splitter.closed]

    assert runs(H264) == [50, 50, 20]
    assert runs(VP8) == [120]
