"""Each publisher's media apart, from real tapes, unit by unit."""

from dataclasses import replace
from itertools import pairwise

import av
import numpy as np
import pytest

from media.cut.copying import Splitter
from media.cut.cursor import LineState
from media.cut.individual import cut_individual
from media.cut.model import IndividualSpec, Slice
from media.cut.pauses import Pauses
from media.tape.model import NS, EventType, Frame, Source, TapeEvent
from tests.media.cut.look import assert_plays, concatenated, packets, shots, sound
from tests.media.cut.scene import (
    BLUE,
    H264,
    OPUS,
    ORIGIN_NS,
    RED,
    VP8,
    moved,
    pictures,
    presence,
    tone,
    track,
)
from tests.media.cut.tapes import on_tape
from tests.media.cut.units import DEFAULT, cut_apart

SIZE = (160, 120)
CAM, CAM264 = track("1", Source.CAMERA, VP8), track("2", Source.CAMERA, H264)
MIC = track("1", Source.MICROPHONE, OPUS)
ORIGINAL = IndividualSpec("original")


def _times(segments):
    return [(round((s.start_ns - ORIGIN_NS) / NS, 2), round(s.duration_s, 2)) for s in segments]


def _mute(begin_s, end_s, *, uid="1", source=Source.MICROPHONE):
    for kind, at_s in ((EventType.MUTED, begin_s), (EventType.UNMUTED, end_s)):
        yield TapeEvent(kind, ORIGIN_NS + int(at_s * NS), uid=uid, source=source)


def _without(frames, begin_s, end_s):
    begin, end = ORIGIN_NS + begin_s * NS, ORIGIN_NS + end_s * NS
    return [frame for frame in frames if not begin <= frame.time_ns < end]


# --- audio, original ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def muted_speaker(tmp_path_factory):
    """Speaks for 40 s from 0.5 s on, muted from 18 to 23 s."""
    frames = tone(MIC, 500, start_ns=ORIGIN_NS + NS // 2, seconds=40)
    frames = _without(frames, 18, 23)
    events = [*presence(MIC, ORIGIN_NS), *_mute(18.02, 22.99)]
    return frames, on_tape(tmp_path_factory.mktemp("tape"), [frames], events)


def test_original_audio_is_the_publishers_own_bytes_with_a_hole_where_it_was_muted(
    muted_speaker, tmp_path
):
    frames, tape = muted_speaker
    segments = cut_apart(tape, tmp_path, 40.7, spec=ORIGINAL)
    assert _times(segments) == [(0.5, 15), (15.5, 2.5), (23.0, 15), (38.0, 2.5)]
    assert [s.discontinuity for s in segments] == [True, False, True, False]
    assert [s.resumed for s in segments] == [True, False, True, False]
    stored = [packet for one in segments for packet in packets(one.path)]
    assert [data for _, data in stored] == [frame.data for frame in frames]
    times = [(frame.time_ns - ORIGIN_NS) / NS for frame in frames]
    assert [time for time, _ in stored] == pytest.approx(times, abs=0.001)
    assert max(b - a for (a, _), (b, _) in pairwise(stored)) == pytest.approx(5.0, abs=0.2)


@pytest.mark.parametrize("units", [4.0, 7.3, 41.0])
def test_the_segments_do_not_depend_on_how_the_work_is_divided(muted_speaker, tmp_path, units):
    _, tape = muted_speaker
    one = cut_apart(tape, tmp_path / "a", 40.7, spec=ORIGINAL)
    other = cut_apart(tape, tmp_path / "b", 40.7, spec=ORIGINAL, units=units)
    assert [s.path.name for s in one] == [s.path.name for s in other]
    assert [s.path.read_bytes() for s in one] == [s.path.read_bytes() for s in other]
    one = cut_apart(tape, tmp_path / "c", 40.7)
    other = cut_apart(tape, tmp_path / "d", 40.7, units=units)
    assert [s.path.read_bytes() for s in one] == [s.path.read_bytes() for s in other]


def test_pauses_of_dtx_are_no_interruption_but_long_silence_is(tmp_path):
    frames = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=12)
    dtx = [f for i, f in enumerate(frames) if not 100 <= i < 200 or i % 20 == 0]
    kept = _without(dtx, 6, 9)
    tape = on_tape(tmp_path / "t", [kept], presence(MIC, ORIGIN_NS))
    segments = cut_apart(tape, tmp_path, 12, spec=ORIGINAL)
    assert _times(segments) == [(0, 6), (9, 3)]
    stored = [data for one in segments for _, data in packets(one.path)]
    assert stored == [frame.data for frame in kept]


