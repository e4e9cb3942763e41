"""``tapefarm bench stop``: from the stop call to the last file, of recordings of any length.

A farm of its own (``tapefarm up`` with one recorder, cutter and uploader, its Redis and its S3 on
this host) records two publishers of the embedded room, one of VP8 and one of H.264, as a mix with a
playlist and an MP4.  What is measured is the time from the stop call to its answer, which comes
when the bucket has confirmed the last file; then the bucket is looked at.

Recordings of 10 s are made as anybody would.  Long ones begin hours ago (workers/bench/past.py):
what is before the last minutes is put into the spool as if it had been cut, the farm's uploaders
bring it to the bucket, and its recorder tapes the rest.  They are stopped when the bucket has all
that it should have by then, each at another moment of a slice.  Those of 2 h need 3 GB of disk in
the folder for temporary files.

Beside it stands what a *final pass* over the same bucket takes, which is how an MP4 is usually
made: get all segments, copy their media by ``ffmpeg``, put the file.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from api.agora.client import AgoraClient, Recording
from api.cli.bench.bucket import Bucket, FinalPass, Finished
from api.cli.bench.stop_table import table
from api.cli.bench.takes import CNAME, Say, Takes, stem
from api.cli.demo.stage import Stage
from media.bench.errors import BenchFailed, NotInstalled
from workers.job.spec import SLICE_SECONDS
from workers.logs import configure

SHORTEST_S, LONGEST_S = 2, 7200  # a longer one has more than one MP4
_PUBLISHERS = (("101", "vp8"), ("202", "h264"))
_SETTLE_S = 3.0  # until both send
_LATE_S = 600.0  # for files that come after the answer
_WIDTH = 110  # of a table, where a terminal does not say
_OK, _PENDING = 200, 50  # an HTTP status; the code of a stop call that stopped waiting


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    lengths_s: tuple[int, ...] = (10, 600, 7200)
    runs: int = 3  # of each length
    final_pass: bool = True


@dataclass(frozen=True, slots=True)
class Run:
    """One recording, stopped."""

    took_s: float
    finished: Finished
    final_pass: FinalPass | None


def check(plan: Plan) -> None:
    """Raises BenchFailed when a plan cannot be carried out."""
    if not all(SHORTEST_S <= length_s <= LONGEST_S for length_s in plan.lengths_s):
        raise BenchFailed(f"a recording lasts {SHORTEST_S} s to {LONGEST_S} s")
    if plan.runs < 1:
        raise BenchFailed("one run of each length is the least")


def bench_stop(
    plan: Plan, command: tuple[str, ...], say: Say = lambda words: None
) -> dict[str, Any]:
    """Measure one length after the other; ``say`` hears what is going on.  Raises BenchFailed."""
    check(plan)
    with tempfile.TemporaryDirectory(prefix="tapefarm-stop-") as folder:
        data = Path(folder) / "data"
        say("a farm is started")
        with Stage(command, data) as stage:
            facts = stage.facts
            for uid, video in _PUBLISHERS:
                stage.publisher(CNAME, uid, video)
            time.sleep(_SETTLE_S)
            credentials = (facts["app_id"], facts["customer_key"], facts["customer_secret"])
            with (
                AgoraClient(facts["api"], *credentials) as client,
                closing(Takes(data, facts, client, say)) as takes,
            ):
                bench = _Bench(plan, takes, Bucket(facts["s3"]), Path(folder), say)
                return {"runs": plan.runs, "rows": [bench.row(one) for one in plan.lengths_s]}


class _Bench:
    """On one farm."""

    def __init__(self, plan: Plan, takes: Takes, bucket: Bucket, folder: Path, say: Say) -> None:
        self._plan = plan
        self._takes = takes
        self._bucket = bucket
        self._folder = folder
        self._say = say
        self._missing = ""

    def row(self, length_s: int) -> dict[str, Any]:
        """All recordings of one length."""
        runs = [self._run(length_s, number) for number in range(self._plan.runs)]
        passes = [run.final_pass for run in runs if run.final_pass is not None]
        row = {
            "length_s": length_s,
            "runs": len(runs),
            "recorded_s": [round(run.finished.length_s, 2) for run in runs],
            "files": runs[-1].finished.files,
            "bytes": runs[-1].finished.bytes,
            "stop_s": _spread([run.took_s for run in runs]),
            "stops_s": [round(run.took_s, 3) for run in runs],
        }
        if passes:
            row["final_pass_s"] = _spread([one.all_s for one in passes])
            row["final_pass_steps_s"] = {
                "get": round(statistics.median(one.get_s for one in passes), 3),
                "copy": round(statistics.median(one.copy_s for one in passes), 3),
                "put": round(statistics.median(one.put_s for one in passes), 3),
            }
        return row | ({"missing": self._missing} if self._missing else {})

    def _run(self, length_s: int, number: int) -> Run:
        self._say(f"{length_s} s, recording {number + 1} of {self._plan.runs}")
        phase_s = (number + 0.5) * SLICE_SECONDS / self._plan.runs
        recording = self._takes.ready(length_s, phase_s)
        took_s, names = self._stop(recording), stem(recording)
        finished = self._bucket.finished(names)
        passed = self._final_pass(names) if self._plan.final_pass else None
        self._bucket.remove(names)
        return Run(took_s, finished, passed)

    def _stop(self, recording: Recording) -> float:
        """Seconds until the last file is verified; the quality report names all others."""
        began = time.monotonic()
        status, answer = recording.stop()
        if answer.get("code") == _PENDING:
            self._wait(f"{stem(recording)}_report.json")
        elif status != _OK:
            raise BenchFailed(f"stop was answered {status}: {answer}")
        return time.monotonic() - began

    def _wait(self, name: str) -> None:
        """For what is not there when the stop call stops waiting."""
        deadline = time.monotonic() + _LATE_S
        while name not in self._bucket.sizes(name):
            if time.monotonic() > deadline:
                raise BenchFailed(f"the files of a recording are not there after {_LATE_S:.0f} s")
            time.sleep(0.05)

    def _final_pass(self, names: str) -> FinalPass | None:
        self._say("the same by a final pass")
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            try:
                return self._bucket.final_pass(names, Path(folder))
            except NotInstalled as exc:
                self._missing = str(exc)
        return None


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"p50": round(statistics.median(values), 3), "max": round(max(values), 3)}


def main(plan: Plan, command: tuple[str, ...], *, as_json: bool = False) -> None:
    """Measure and print; what is going on is said on stderr."""
    configure("console", "error", "bench")
    with Console(stderr=True).status("") as status:
        result = bench_stop(plan, command, lambda words: status.update(words + " …"))
    if as_json:
        print(json.dumps(result))
    else:
        Console(width=max(Console().width, _WIDTH)).print(table(result))
