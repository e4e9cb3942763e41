"""Who never sends a key frame costs no slice a search through minutes of tape."""

import pytest

from media.cut import material, snapshot
from media.cut.look import Look
from media.cut.model import CompositeSpec, Slice
from media.cut.wishes import Wishes
from media.tape import reader
from media.tape.keyless import Keyless
from media.tape.model import NS, Source
from media.tape.reader import Tape
from media.tape.shelf import Shelf
from media.tape.wanted import EVERYBODY
from tests.media.cut.scene import ORIGIN_NS, RED, VP8, moved, pictures, presence, track
from tests.media.cut.tapes import on_tape

CAM = track("1", Source.CAMERA, VP8)
SPEC = CompositeSpec(320, 180, look=Look(1), audio=False)
SECONDS = 360


@pytest.fixture(scope="module")
def tapes(tmp_path_factory):
    """Without a key frame, and with many."""
    frames = pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=SECONDS, fps=3, gop_s=5)
    differences = moved([frame for frame in frames if not frame.keyframe])
    home = tmp_path_factory.mktemp("tapes")
    return [
        on_tape(home / name, [sent], presence(CAM, ORIGIN_NS))
        for name, sent in (("without", differences), ("with", frames))
    ]


@pytest.fixture
def opened(monkeypatch):
    """The parts that were read, each time."""
    names, open_ = [], Shelf.open

    def counted(shelf, part, **how):
        names.append(part.name)
        return open_(shelf, part, **how)

    monkeypatch.setattr(reader, "_keyless", Keyless())
    monkeypatch.setattr(Shelf, "open", counted)
    return names


def _slice(number):
    begin = ORIGIN_NS + number * 15 * NS
    return Slice(number, begin, begin + 15 * NS)


def test_the_next_slice_of_a_mix_reads_little_more_than_with_key_frames(tapes, opened):
    counts = []
    for tape in tapes:
        for number in (21, 22):
            opened.clear()
            material.gather(Tape(tape.directory), SPEC, _slice(number))
            counts.append(len(opened))
    first, following, _, usual = counts
    print(f"parts read: {first} by the first slice, {following} by the next, usually {usual}")
    assert first > 50
    assert following < 5 * usual
    assert following < first / 3


def test_the_next_screenshot_reads_little_more_than_with_key_frames(tapes, opened, tmp_path):
    counts = []
    for tape in tapes:
        for at_s in (320, 325):
            opened.clear()
            at = [ORIGIN_NS + at_s * NS]
            snapshot.snapshots(Tape(tape.directory), at, Wishes(EVERYBODY, ()), {}, tmp_path)
            counts.append(len(opened))
    first, following, _, usual = counts
    print(f"parts read: {first} by the first picture, {following} by the next, usually {usual}")
    assert first > 50
    assert following < first / 3
