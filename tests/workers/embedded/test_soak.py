"""Minutes of killing parts and supervisors; the farm must come back each time."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from workers.embedded.process import mark

pytestmark = [pytest.mark.server, pytest.mark.soak, pytest.mark.timeout(0)]

SOAK_S = float(os.environ.get("TAPEFARM_SOAK_S", "120"))


def test_a_farm_that_is_killed_again_and_again_comes_back_the_same(farm, until):
    chance = random.Random(2)
    end = time.monotonic() + SOAK_S
    one = farm(recorders=2, cutters=2)
    one.wait_up()
    first, open_files = one.json, files_of(one)
    while time.monotonic() < end:
        if chance.random() < 0.25:
            marks = one.marks()
            one.process.kill()
            one.wait()
            one = farm(recorders=2, cutters=2)
            one.wait_up()
            assert not [pid for pid, was in marks.items() if mark(pid) == was]
        else:
            victim = chance.choice(one.pids)
            os.kill(victim, signal.SIGKILL)
            until(lambda one=one, victim=victim: came_back(one, victim))
        assert {**one.json, "pids": None} == {**first, "pids": None}
        until(lambda one=one: files_of(one) <= open_files)
    marks = one.marks()
    assert one.stop() == 0
    assert not [pid for pid, was in marks.items() if mark(pid) == was]


def came_back(one, victim):
    pids = one.pids
    return victim not in pids and len(pids) == 10 and all(mark(pid) for pid in pids)


def files_of(one):
    return len(list(Path(f"/proc/{one.process.pid}/fd").iterdir()))
