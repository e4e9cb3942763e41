"""What a mix of many large pictures needs of memory, in a process of its own."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from media.publish.encoders import VIDEO_RATE, VideoEncoder
from media.publish.pattern import PatternPicture
from media.tape.model import NS, Frame
from tests.elsewhere import elsewhere
from tests.media.cut.crowd import camera, joined
from tests.media.cut.scene import H264, ORIGIN_NS, VP8
from tests.media.cut.tapes import on_tape

PUBLISHERS, SIZE, FPS, SECONDS = 17, (1920, 1080), 15, 4
_CUT = """
import json, resource, sys
from pathlib import Path
from media.cut.composite import cut_composite
from media.cut.look import Look
from media.cut.model import CompositeSpec, Slice
from media.tape.reader import Tape

tape, out, layout, origin_ns, end_ns = json.loads(sys.argv[1])
spec = CompositeSpec(1920, 1080, 30, 6500, look=Look(layout), audio=False)
part = Slice(0, origin_ns, end_ns)
cut_composite(Tape(Path(tape)), spec, origin_ns=origin_ns, slice=part, out_dir=Path(out))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def published(codec) -> list[tuple[bytes, bool]]:
    """A moving 1080p picture, as it is sent."""
    picture = PatternPicture("1", width=SIZE[0], height=SIZE[1], fps=FPS)
    encoder = VideoEncoder(
        codec.key, width=SIZE[0], height=SIZE[1], fps=FPS, bitrate=4_000_000, keyframe_s=10
    )
    return [
        encoder.encode(picture.draw(n), n * VIDEO_RATE // FPS, force_key=n == 0)
        for n in range(SECONDS * FPS)
    ]


@pytest.mark.parametrize("codec", [VP8, H264], ids=lambda codec: codec.key)
def test_seventeen_large_pictures_take_less_than_a_gigabyte(tmp_path: Path, codec) -> None:
    sent = elsewhere(published, codec)
    tracks = []
    for number in range(1, PUBLISHERS + 1):
        of = replace(camera(number), codecs=(codec,))
        frames = [
            Frame(of, codec, ORIGIN_NS + n * NS // FPS, n * VIDEO_RATE // FPS, data, key, True)
            for n, (data, key) in enumerate(sent)
        ]
        tracks.append(frames)
    on_tape(tmp_path / "t", tracks, joined(range(1, PUBLISHERS + 1)))
    peaks = []
    for layout in (0, 1):
        order = [str(tmp_path / "t"), str(tmp_path), layout, ORIGIN_NS, ORIGIN_NS + SECONDS * NS]
        run = subprocess.run(
            [sys.executable, "-c", _CUT, json.dumps(order)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(run.stdout) / 1024)
    print(f"{codec.key}: peak {np.round(peaks)} MB")
    assert max(peaks) < 1000
