"""A cutter that cuts all day stays as small as it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from media.cut.composite import cut_composite
from media.cut.model import Slice
from media.tape.model import NS
from media.tape.reader import Tape
from tests.media.cut import long_take
from tests.media.cut.scene import ORIGIN_NS

_SPEC = replace(long_take.SPEC, mp4=True)
_SLICE_S = 0.5
_GROWTH = 8 << 20  # bytes, from the second quarter to the last


@pytest.mark.parametrize(
    "slices", [60, pytest.param(2000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_memory_stays_flat_over_many_slices(slices, tmp_path):
    tape = long_take.take(tmp_path, long_take.SLICE_S).tape
    sizes = []
    for n in range(slices):
        _cut(tape, n % 28, tmp_path)
        sizes.append(psutil.Process().memory_info().rss)
    quarters = [float(np.median(quarter)) for quarter in np.array_split(sizes, 4)]
    half = np.array(sizes[slices // 2 :])
    slope = np.polyfit(np.arange(len(half)), half, 1)[0]
    print(
        f"{slices} slices: {[round(size / 2**20, 1) for size in quarters]} MiB by quarters, "
        f"{slope:.0f} bytes a slice at the end"
    )
    assert quarters[-1] - quarters[1] < _GROWTH


def _cut(tape: Path, number: int, out: Path) -> None:
    start_ns = ORIGIN_NS + int(number * _SLICE_S * NS)
    part = Slice(number, start_ns, start_ns + int(_SLICE_S * NS))
    result = cut_composite(Tape(tape), _SPEC, origin_ns=ORIGIN_NS, slice=part, out_dir=out)
    for path in [one.path for one in result.segments]:
        path.unlink()
    for one in result.pieces:
        one.payload.unlink()
        one.index.unlink()
