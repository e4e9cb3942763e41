"""An encoder must not put a process before all others, whoever runs it."""

import os
from pathlib import Path

import pytest

from media.publish.encoders import VideoEncoder


@pytest.mark.parametrize("codec", ["vp8", "vp9", "h264", "av1"])
def test_a_process_is_as_important_as_before(codec: str) -> None:
    before = os.sched_getscheduler(0)
    VideoEncoder(codec, width=320, height=180, fps=15, bitrate=200_000, keyframe_s=2)
    policies = {os.sched_getscheduler(int(path.name)) for path in Path("/proc/self/task").iterdir()}
    assert policies == {before}
