"""A take in which everything happens that can happen to a picture (reference §3.2)."""

import numpy as np
import pytest

from media.cut.composite import cut_composite
from media.cut.look import BEST_FIT, Look
from media.cut.model import CompositeSpec, Slice
from media.tape.model import NS, EventType, Source, TapeEvent
from tests.media.cut.crowd import camera, colour, joined, shown
from tests.media.cut.look import like, shots
from tests.media.cut.scene import ORIGIN_NS, Colour, moved, presence
from tests.media.cut.tapes import on_tape

SLICE_S, END_S = 8, 40
SPEC = CompositeSpec(320, 180, bitrate=2000, look=Look(BEST_FIT), audio=False)
BLACK = Colour(16, 128, 128)
ONE, TWO, THREE = camera(1), camera(2), camera(3)
THREE_AGAIN = camera(3, take=2)
CELLS = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]


def event(kind, at_s, **what):
    return TapeEvent(kind, ORIGIN_NS + round(at_s * NS), **what)


def muted(at_s, *, on=True):
    kind = EventType.MUTED if on else EventType.UNMUTED
    return event(kind, at_s, uid="1", source=Source.CAMERA)


def take(directory):
    """1 mutes from 5 to 12; 2 unpublishes at 9 and leaves at 26; 3 leaves at 16, is back at 20,
    turns the camera's size at 30 and the phone at 34.
    """
    one = [
        *shown(ONE, colour(1), seconds=4.6),
        *shown(ONE, colour(11), start_s=4.6, seconds=0.4),  # the last before the mute
        *shown(ONE, colour(1), start_s=12, seconds=28),
    ]
    two = [*shown(TWO, colour(2), seconds=8.6), *shown(TWO, colour(12), start_s=8.6, seconds=0.4)]
    three = shown(THREE, colour(3), seconds=16)
    again = [
        *shown(THREE_AGAIN, colour(4), start_s=20, seconds=10, rotation=0),
        *shown(THREE_AGAIN, colour(5), start_s=30, seconds=4, size=(90, 160), rotation=0),
        *shown(THREE_AGAIN, colour(5), colour(8), start_s=34, seconds=6, rotation=90),
    ]
    events = [
        *joined((1, 2, 3)),
        muted(5),
        event(EventType.TRACK_REMOVED, 9, track=TWO.id),
        muted(12, on=False),
        event(EventType.LEFT, 16, uid="3"),
        event(EventType.TRACK_REMOVED, 16, track=THREE.id),
        *presence(THREE_AGAIN, ORIGIN_NS + 20 * NS),
        event(EventType.LEFT, 26, uid="2"),
    ]
    return on_tape(directory, [one, two, three, again], events)


@pytest.fixture(scope="module")
def tape(tmp_path_factory):
    return take(tmp_path_factory.mktemp("take"))


