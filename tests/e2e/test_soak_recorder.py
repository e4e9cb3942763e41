"""Minutes of recordings starting and stopping at random on one recorder: nothing is left over.

TAPEFARM_SOAK_S says how long, 20 minutes unless given.
"""

import itertools
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import numpy as np
import psutil
import pytest

from api.agora.client import Recording
from media.tape.info import inspect_tape
from tests.e2e.farm import Farm, farm

pytestmark = [pytest.mark.e2e, pytest.mark.server, pytest.mark.soak, pytest.mark.timeout(0)]

SOAK_S = float(os.environ.get("TAPEFARM_SOAK_S", "1200"))
RECORDINGS = 50
LIFE_S = (SOAK_S / 20, SOAK_S / 4)  # of one recording
LOOK_S = 1.0
KEEP_S = 0.05  # what is delivered is deleted a moment after it was sealed
GONE_S = 60.0
GROWTH_BYTES = 16 << 20  # between the second quarter of the soak and the last

_uids = itertools.count(1000)


@dataclass
class Look:
    """The recorder process from outside."""

    at_s: float
    rss: int
    threads: int
    handles: int  # of files, sockets and the rest
    files: int
    sockets: int  # UDP
    connections: int  # TCP: to Redis, to the room
    pollers: int  # epoll: the loop's, the drain's, one of each of Celery's connections
    tasks: int


class Recorder:
    """What one can see of it."""

    def __init__(self, running: Farm) -> None:
        self._process = psutil.Process(running.facts["pids"]["recorder"][0])
        self._handles = Path(f"/proc/{self._process.pid}/fd")
        self._metrics = running.facts["metrics"]["recorder"][0]

    def look(self) -> Look:
        with self._process.oneshot():
            return Look(
                time.monotonic(),
                self._process.memory_info().rss,
                self._process.num_threads(),
                self._process.num_fds(),
                len(self._process.open_files()),
                len(self._process.net_connections("udp")),
                len(self._process.net_connections("tcp")),
                self._pollers(),
                int(self.metric("tapefarm_recorder_tasks")),
            )

    def _pollers(self) -> int:
        return sum("eventpoll" in to for to in map(_target, self._handles.iterdir()))

    def metric(self, name: str) -> float:
        text = httpx.get(self._metrics, timeout=10, trust_env=False).text
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        assert found, f"no {name} in the recorder's metrics"
        return float(found[1])

    def is_idle(self) -> bool:
        return self.metric("tapefarm_recordings_active") == 0


def _target(handle: Path) -> str:
    try:
        return str(handle.readlink())
    except FileNotFoundError:  # closed while we looked
        return ""


class Tapes:
    """Keeps every part that is sealed: the farm deletes those that are delivered, soon after."""

    def __init__(self, spool: Path, kept: Path) -> None:
        self.missed = 0  # parts that were delivered quicker than we looked
        self._spool, self._kept = spool, kept
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keep-tapes")

    def __enter__(self) -> Self:
        self._kept.mkdir()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(KEEP_S):
            for recording in self._spool.iterdir():
                for manifest in _manifests(recording / "tape"):
                    self._keep(manifest, self._kept / recording.name)

    def _keep(self, manifest: Path, folder: Path) -> None:
        part = manifest.with_suffix(".pcapng")
        if (folder / part.name).exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        try:
            (folder / manifest.name).hardlink_to(manifest)
            (folder / part.name).hardlink_to(part)
        except FileNotFoundError:
            (folder / manifest.name).unlink(missing_ok=True)
            self.missed += 1

    def faults(self) -> list[str]:
        found = []
        for folder in self._kept.iterdir():
            if not any(folder.iterdir()):
                continue
            numbers = sorted(int(path.stem.partition("-")[2]) for path in folder.glob("*.json"))
            tape = inspect_tape(folder)
            lost = sum(track.lost for track in tape.tracks)
            if not tape.whole or lost or numbers != list(range(len(numbers))):
                found.append(f"{folder.name}: {lost} lost, parts {numbers}, {tape.parts}")
        return found

    def __len__(self) -> int:
        return len(list(self._kept.iterdir()))


def _manifests(tape: Path) -> list[Path]:
    """Written when their parts are whole; none when the recording is gone at this moment."""
    try:
        return sorted(path for path in tape.iterdir() if path.suffix == ".json")
    except FileNotFoundError:
        return []


