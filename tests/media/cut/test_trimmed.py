"""What was long ago still counts: a slice of the whole tape is the same of a trimmed one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from media.cut.composite import cut_composite
from media.cut.look import BEST_FIT, Look
from media.cut.model import CompositeSpec, CutResult, Slice
from media.tape.model import NS, EventType, Source, TapeEvent
from media.tape.reader import Tape
from media.tape.wanted import EVERYBODY, Wanted
from tests.media.cut.look import like, shots
from tests.media.cut.scene import GREEN, ORIGIN_NS, RED, VP8, pictures, presence, track
from tests.media.cut.tapes import on_tape

SPEC = CompositeSpec(320, 180, bitrate=300, look=Look(BEST_FIT), audio=False)
LENGTH_S, SLICE_S = 36, 6
LEFT_AND_RIGHT = [(0.25, 0.3), (0.75, 0.3)]


def after(seconds: float) -> int:
    return ORIGIN_NS + round(seconds * NS)


def camera(uid: str, fence: int = 1):
    return track(uid, Source.CAMERA, VP8, number=fence)


def sent(uid: str, colour, since_s: float, until_s: float, fence: int = 1):
    one = camera(uid, fence)
    return pictures(one, colour, start_ns=after(since_s), seconds=until_s - since_s)


def unpublished(directory: Path) -> None:
    one, two = camera("1"), camera("2")
    events = [*presence(one, after(0)), *presence(two, after(0) + 9)]
    events.append(TapeEvent(EventType.TRACK_REMOVED, after(4), track=two.id))
    on_tape(directory, [sent("1", RED, 0, LENGTH_S), sent("2", GREEN, 0, 4)], events)


def met_in_another_order(directory: Path) -> None:
    for fence, order, since_s, until_s in ((1, "12", 0, 12), (2, "21", 12, LENGTH_S)):
        events = []
        for i, uid in enumerate(order):
            events += presence(camera(uid, fence), after(since_s) + i * 1000)
        times = since_s, until_s, fence
        on_tape(directory, [sent("1", RED, *times), sent("2", GREEN, *times)], events, fence=fence)


def unpublished_before_a_handover(directory: Path) -> None:
    one, two = camera("1"), camera("2")
    events = [*presence(one, after(0)), *presence(two, after(0) + 9)]
    events.append(TapeEvent(EventType.TRACK_REMOVED, after(4), track=two.id))
    on_tape(directory, [sent("1", RED, 0, 12), sent("2", GREEN, 0, 4)], events)
    events = [*presence(camera("1", 2), after(12.2))]
    events.append(TapeEvent(EventType.JOINED, after(12.2) + 9, uid="2"))
    on_tape(directory, [sent("1", RED, 12.2, LENGTH_S, 2)], events, fence=2)


def not_wanted_for_a_while(directory: Path) -> None:
    one, two = camera("1"), camera("2")
    nobody = Wanted(not_audio_uids=frozenset("2"), not_video_uids=frozenset("2"))
    events = [*presence(one, after(0)), *presence(two, after(0) + 9)]
    events.append(TapeEvent(EventType.TRACK_REMOVED, after(4), track=two.id))
    events += [nobody.event(after(10)), EVERYBODY.event(after(16))]
    on_tape(directory, [sent("1", RED, 0, LENGTH_S), sent("2", GREEN, 0, 4)], events)


@pytest.mark.parametrize(
    ("story", "at_the_end"),
    [
        (unpublished, [RED, GREEN]),
        (met_in_another_order, [RED, GREEN]),
        (unpublished_before_a_handover, [RED, GREEN]),
        (not_wanted_for_a_while, [RED, RED]),
    ],
)
def test_a_trimmed_tape_gives_the_same(
    tmp_path: Path, story: Callable[[Path], None], at_the_end: list
) -> None:
    whole, trimmed = tmp_path / "whole", tmp_path / "trimmed"
    story(whole)
    shutil.copytree(whole, trimmed)  # an encoder of VP8 is not the same twice on a busy host
    parts = len(Tape(whole).manifests())
    for number in range(LENGTH_S // SLICE_S):
        one, other = (cut(each, number, tmp_path / each.name[0]) for each in (whole, trimmed))
        path = one.segments[0].path
        assert path.read_bytes() == other.segments[0].path.read_bytes()
        Tape(trimmed).trim(other.keep_from_ns, other.keep)
    last = shots(path)[-1]
    for spot, colour in zip(LEFT_AND_RIGHT, at_the_end, strict=True):
        assert like(last.colour(*spot), colour)
    assert len(Tape(trimmed).manifests()) <= parts / 2


def cut(tape: Path, number: int, out: Path) -> CutResult:
    part = Slice(number, after(number * SLICE_S), after((number + 1) * SLICE_S))
    return cut_composite(Tape(tape), SPEC, origin_ns=ORIGIN_NS, slice=part, out_dir=out)