def test_what_a_muted_publisher_still_sends_is_not_stored(tmp_path):
    frames = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=10)
    tape = on_tape(tmp_path / "t", [frames], [*presence(MIC, ORIGIN_NS), *_mute(3, 8)])
    segments = cut_apart(tape, tmp_path, 10, spec=ORIGINAL)
    assert len(segments) == 2
    assert segments[0].duration_s == pytest.approx(3, abs=0.11)
    assert segments[1].start_ns == pytest.approx(ORIGIN_NS + 8 * NS, abs=NS // 9)


def test_an_interrupted_line_is_finished_without_waiting_for_its_return(muted_speaker, tmp_path):
    _, tape = muted_speaker
    cursor = {}
    for number, (begin, end) in enumerate([(0, 15), (15, 22)]):
        part = Slice(number, ORIGIN_NS + begin * NS, ORIGIN_NS + end * NS)
        result = cut_individual(
            tape,
            ORIGINAL,
            origin_ns=ORIGIN_NS,
            slice=part,
            cursor=cursor,
            final=False,
            out_dir=tmp_path,
        )
        cursor = result.cursor
    assert _times(result.segments) == [(0.5, 15), (15.5, 2.5)]


def test_a_rejoin_begins_a_new_segment_with_a_discontinuity(tmp_path):
    again = track("1", Source.MICROPHONE, OPUS, number=2)
    first = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=5)
    second = tone(again, 500, start_ns=ORIGIN_NS + 11 * NS // 2, seconds=5)
    left = ORIGIN_NS + 5 * NS + 1
    events = [*presence(MIC, ORIGIN_NS), TapeEvent(EventType.LEFT, left, uid="1")]
    events += [
        TapeEvent(EventType.TRACK_REMOVED, left, track=MIC.id),
        *presence(again, left + NS // 3),
    ]
    segments = cut_apart(
        on_tape(tmp_path / "t", [first, second], events), tmp_path, 11, spec=ORIGINAL
    )
    assert _times(segments) == [(0, 5), (5.5, 5)]
    assert segments[1].discontinuity


def test_two_tracks_of_one_line_that_overlap_are_not_stored_twice(tmp_path):
    again = track("1", Source.MICROPHONE, OPUS, number=2)
    first = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=6)
    second = tone(again, 500, start_ns=ORIGIN_NS + 5 * NS, seconds=5)
    at = ORIGIN_NS + 5 * NS - 1
    events = [*presence(MIC, ORIGIN_NS), TapeEvent(EventType.TRACK_ADDED, at, track=again.id)]
    segments = cut_apart(
        on_tape(tmp_path / "t", [first, second], events), tmp_path, 10, spec=ORIGINAL
    )
    assert _times(segments) == [(0, 5), (5, 5)]


# --- audio, transcoded -------------------------------------------------------------------------


def test_transcoded_audio_keeps_silence_to_the_end_of_its_slice_then_a_hole(tmp_path):
    frames = _without(tone(MIC, 500, start_ns=ORIGIN_NS, seconds=50), 10, 40)
    tape = on_tape(tmp_path / "t", [frames], [*presence(MIC, ORIGIN_NS), *_mute(10, 40)])
    segments = cut_apart(tape, tmp_path, 50)
    assert len(segments) == 2
    assert _times(segments)[0] == (0, 15.02)
    assert segments[1].start_ns == pytest.approx(ORIGIN_NS + 40 * NS, abs=NS // 40)
    assert segments[1].start_ns + segments[1].duration_s * NS == pytest.approx(
        ORIGIN_NS + 50 * NS, abs=NS // 40
    )
    assert [s.discontinuity for s in segments] == [True, True]
    heard = sound(segments[0].path)
    assert heard.level(500, 9, 9.8) > 0.15
    assert np.abs(heard.part(10.2, 15)).max() < 0.01
    assert sound(segments[1].path).level(500, 41, 42) > 0.15


def test_transcoded_slices_join_to_one_unbroken_sound(tmp_path):
    frames = tone(MIC, 500, start_ns=ORIGIN_NS + NS // 3, seconds=40, drift=50e-6)
    tape = on_tape(tmp_path / "t", [frames], presence(MIC, ORIGIN_NS))
    segments = cut_apart(tape, tmp_path, 40)
    assert [round(s.duration_s, 3) for s in segments[:2]] == [15.019, 15.019]
    assert [s.discontinuity for s in segments] == [True, False, False]
    for one, following in pairwise(segments):
        assert one.start_ns + one.duration_s * NS == pytest.approx(following.start_ns, abs=1000)
    joined = concatenated([s.path for s in segments], tmp_path / "joined.ts")
    assert_plays(joined)
    heard = sound(joined)
    steps = np.abs(np.diff(heard.pcm[0]))
    seams = [round((s.start_ns - segments[0].start_ns) * 48_000 / NS) for s in segments[1:]]
    usual = steps[48_000 : 10 * 48_000].max()
    assert all(steps[at - 1500 : at + 1500].max() < 1.2 * usual for at in seams)
    assert {s.codec for s in segments} == {"aac"}
    assert heard.pcm.shape[0] == 1


def test_who_is_muted_at_the_end_has_silence_up_to_the_end(tmp_path):
    frames = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=4)
    mute = next(_mute(4, 9))
    segments = cut_apart(
        on_tape(tmp_path / "t", [frames], [*presence(MIC, ORIGIN_NS), mute]), tmp_path, 8
    )
    assert len(segments) == 1
    assert segments[0].duration_s == pytest.approx(8, abs=0.03)


# --- video -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("camera", "container"), [(CAM, "webm"), (CAM264, "ts")])
def test_video_is_copied_and_cut_at_the_first_key_frame_after_15_s(tmp_path, camera, container):
    frames = pictures(camera, RED, start_ns=ORIGIN_NS + NS // 4, seconds=40, size=SIZE, gop_s=4)
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    segments = cut_apart(tape, tmp_path, 40.5)
    assert _times(segments) == [(0.25, 16), (16.25, 16), (32.25, 8)]
    assert [s.discontinuity for s in segments] == [True, False, False]
    assert {(s.container, s.width, s.height, s.codec) for s in segments} == {
        (container, *SIZE, camera.codecs[0].key)
    }
    seen = [shot for one in segments for shot in shots(one.path)]
    assert [shot.number(0, 0, *SIZE, SIZE) for shot in seen] == list(range(600))
    for one in segments:
        assert_plays(one.path)
    if container == "webm":
        stored = [data for one in segments for _, data in packets(one.path)]
        assert stored == [frame.data for frame in frames]
    else:
        expected = [n / 15 + 0.25 for n in range(600)]
        assert [shot.time_s for shot in seen] == pytest.approx(expected, abs=0.001)


def test_a_webm_segment_has_a_duration_and_can_be_searched(tmp_path):
    frames = pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=16, size=SIZE, gop_s=4)
    one = cut_apart(on_tape(tmp_path / "t", [frames], presence(CAM, ORIGIN_NS)), tmp_path, 16)[0]
    with av.open(str(one.path)) as file:
        assert file.duration == pytest.approx(16_000_000, abs=100_000)
        file.seek(9_000_000)
        frame = next(file.decode(video=0))
        assert 4 <= float(frame.time) <= 9
        assert len(file.streams.video[0].index_entries) == 4


def test_a_new_size_begins_a_new_segment(tmp_path):
    small = pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=4, size=SIZE)
    large = pictures(CAM, BLUE, start_ns=ORIGIN_NS + 4 * NS, seconds=4, size=(320, 180))
    large = [moved([f], rtp_time=f.rtp_time + 360_000)[0] for f in large]
    tape = on_tape(tmp_path / "t", [[*small, *large]], presence(CAM, ORIGIN_NS))
    segments = cut_apart(tape, tmp_path, 8)
    assert _times(segments) == [(0, 4), (4, 4)]
    assert [(s.width, s.height) for s in segments] == [SIZE, (320, 180)]
    assert (segments[1].discontinuity, segments[1].resumed) == (True, False)


@pytest.mark.parametrize("camera", [CAM, CAM264])
def test_muted_video_ends_its_segment_and_begins_again_at_a_key_frame(tmp_path, camera):
    frames = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=12, size=SIZE, gop_s=2)
    events = [*presence(camera, ORIGIN_NS), *_mute(3, 7, uid=camera.uid, source=Source.CAMERA)]
    segments = cut_apart(on_tape(tmp_path / "t", [frames], events), tmp_path, 12)
    assert [round(s.duration_s, 1) for s in segments] == [3.1, 4.0]
    assert segments[1].start_ns == pytest.approx(ORIGIN_NS + 8 * NS, abs=1000)
    assert segments[1].resumed
    assert shots(segments[1].path)[0].number(0, 0, *SIZE, SIZE) == 120