@pytest.fixture(scope="module")
def seen(tape, tmp_path_factory):
    """Every picture of the take, cut in slices."""
    out = tmp_path_factory.mktemp("out")
    found = []
    for number in range(END_S // SLICE_S):
        found += shots(cut(tape, out, number).segments[0].path)
    return found


def cut(tape, out, number):
    begin_ns = ORIGIN_NS + number * SLICE_S * NS
    part = Slice(number, begin_ns, begin_ns + SLICE_S * NS)
    return cut_composite(tape, SPEC, origin_ns=ORIGIN_NS, slice=part, out_dir=out)


def cells(shot):
    return [shot.colour(*cell) for cell in CELLS]


@pytest.mark.parametrize(
    ("at_s", "numbers"),
    [
        (3, (1, 2, 3, None)),
        (6, (11, 2, 3, None)),  # muted: the last picture
        (11.5, (11, 12, 3, None)),  # without an image it stays; 2 has unpublished
        (13, (1, 12, 3, None)),
        (15.8, (1, 12, 3, None)),
    ],
)
def test_while_three_are_there(seen, at_s, numbers):
    wanted = [BLACK if number is None else colour(number) for number in numbers]
    assert all(map(like, cells(seen[round(at_s * 15)]), wanted)), cells(seen[round(at_s * 15)])


@pytest.mark.parametrize("at_s", [16.2, 18, 19.8])
def test_who_leaves_frees_the_region_at_once(seen, at_s):
    left, right = seen[round(at_s * 15)].colour(0.25, 0.5), seen[round(at_s * 15)].colour(0.75, 0.5)
    assert like(left, colour(1))
    assert like(right, colour(12))


@pytest.mark.parametrize(("at_s", "number"), [(21, 4), (25.5, 4)])
def test_who_rejoins_comes_last_with_a_new_picture(seen, at_s, number):
    wanted = [colour(1), colour(12), colour(number), BLACK]
    assert all(map(like, cells(seen[round(at_s * 15)]), wanted))


@pytest.mark.parametrize(("at_s", "number"), [(26.5, 4), (29.5, 4), (30.5, 5), (33.5, 5)])
def test_the_others_move_up_and_another_resolution_fills_the_region(seen, at_s, number):
    shot = seen[round(at_s * 15)]
    assert like(shot.colour(0.25, 0.5), colour(1))
    for x, y in ((0.53, 0.05), (0.97, 0.05), (0.53, 0.95), (0.97, 0.95), (0.75, 0.5)):
        assert like(shot.colour(x, y), colour(number))


@pytest.mark.parametrize("at_s", [34.5, 39.5])
def test_a_turned_phone_is_shown_upright(seen, at_s):
    # What is on the left of the picture as sent belongs to the top: turned clockwise by 90°.
    shot = seen[round(at_s * 15)]
    assert like(shot.colour(0.75, 0.2), colour(5))
    assert like(shot.colour(0.75, 0.8), colour(8))


def test_changes_come_at_their_time_within_a_tick(seen):
    right = np.array([shot.colour(0.75, 0.9).y for shot in seen], int)
    changed = [n / 15 for n in range(1, len(right)) if abs(right[n] - right[n - 1]) > 25]
    for wanted_s in (16, 20, 26, 30, 34):
        assert any(abs(at_s - wanted_s) <= 1.01 / 15 for at_s in changed), (wanted_s, changed)


def test_a_trimmed_tape_gives_the_same_slices(tape, tmp_path):
    tape = take(tmp_path / "t")
    for number in range(END_S // SLICE_S):
        made = cut(tape, tmp_path, number)
        path = made.segments[0].path
        data = path.read_bytes()
        path.unlink()
        assert cut(tape, tmp_path, number).segments[0].path.read_bytes() == data
        tape.trim(made.keep_from_ns, made.keep)
    assert tape.manifests()[0].from_ns > ORIGIN_NS + 10 * NS


@pytest.mark.parametrize("begin_s", [0, 1.2])
def test_a_phone_turned_between_key_frames_is_shown_upright_at_once(tmp_path, begin_s):
    frames = shown(ONE, colour(5), colour(8), seconds=4, rotation=0)
    turned = next(n for n, frame in enumerate(frames) if n > 20 and not frame.keyframe)
    for n in range(turned, len(frames)):
        if n == turned or frames[n].keyframe:
            frames[n : n + 1] = moved(frames[n : n + 1], rotation=180, tells_rotation=True)
    tape = on_tape(tmp_path / "t", [frames], joined([1]))
    part = Slice(0, ORIGIN_NS + round(begin_s * NS), ORIGIN_NS + 2 * NS)
    made = cut_composite(tape, SPEC, origin_ns=ORIGIN_NS, slice=part, out_dir=tmp_path)
    for shot in shots(made.segments[0].path):
        is_turned = shot.time_s > turned / 15 - 0.01
        assert like(shot.colour(0.2, 0.5), colour(8 if is_turned else 5)), shot.time_s
