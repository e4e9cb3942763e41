"""Screenshots: the right picture, at the right time, upright, in its own size."""

import av
import numpy as np
import pytest

from media.cut import snapshot
from media.cut.model import IndividualSpec, Slice
from media.errors import CutFailed
from media.judge.decode import luma
from media.mux import jpeg
from media.publish.frame_code import uid_code
from media.publish.read_pattern import read_frame_number
from media.tape.model import NS, EventType, Source, TapeEvent
from media.tape.wanted import Wanted
from tests.media.cut.patterns import numbered, pattern, turning
from tests.media.cut.scene import AV1, H264, ORIGIN_NS, RED, VP8, VP9, pictures, presence, track
from tests.media.cut.tapes import on_tape
from tests.media.cut.units import cut_apart, since_s

CAM = track("101", Source.CAMERA, VP8)
ONLY = IndividualSpec(files=False, snapshot_s=1)
START_NS = ORIGIN_NS + 300_000_000


def read(segment):
    """The number in a screenshot, and its size."""
    with av.open(str(segment.path)) as file:
        assert file.streams.video[0].codec_context.name == "mjpeg"
        (picture,) = file.decode(video=0)
    code, number = read_frame_number(luma(picture)) or (0, -1)
    assert code == uid_code(segment.uid)
    return number, (picture.width, picture.height)


def event(kind, at_s, source=None, uid="101"):
    return TapeEvent(kind, ORIGIN_NS + int(at_s * NS), uid=uid, source=source)


@pytest.mark.parametrize("codec", [VP8, H264, VP9])
def test_each_shows_what_was_sent_last_before_its_moment(tmp_path, codec):
    camera = track("101", Source.CAMERA, codec)
    frames = pattern(camera, start_ns=START_NS, seconds=20, gop_s=4)
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    shots = cut_apart(tape, tmp_path / "o", 20.3, ONLY)
    assert [since_s(one) for one in shots] == list(range(1, 21))
    for one in shots:
        assert read(one) == (max(numbered(frames, one.start_ns)), (320, 180))
        assert (one.container, one.kind, one.listed) == ("jpg", "video", False)
        assert (one.width, one.height, one.duration_s) == (320, 180, 0.0)


@pytest.mark.parametrize("rotation", [90, 180, 270])
@pytest.mark.parametrize("codec", [VP8, H264])
def test_they_are_upright_however_the_camera_is_held(tmp_path, codec, rotation):
    camera = turning(track("101", Source.CAMERA, codec))
    frames = pattern(camera, start_ns=ORIGIN_NS, seconds=6, rotations={0: rotation, 45: 0})
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    shots = cut_apart(tape, tmp_path / "o", 6, ONLY)
    assert [since_s(one) for one in shots] == [0, 1, 2, 3, 4, 5]
    for one in shots:
        assert read(one) == (max(numbered(frames, one.start_ns)), (320, 180))
        assert (one.width, one.height) == (320, 180)


def test_the_picture_has_the_colours_of_the_source(tmp_path):
    camera = track("1", Source.CAMERA, VP8)
    frames = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=2, size=(160, 120))
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    (one,) = cut_apart(tape, tmp_path / "o", 2, IndividualSpec(files=False, snapshot_s=60))
    with av.open(str(one.path)) as file:
        (picture,) = file.decode(video=0)
    rgb = picture.to_ndarray(format="rgb24")[5:20, 5:20].reshape(-1, 3).mean(axis=0)
    # BT.601: Y 80, U 90, V 240
    expected = 1.164 * 64 + np.array([1.596 * 112, 0.392 * 38 - 0.813 * 112, -2.017 * 38])
    assert rgb == pytest.approx(np.clip(expected, 0, 255), abs=12)