@pytest.mark.parametrize("camera", [CAM, CAM264])
def test_what_follows_a_lost_frame_is_left_out_until_the_next_key_frame(tmp_path, camera):
    frames = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=6, size=SIZE, gop_s=2)
    tape = on_tape(
        tmp_path / "t", [frames], presence(camera, ORIGIN_NS), lost=frozenset({(camera.id, 40)})
    )
    segments = cut_apart(tape, tmp_path, 6)
    assert len(segments) == 1
    assert_plays(segments[0].path)
    numbers = [shot.number(0, 0, *SIZE, SIZE) for shot in shots(segments[0].path)]
    assert numbers == [*range(40), *range(60, 90)]


def test_a_line_begins_with_its_first_key_frame(tmp_path):
    frames = pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=5, size=SIZE, gop_s=2)[10:]
    tape = on_tape(tmp_path / "t", [frames], presence(CAM, ORIGIN_NS))
    assert _times(cut_apart(tape, tmp_path, 5)) == [(2, 3)]


@pytest.mark.parametrize(("camera", "cut"), [(CAM, [(0, 340)]), (CAM264, [(0, 330), (330, 10)])])
def test_h264_without_key_frames_is_cut_after_five_and_a_half_minutes(tmp_path, camera, cut):
    frames = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=340, fps=2, size=SIZE, gop_s=1000)
    assert sum(frame.keyframe for frame in frames) == 1
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    segments = cut_apart(tape, tmp_path, 340)
    assert _times(segments) == cut
    assert [s.discontinuity for s in segments] == [True, False][: len(cut)]
    assert {(s.width, s.height) for s in segments} == {SIZE}
    stored = [data for one in segments for _, data in packets(one.path)]
    assert len(stored) == len(frames)