class Chance:
    """Starts and stops recordings, one in each channel at a time."""

    def __init__(self, running: Farm) -> None:
        self._farm = running
        self._dice = random.Random(3)
        self._running: dict[int, tuple[float, Recording]] = {}
        self._begins_s = {
            number: time.monotonic() + self._dice.uniform(0, LIFE_S[0])
            for number in range(RECORDINGS)
        }
        self.started = 0

    def act(self) -> None:
        now_s = time.monotonic()
        for number, begins_s in self._begins_s.items():
            ends_s, _ = self._running.get(number, (None, None))
            if ends_s is not None and now_s >= ends_s:
                self._stop(number)
            elif ends_s is None and now_s >= begins_s:
                self._start(number, now_s + self._dice.uniform(*LIFE_S))

    def stop_all(self) -> None:
        for number in tuple(self._running):
            self._stop(number)

    def _start(self, number: int, ends_s: float) -> None:
        request = {
            "recordingConfig": {
                "channelType": 0,
                "streamTypes": 0,
                "streamMode": "original",
                "subscribeAudioUids": ["#allstream#"],
                "subscribeUidGroup": 0,
            },
            "storageConfig": self._farm.storage("soak"),
        }
        # The recording before may still be delivered: another UID, so that it does not conflict.
        uid = str(next(_uids))
        recording = self._farm.agora.start(f"soak{number}", uid, "individual", request)
        self._running[number] = (ends_s, recording)
        self.started += 1

    def _stop(self, number: int) -> None:
        _, recording = self._running.pop(number)
        status, answer = recording.stop(wait=False)
        assert status == 200, answer
        self._begins_s[number] = time.monotonic() + self._dice.uniform(*LIFE_S) / 2


def test_recordings_come_and_go_and_leave_nothing(
    tmp_path: Path, need: Callable[[str], str]
) -> None:
    need("redis-server")
    spool = tmp_path / "data" / "spool"
    with (
        farm(tmp_path / "data", "--recorders", "1") as running,
        crowd(running),
        Tapes(spool, tmp_path / "kept") as tapes,
    ):
        recorder = Recorder(running)
        _warm_up(running, recorder)
        before = recorder.look()
        looks, chance = _soak(running, recorder)
        _wait(recorder.is_idle)
        _wait(lambda: recorder.look().sockets <= before.sockets)
        after = recorder.look()
        _wait(lambda: not list(spool.glob("*/tape/*")))
        growth, slope = _growth(looks), _slope(looks)
        print(
            json.dumps(
                {
                    "seconds": SOAK_S,
                    "recordings": chance.started,
                    "tapes": len(tapes),
                    "parts_missed": tapes.missed,
                    "before": vars(before),
                    "after": vars(after),
                    "rss_slope_mb_per_hour": round(slope * 3600 / 1e6, 2),
                    "rss_growth_mb": round(growth / 1e6, 2),
                    "rss_growth_kb_per_recording": round(growth / 1e3 / chance.started, 1),
                }
            )
        )
        assert not tapes.faults()
        assert len(tapes) == RECORDINGS + chance.started
        assert tapes.missed <= len(tapes) // 50
        assert after.tasks <= before.tasks
        assert after.sockets <= before.sockets
        assert after.threads <= before.threads + 2  # the disk thread, one that is just ending
        assert after.files <= before.files
        # Pools of connections to Redis have as many as were ever wanted at the same time, at most
        # workers.store.connect.TOGETHER and broker_pool_limit; each of Celery's has a poller.
        grown = max(0, after.connections - before.connections)
        pollers = max(0, after.pollers - before.pollers)
        assert pollers <= grown <= RECORDINGS
        assert after.handles - before.handles <= grown + pollers + 4
        assert growth < GROWTH_BYTES


@contextmanager
def crowd(running: Farm) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.e2e.crowd", running.facts["channel"], str(RECORDINGS)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        yield
        assert process.poll() is None
    finally:
        process.stdin.close()
        process.wait(timeout=30)
        process.stdout.close()


def _warm_up(running: Farm, recorder: Recorder) -> None:
    """All at once: pools, caches and the allocator have their size from then on."""
    chance = Chance(running)
    for number in range(RECORDINGS):
        chance._start(number, 0)
    end_s = time.monotonic() + 10
    time.sleep(max(0.0, end_s - time.monotonic()))
    chance.stop_all()
    _wait(recorder.is_idle)


def _soak(running: Farm, recorder: Recorder) -> tuple[list[Look], Chance]:
    looks, chance = [], Chance(running)
    end_s = time.monotonic() + SOAK_S
    while time.monotonic() < end_s:
        chance.act()
        looks.append(recorder.look())
        time.sleep(LOOK_S)
    chance.stop_all()
    return looks, chance


def _wait(what: Callable[[], bool]) -> None:
    end_s = time.monotonic() + GONE_S
    while not what():
        assert time.monotonic() < end_s, "the recorder does not come to rest"
        time.sleep(LOOK_S)


def _growth(looks: list[Look]) -> float:
    quarter = len(looks) // 4
    early = [look.rss for look in looks[quarter : 2 * quarter]]
    return float(np.median([look.rss for look in looks[-quarter:]]) - np.median(early))


def _slope(looks: list[Look]) -> float:
    """Bytes per second after the first quarter."""
    late = looks[len(looks) // 4 :]
    return float(np.polyfit([look.at_s for look in late], [look.rss for look in late], 1)[0])