def test_taking_pauses_while_no_video_is_sent(tmp_path):
    frames = pattern(CAM, start_ns=ORIGIN_NS, seconds=30)
    gone = [f for f in frames if not 5 * NS <= f.time_ns - ORIGIN_NS < 10 * NS]
    left = [f for f in gone if f.time_ns - ORIGIN_NS < 20 * NS]
    events = [
        *presence(CAM, ORIGIN_NS),
        event(EventType.MUTED, 5.05, Source.CAMERA),
        event(EventType.UNMUTED, 9.95, Source.CAMERA),
        TapeEvent(EventType.TRACK_REMOVED, ORIGIN_NS + 20 * NS + NS // 2, track=CAM.id),
        event(EventType.LEFT, 20.5),
    ]
    tape = on_tape(tmp_path / "t", [left], events)
    shots = cut_apart(tape, tmp_path / "o", 30, ONLY)
    assert [since_s(one) for one in shots] == [0, 1, 2, 3, 4, 5, *range(10, 21)]
    sent = {n: frame.time_ns for n, frame in enumerate(frames) if frame in left}
    for one in shots:
        assert read(one)[0] == max(n for n, at_ns in sent.items() if at_ns <= one.start_ns)


def test_who_falls_silent_without_a_word_is_shown_no_longer_than_a_still_picture(tmp_path):
    frames = pattern(CAM, start_ns=ORIGIN_NS, seconds=2)
    tape = on_tape(tmp_path / "t", [frames], presence(CAM, ORIGIN_NS))
    spec = IndividualSpec(files=False, snapshot_s=10)
    shots = cut_apart(tape, tmp_path / "o", 100, spec)
    assert [since_s(one) for one in shots] == [0, 10, 20, 30, 40]
    assert {read(one)[0] for one in shots[1:]} == {29}


def test_a_lost_frame_leaves_the_last_good_picture(tmp_path):
    frames = pattern(CAM, start_ns=ORIGIN_NS, seconds=5, gop_s=10)
    lost = frozenset({(CAM.id, 40)})
    tape = on_tape(tmp_path / "t", [frames], presence(CAM, ORIGIN_NS), lost=lost)
    shots = cut_apart(tape, tmp_path / "o", 5, ONLY)
    assert [read(one)[0] for one in shots] == [0, 15, 30, 39, 39]


def test_screen_and_camera_have_pictures_of_their_own(tmp_path):
    screen = track("101", Source.SCREEN, H264)
    tracks = [
        pattern(CAM, start_ns=ORIGIN_NS, seconds=3),
        pattern(screen, start_ns=ORIGIN_NS, seconds=3, size=(640, 360), first=1000),
    ]
    added = TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS, track=screen.id)
    tape = on_tape(tmp_path / "t", tracks, [*presence(CAM, ORIGIN_NS), added])
    shots = cut_apart(tape, tmp_path / "o", 3, ONLY)
    assert [(one.source, read(one)) for one in shots] == [
        pair
        for second in (0, 15, 30)
        for pair in (
            (Source.CAMERA, (second, (320, 180))),
            (Source.SCREEN, (1000 + second, (640, 360))),
        )
    ]


def test_beside_recording_they_are_the_same_and_so_are_the_files(tmp_path):
    frames = pattern(CAM, start_ns=START_NS, seconds=20, gop_s=4)
    tape = on_tape(tmp_path / "t", [frames], presence(CAM, ORIGIN_NS))
    both = cut_apart(tape, tmp_path / "a", 20, IndividualSpec(snapshot_s=1))
    only = cut_apart(tape, tmp_path / "b", 20, ONLY, units=7)
    files = cut_apart(tape, tmp_path / "c", 20, IndividualSpec())
    contents = {one.path.name: one.path.read_bytes() for one in both}
    assert contents == {one.path.name: one.path.read_bytes() for one in [*only, *files]}