def test_the_key_frame_that_ends_a_forced_segment_is_no_discontinuity(tmp_path):
    frames = pictures(CAM264, RED, start_ns=ORIGIN_NS, seconds=360, fps=2, size=SIZE, gop_s=350)
    tape = on_tape(tmp_path / "t", [frames], presence(CAM264, ORIGIN_NS))
    segments = cut_apart(tape, tmp_path, 360)
    assert _times(segments) == [(0, 330), (330, 20), (350, 10)]
    assert [s.discontinuity for s in segments] == [True, False, False]


def test_a_video_that_ceases_without_a_word_is_finished_and_lets_the_tape_go(tmp_path):
    """A camera that stops while the screen goes on, a tap that never comes back."""
    frames = pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=4, size=SIZE)
    tape = on_tape(tmp_path / "t", [frames], presence(CAM, ORIGIN_NS))
    cursor, kept, made = {}, [], []
    for number in range(5):
        begin = ORIGIN_NS + 15 * number * NS
        part = Slice(number, begin, begin + 15 * NS)
        result = cut_individual(
            tape,
            DEFAULT,
            origin_ns=ORIGIN_NS,
            slice=part,
            cursor=cursor,
            final=False,
            out_dir=tmp_path,
        )
        cursor = result.cursor
        made.append(_times(result.segments))
        kept.append(part.end_ns - result.keep_from_ns)
    assert made == [[], [], [(0, 4)], [], []]
    assert kept[-1] < 10 * NS < kept[1]


