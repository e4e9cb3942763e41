"""Mixes of real encoded publishers on real tapes, decoded and looked at."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from media.cut.composite import cut_composite
from media.cut.layouts import LayoutUnknown
from media.cut.look import Look
from media.cut.model import CompositeSpec, Slice
from media.tape.model import NS, EventType, Source, TapeEvent
from media.tape.reader import Tape
from tests.media.cut.look import assert_plays, concatenated, like, shots, sound
from tests.media.cut.scene import (
    BLUE,
    GREEN,
    H264,
    OPUS,
    ORIGIN_NS,
    RED,
    VP8,
    YELLOW,
    Colour,
    moved,
    pictures,
    presence,
    tone,
    track,
)
from tests.media.cut.tapes import on_tape

BLACK = Colour(16, 128, 128)
BEST_FIT = CompositeSpec(look=Look(1))
SIZE = (320, 180)
CAM1, CAM2 = track("1", Source.CAMERA, VP8), track("2", Source.CAMERA, H264)
MIC1, MIC2 = track("1", Source.MICROPHONE, OPUS), track("2", Source.MICROPHONE, OPUS)


def _slice(number, seconds=4.0, until=None):
    start = ORIGIN_NS + int(number * seconds * NS)
    end = start + int(seconds * NS) if until is None else ORIGIN_NS + int(until * NS)
    return Slice(number, start, end)


def _cut(tape, out, *, spec=BEST_FIT, part=None):
    return cut_composite(
        tape, spec, origin_ns=ORIGIN_NS, slice=part or _slice(0), out_dir=out
    ).segments


def _added(of, at_ns=ORIGIN_NS):
    return TapeEvent(EventType.TRACK_ADDED, at_ns, track=of.id)


@pytest.fixture(scope="module")
def duo(tmp_path_factory):
    """Two publishers, VP8 and H.264, twelve seconds, from a second before the recording on."""
    begin = ORIGIN_NS - NS
    jitter = {"jitter_ns": 6_000_000}
    tracks = [
        pictures(CAM1, RED, start_ns=begin, seconds=14, **jitter),
        pictures(CAM2, BLUE, start_ns=begin + 31_000_000, seconds=14, gop_s=5, **jitter),
        tone(MIC1, 500, start_ns=begin, seconds=14),
        tone(MIC2, 1300, start_ns=begin, seconds=14, drift=60e-6),
    ]
    events = [*presence(CAM1, begin), *presence(CAM2, begin + 1)]
    events += [_added(MIC1, begin + 2), _added(MIC2, begin + 3)]
    return on_tape(tmp_path_factory.mktemp("duo"), tracks, events)


@pytest.fixture(scope="module")
def duo_slices(duo, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return [_cut(duo, out, part=_slice(k))[0] for k in range(3)]


def test_everybody_stands_in_the_region_of_their_join_order(duo_slices):
    seen = shots(duo_slices[0].path)
    assert len(seen) == 60
    for shot in seen:
        assert shot.y.shape == (640, 360)
        assert like(shot.colour(0.25, 0.3), RED)
        assert like(shot.colour(0.75, 0.3), BLUE)


def test_no_picture_is_missing_or_doubled_from_slice_to_slice(duo_slices):
    seen = [shot for one in duo_slices for shot in shots(one.path)]
    for x in (0, 180):
        numbers = [shot.number(x, 0, 180, 640, SIZE) for shot in seen]
        assert numbers == list(range(numbers[0], numbers[0] + 180))
    times = [shot.time_s for shot in seen]
    assert times == pytest.approx([n / 15 for n in range(180)], abs=1e-4)


def test_a_picture_and_its_time_agree(duo_slices):
    # Picture n of the second publisher was taken 31 ms after n / 15 - 1 s.
    for shot in shots(duo_slices[1].path):
        taken = shot.number(180, 0, 180, 640, SIZE) / 15 - 1 + 0.031
        assert abs(taken - shot.time_s) <= 0.045


def test_both_tones_are_there_throughout(duo_slices):
    for one in duo_slices:
        heard = sound(one.path)
        for at in np.arange(heard.start_s + 0.1, heard.start_s + 3.9, 0.5):
            assert heard.level(500, at, at + 0.1) > 0.15
            assert heard.level(1300, at, at + 0.1) > 0.15


def test_slices_join_without_a_seam(duo, duo_slices, tmp_path):
    joined = concatenated([one.path for one in duo_slices], tmp_path / "joined.ts")
    assert_plays(joined)
    whole = _cut(duo, tmp_path, part=Slice(0, ORIGIN_NS, ORIGIN_NS + 12 * NS))[0]
    apart, at_once = sound(joined), sound(whole.path)
    assert apart.start_s == at_once.start_s
    assert apart.pcm.shape == at_once.pcm.shape
    for seam in (4.0, 8.0):
        near = slice(int((seam - 0.1) * 48_000), int((seam + 0.1) * 48_000))
        elsewhere = np.abs(np.diff(at_once.pcm[0, near])).max()
        assert np.abs(np.diff(apart.pcm[0, near])).max() < 1.1 * elsewhere
        assert np.abs(apart.pcm[0, near] - at_once.pcm[0, near]).max() < 0.05
    assert len(shots(joined)) == len(shots(whole.path)) == 180


def test_the_same_slice_twice_gives_the_same_bytes_from_any_thread(duo, duo_slices, tmp_path):
    made = []
    worker = threading.Thread(target=lambda: made.append(_cut(duo, tmp_path, part=_slice(1))))
    worker.start()
    worker.join()
    assert made[0][0].path.read_bytes() == duo_slices[1].path.read_bytes()


def test_durations_add_up_to_the_end(duo, tmp_path):
    cuts = [_cut(duo, tmp_path, part=_slice(0)), _cut(duo, tmp_path, part=_slice(1, until=6.7))]
    total = sum(one.duration_s for segments in cuts for one in segments)
    assert abs(total - 6.7) <= 1 / 15
    assert len(shots(cuts[1][0].path)) == pytest.approx(2.7 * 15, abs=1)
    assert _cut(duo, tmp_path, part=Slice(9, ORIGIN_NS + 1, ORIGIN_NS + 2)) == ()


def test_streams_that_were_not_asked_for_are_left_out(duo, tmp_path):
    silent = _cut(duo, tmp_path / "v", spec=replace(BEST_FIT, audio=False))[0]
    blind = _cut(duo, tmp_path / "a", spec=replace(BEST_FIT, video=False))[0]
    assert (silent.kind, blind.kind, blind.codec, blind.width) == ("video", "audio", "aac", 0)
    assert blind.duration_s == pytest.approx(4, abs=0.022)
    with pytest.raises(IndexError):
        sound(silent.path)
    with pytest.raises(IndexError):
        shots(blind.path)


@pytest.mark.parametrize(("profile", "channels"), [(1, 1), (2, 2)])
def test_the_audio_profile_decides_the_channels(duo, tmp_path, profile, channels):
    spec = replace(BEST_FIT, video=False, audio_profile=profile)
    assert sound(_cut(duo, tmp_path, spec=spec)[0].path).pcm.shape[0] == channels


def test_the_canvas_has_the_size_rate_and_colour_asked_for(duo, tmp_path):
    spec = CompositeSpec(480, 270, 30, 400, look=Look(1, background_color="#00FF00"))
    tall = _cut(duo, tmp_path, spec=spec, part=Slice(0, ORIGIN_NS - 5 * NS, ORIGIN_NS - 3 * NS))
    seen = shots(tall[0].path) if tall else []
    assert len(seen) == 60
    assert seen[0].y.shape == (270, 480)
    assert like(seen[5].colour(0.5, 0.5), Colour(145, 54, 34))


def test_floating_puts_the_second_over_the_first(duo, tmp_path):
    shot = shots(_cut(duo, tmp_path, spec=CompositeSpec())[0].path)[20]
    assert like(shot.colour(0.5, 0.3), RED)
    assert like(shot.colour(0.13, 0.8), BLUE)
    assert like(shot.colour(0.6, 0.9), RED)


def test_vertical_shows_the_whole_picture_of_the_large_one(duo, tmp_path):
    spec = CompositeSpec(640, 360, look=Look(2, "2"))
    shot = shots(_cut(duo, tmp_path, spec=spec)[0].path)[20]
    assert like(shot.colour(0.4, 0.4), BLUE)
    assert like(shot.colour(0.4, 0.02), BLACK)
    assert like(shot.colour(0.9, 0.05), RED)


def test_an_unknown_layout_is_refused_and_leaves_no_file(duo, tmp_path):
    with pytest.raises(LayoutUnknown):
        _cut(duo, tmp_path, spec=CompositeSpec(look=Look(4)))
    assert list(tmp_path.iterdir()) == []


def test_who_leaves_frees_the_region_and_the_others_move_up(tmp_path):
    three = track("3", Source.CAMERA, VP8)
    tracks = [
        pictures(CAM1, RED, start_ns=ORIGIN_NS, seconds=2),
        pictures(CAM2, BLUE, start_ns=ORIGIN_NS, seconds=4),
        pictures(three, YELLOW, start_ns=ORIGIN_NS, seconds=4),
    ]
    events = [e for i, of in enumerate((CAM1, CAM2, three)) for e in presence(of, ORIGIN_NS + i)]
    events += [TapeEvent(EventType.LEFT, ORIGIN_NS + 2 * NS, uid="1")]
    seen = shots(_cut(on_tape(tmp_path / "t", tracks, events), tmp_path)[0].path)
    before, after = seen[25], seen[45]
    assert [like(before.colour(*at), c) for at, c in _quarters(RED, BLUE, YELLOW, BLACK)] == [
        True
    ] * 4
    assert like(after.colour(0.25, 0.3), BLUE)
    assert like(after.colour(0.75, 0.3), YELLOW)


def _quarters(*colours):
    spots = [(0.25, 0.15), (0.75, 0.15), (0.25, 0.65), (0.75, 0.65)]
    return list(zip(spots, colours, strict=True))


def test_muted_video_stands_still_however_long_ago_it_was_muted(tmp_path):
    tracks = [
        pictures(CAM1, RED, start_ns=ORIGIN_NS, seconds=2),
        pictures(CAM2, BLUE, start_ns=ORIGIN_NS, seconds=24),
    ]
    events = [*presence(CAM1, ORIGIN_NS), *presence(CAM2, ORIGIN_NS + 1)]
    at = ORIGIN_NS + 2 * NS
    events += [TapeEvent(EventType.MUTED, at, uid="1", source=Source.CAMERA)]
    tape = on_tape(tmp_path / "t", tracks, events)
    result = cut_composite(tape, BEST_FIT, origin_ns=ORIGIN_NS, slice=_slice(5), out_dir=tmp_path)
    seen = shots(result.segments[0].path)
    assert {shot.number(0, 0, 180, 640, SIZE) for shot in seen} == {29}
    assert all(like(shot.colour(0.25, 0.3), RED) for shot in seen)
    [(from_ns, until_ns)] = result.keep
    assert from_ns <= ORIGIN_NS < at < until_ns < result.keep_from_ns


def test_a_key_frame_that_never_comes_is_not_searched_for_on_the_whole_tape(tmp_path, monkeypatch):
    frames = pictures(CAM1, RED, start_ns=ORIGIN_NS, seconds=2)[1:]
    late = moved(frames[-1:], time_ns=ORIGIN_NS + 1000 * NS, rtp_time=1000 + 90_000_000)
    tape = on_tape(tmp_path / "t", [[*frames, *late]], presence(CAM1, ORIGIN_NS))
    asked, frames_of = [], Tape.frames

    def frames_since(tape, since_ns, *rest, **named):
        asked.append(since_ns)
        return frames_of(tape, since_ns, *rest, **named)

    monkeypatch.setattr(Tape, "frames", frames_since)
    assert len(_cut(tape, tmp_path, part=_slice(250))) == 1
    assert min(asked) >= ORIGIN_NS + 690 * NS


def test_who_sends_only_sound_has_a_region_in_the_background_colour(tmp_path):
    tracks = [
        tone(MIC1, 500, start_ns=ORIGIN_NS, seconds=4),
        pictures(CAM2, BLUE, start_ns=ORIGIN_NS, seconds=4),
    ]
    events = [*presence(MIC1, ORIGIN_NS), *presence(CAM2, ORIGIN_NS + 1)]
    tape = on_tape(tmp_path / "t", tracks, events)
    spec = replace(BEST_FIT, look=Look(1, background_color="#FF0000"))
    shot = shots(_cut(tape, tmp_path, spec=spec)[0].path)[30]
    assert like(shot.colour(0.25, 0.3), Colour(81, 91, 240))
    assert like(shot.colour(0.75, 0.3), BLUE)


def test_a_listener_without_tracks_has_no_region(tmp_path):
    tracks = [pictures(CAM2, BLUE, start_ns=ORIGIN_NS, seconds=4)]
    events = [TapeEvent(EventType.JOINED, ORIGIN_NS, uid="9"), *presence(CAM2, ORIGIN_NS + 1)]
    shot = shots(_cut(on_tape(tmp_path / "t", tracks, events), tmp_path)[0].path)[30]
    assert like(shot.colour(0.1, 0.3), BLUE)
    assert like(shot.colour(0.9, 0.3), BLUE)


def test_a_rejoining_publisher_does_not_come_back_with_the_old_picture(tmp_path):
    again = track("1", Source.CAMERA, VP8, number=2)
    tracks = [
        pictures(CAM1, RED, start_ns=ORIGIN_NS, seconds=1),
        tone(MIC1, 500, start_ns=ORIGIN_NS + 3 * NS // 2, seconds=3),
        pictures(again, GREEN, start_ns=ORIGIN_NS + 5 * NS // 2, seconds=2),
    ]
    back = ORIGIN_NS + 3 * NS // 2
    events = [*presence(CAM1, ORIGIN_NS), TapeEvent(EventType.LEFT, ORIGIN_NS + NS, uid="1")]
    events += [TapeEvent(EventType.TRACK_REMOVED, ORIGIN_NS + NS, track=CAM1.id)]
    events += [*presence(MIC1, back), _added(again, back + 1)]
    seen = shots(_cut(on_tape(tmp_path / "t", tracks, events), tmp_path)[0].path)
    colours = [shot.colour(0.5, 0.3) for shot in (seen[10], seen[18], seen[30], seen[45])]
    wanted = [RED, BLACK, BLACK, GREEN]
    assert all(map(like, colours, wanted))


@pytest.mark.parametrize("camera", [CAM1, CAM2])
def test_after_a_lost_frame_the_picture_freezes_until_the_next_key_frame(tmp_path, camera):
    frames = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=6, gop_s=2)
    tape = on_tape(
        tmp_path / "t", [frames], [*presence(camera, ORIGIN_NS)], lost=frozenset({(camera.id, 40)})
    )
    seen = shots(_cut(tape, tmp_path, part=_slice(0, 6))[0].path)
    numbers = [shot.number(0, 0, 360, 640, SIZE) for shot in seen[1:]]
    assert set(range(40, 60)).isdisjoint(numbers)
    assert numbers[39:58] == [39] * 19
    assert numbers == sorted(numbers)
    assert numbers[-20:] == list(range(70, 90))


@pytest.mark.parametrize("camera", [CAM1, CAM2])
def test_damaged_frames_never_stop_a_cut(tmp_path, camera):
    rng = np.random.default_rng(5)
    frames = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=4, gop_s=1)
    for i in (5, 15, 33):
        noise = rng.integers(0, 256, len(frames[i].data) - 20, np.uint8).tobytes()
        frames[i] = moved([frames[i]], data=frames[i].data[:20] + noise)[0]
    tape = on_tape(tmp_path / "t", [frames], [*presence(camera, ORIGIN_NS)])
    one = _cut(tape, tmp_path)[0]
    assert_plays(one.path)
    assert shots(one.path)[55].number(0, 0, 360, 640, SIZE) in (54, 55)


def test_a_source_that_turns_its_picture_goes_on_filling_its_region(tmp_path):
    wide = pictures(CAM1, RED, start_ns=ORIGIN_NS, seconds=2)
    tall = pictures(CAM1, GREEN, start_ns=ORIGIN_NS + 2 * NS, seconds=2, size=(240, 320))
    tall = [moved([f], rtp_time=f.rtp_time + 180_000)[0] for f in tall]
    tape = on_tape(tmp_path / "t", [[*wide, *tall]], [*presence(CAM1, ORIGIN_NS)])
    seen = shots(_cut(tape, tmp_path)[0].path)
    assert like(seen[20].colour(0.05, 0.05), RED)
    for at in ((0.05, 0.05), (0.95, 0.95), (0.5, 0.3)):
        assert like(seen[50].colour(*at), GREEN)


@pytest.mark.parametrize("camera", [CAM1, CAM2])
def test_of_a_faster_source_every_other_picture_is_shown(tmp_path, camera):
    frames = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=4, fps=30, jitter_ns=4_000_000)
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    seen = shots(_cut(tape, tmp_path)[0].path)
    numbers = [shot.number(0, 0, 360, 640, SIZE) for shot in seen]
    assert numbers == list(range(numbers[0], numbers[0] + 120, 2))


def test_an_empty_channel_is_recorded_as_background_and_silence(tmp_path):
    events = [TapeEvent(EventType.JOINED, ORIGIN_NS, uid="9")]
    one = _cut(on_tape(tmp_path / "t", [], events), tmp_path)[0]
    assert_plays(one.path)
    assert all(like(shot.colour(0.5, 0.5), BLACK) for shot in shots(one.path))
    assert np.abs(sound(one.path).pcm).max() < 1e-3


def test_sound_and_picture_of_one_moment_lie_together(tmp_path):
    # The picture turns from red to green where the tone sets in.
    red = pictures(CAM1, RED, start_ns=ORIGIN_NS, seconds=2)
    green = pictures(CAM1, GREEN, start_ns=ORIGIN_NS + 2 * NS, seconds=2)
    green = [moved([f], rtp_time=f.rtp_time + 180_000)[0] for f in green]
    mic = tone(MIC1, 800, start_ns=ORIGIN_NS + 2 * NS, seconds=2)
    events = [*presence(CAM1, ORIGIN_NS), _added(MIC1)]
    tape = on_tape(tmp_path / "t", [[*red, *green], mic], events)
    one = _cut(tape, tmp_path)[0]
    turned = next(shot.time_s for shot in shots(one.path) if like(shot.colour(0.5, 0.3), GREEN))
    heard = sound(one.path)
    began = heard.start_s + np.flatnonzero(np.abs(heard.pcm[0]) > 0.1)[0] / 48_000
    assert abs(turned - began) < 0.04