def test_the_tape_keeps_what_later_pictures_need(tmp_path):
    frames = pattern(CAM, start_ns=ORIGIN_NS, seconds=61, gop_s=45, fps=5)
    tape = on_tape(tmp_path / "t", [frames], presence(CAM, ORIGIN_NS))
    spec = IndividualSpec(files=False, snapshot_s=25)
    shots = cut_apart(tape, tmp_path / "o", 60, spec, trim=True)
    assert [(since_s(one), read(one)[0]) for one in shots] == [(0, 0), (25, 125), (50, 250)]
    assert min(part.from_ns for part in tape.manifests()) > ORIGIN_NS + 30 * NS


def test_a_slice_without_a_moment_decodes_nothing(tmp_path, monkeypatch):
    frames = pattern(CAM, start_ns=ORIGIN_NS, seconds=5)
    tape = on_tape(tmp_path / "t", [frames], presence(CAM, ORIGIN_NS))
    monkeypatch.setattr(snapshot, "LinePictures", None)
    monkeypatch.setattr(tape, "frames", None)
    part = Slice(1, ORIGIN_NS + NS, ORIGIN_NS + 4 * NS)
    at = snapshot.moments(ORIGIN_NS, 5, part)
    assert at == []
    assert snapshot.snapshots(tape, at, snapshot.Wishes(Wanted(), ()), {}, tmp_path) == []


def test_moments_lie_on_one_grid_whatever_the_slices():
    slices = [Slice(n, ORIGIN_NS + n * 7 * NS, ORIGIN_NS + (n + 1) * 7 * NS) for n in range(9)]
    found = [at for part in slices for at in snapshot.moments(ORIGIN_NS, 10, part)]
    assert found == [ORIGIN_NS + n * 10 * NS for n in range(7)]


@pytest.mark.parametrize("error", [CutFailed("no"), OSError("full"), RuntimeError("bug")])
def test_a_fault_of_pictures_leaves_the_recording_alone(tmp_path, monkeypatch, error):
    def broken(*_):
        raise error

    frames = pattern(CAM, start_ns=ORIGIN_NS, seconds=3)
    tape = on_tape(tmp_path / "t", [frames], presence(CAM, ORIGIN_NS))
    monkeypatch.setattr(jpeg, "encode", broken)
    segments = cut_apart(tape, tmp_path / "o", 3, IndividualSpec(snapshot_s=1))
    assert [one.container for one in segments] == ["webm"]


def test_who_is_not_wanted_has_no_pictures(tmp_path):
    frames = pattern(CAM, start_ns=ORIGIN_NS, seconds=10)
    nobody = Wanted(video_uids=frozenset())
    events = [
        *presence(CAM, ORIGIN_NS),
        nobody.event(ORIGIN_NS + 3 * NS + NS // 2),
        Wanted().event(ORIGIN_NS + 6 * NS + NS // 2),
    ]
    tape = on_tape(tmp_path / "t", [frames], events)
    shots = cut_apart(tape, tmp_path / "o", 10, ONLY)
    # Like its recording it begins anew with a key frame: they come every 2 s.
    assert [since_s(one) for one in shots] == [0, 1, 2, 3, 8, 9]


def test_av1_and_odd_sizes_make_jpegs_too(tmp_path):
    camera = track("1", Source.CAMERA, AV1)
    frames = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=3, size=(160, 120))
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    shots = cut_apart(tape, tmp_path / "o", 3, ONLY)
    assert [since_s(one) for one in shots] == [0, 1, 2]
    odd = av.VideoFrame(161, 91, "yuv420p")
    for rotation, size in ((0, (161, 91)), (90, (91, 161))):
        data = jpeg.encode(odd, rotation)
        assert data == jpeg.encode(odd, rotation)
        assert data[:2] == b"\xff\xd8"
        assert b"Lavc" not in data
        (tmp_path / "odd.jpg").write_bytes(data)
        with av.open(str(tmp_path / "odd.jpg")) as file:
            (picture,) = file.decode(video=0)
            assert (picture.width, picture.height) == size
