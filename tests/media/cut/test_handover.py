"""What a playlist of a mix says when one recorder took over from another."""

import pytest

from media.cut.composite import cut_composite
from media.cut.look import Look
from media.cut.model import CompositeSpec, Slice
from media.tape.model import NS, Source
from media.tape.reader import Tape
from tests.media.cut.look import assert_plays, concatenated
from tests.media.cut.scene import OPUS, ORIGIN_NS, RED, VP8, pictures, presence, tone, track
from tests.media.cut.tapes import on_tape

SPEC = CompositeSpec(320, 180, 15, 300, look=Look(layout=1))


@pytest.mark.parametrize(("hole_s", "resumed"), [(0.2, []), (1.0, [2]), (6.5, [4])])
def test_only_a_hole_in_the_tape_is_a_discontinuity(tmp_path, hole_s, resumed):
    tape = tmp_path / "tape"
    _recorder(tape, 1, ORIGIN_NS, 9.9)
    _recorder(tape, 2, ORIGIN_NS + int((10 + hole_s) * NS), 10 - hole_s)
    made = [_cut(tape, number, tmp_path) for number in range(5)]
    assert [number for number, one in enumerate(made) if one.discontinuity] == resumed
    assert [number for number, one in enumerate(made) if one.resumed] == [0, *resumed]
    assert_plays(concatenated([one.path for one in made], tmp_path / "joined.ts"))


def _recorder(directory, fence, begin_ns, seconds):
    camera = track("1", Source.CAMERA, VP8, number=fence)
    microphone = track("1", Source.MICROPHONE, OPUS, number=fence)
    tracks = [
        pictures(camera, RED, start_ns=begin_ns, seconds=seconds),
        tone(microphone, 500, start_ns=begin_ns, seconds=seconds),
    ]
    events = [*presence(camera, begin_ns), *presence(microphone, begin_ns + 2)]
    return on_tape(directory, tracks, events, fence=fence)


def _cut(tape, number, out):
    start_ns = ORIGIN_NS + number * 4 * NS
    part = Slice(number, start_ns, start_ns + 4 * NS)
    return cut_composite(Tape(tape), SPEC, origin_ns=ORIGIN_NS, slice=part, out_dir=out).segments[0]