def test_a_picture_that_stands_still_for_a_while_is_no_interruption(tmp_path):
    frames = pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=34, size=SIZE)
    kept = _without(frames, 2, 32)
    tape = on_tape(tmp_path / "t", [kept], presence(CAM, ORIGIN_NS))
    assert _times(cut_apart(tape, tmp_path, 34)) == [(0, 32), (32, 2)]


# --- who and what ------------------------------------------------------------------------------


def test_only_what_was_asked_for_is_cut_and_screen_and_camera_are_lines_apart(tmp_path):
    screen = track("1", Source.SCREEN, VP8)
    tracks = [
        pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=3, size=SIZE),
        pictures(screen, BLUE, start_ns=ORIGIN_NS, seconds=3, size=SIZE),
        tone(MIC, 500, start_ns=ORIGIN_NS, seconds=3),
    ]
    events = [*presence(CAM, ORIGIN_NS)]
    events += [
        TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS + i, track=t.id)
        for i, t in enumerate((screen, MIC))
    ]
    tape = on_tape(tmp_path / "t", tracks, events)
    everything = cut_apart(tape, tmp_path / "a", 3)
    assert {s.source for s in everything} == {Source.CAMERA, Source.SCREEN, Source.MICROPHONE}
    heard = cut_apart(tape, tmp_path / "b", 3, spec=replace(DEFAULT, video=False))
    assert [s.kind for s in heard] == ["audio"]


def test_a_uid_with_awkward_characters_stays_inside_the_folder(tmp_path):
    mic = track("../a b/ü", Source.MICROPHONE, OPUS)
    frames = tone(mic, 500, start_ns=ORIGIN_NS, seconds=1)
    one = cut_apart(on_tape(tmp_path / "t", [frames], presence(mic, ORIGIN_NS)), tmp_path / "o", 1)[
        0
    ]
    assert one.path.parent == tmp_path / "o"
    assert one.uid == "../a b/ü"


def test_nobody_who_sent_nothing_gets_a_file(tmp_path):
    tape = on_tape(tmp_path / "t", [], [TapeEvent(EventType.JOINED, ORIGIN_NS, uid="9")])
    assert cut_apart(tape, tmp_path / "o", 30) == []


def test_sizes_that_change_within_a_millisecond_make_no_segments_of_one_name():
    """A simulcast layer that is switched while it begins."""

    def key(at_ns, width):
        return Frame(CAM, VP8, ORIGIN_NS + at_ns, at_ns, b"", True, True, width, width // 2)

    splitter = Splitter(LineState(), Pauses(()))
    splitter.feed([key(0, 160), key(300_000, 320), key(600_000, 640), key(NS, 320)])
    splitter.finish(ORIGIN_NS + 2 * NS, final=True)
    assert [(run.start_ns - ORIGIN_NS, run.width) for run in splitter.closed] == [
        (600_000, 640),
        (NS, 320),
    ]
    assert splitter.closed[0].resumed
