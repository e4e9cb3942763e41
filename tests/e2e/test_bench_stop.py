"""``tapefarm bench stop``, as small as it gets: what it prints is what a farm really did."""

import json
import subprocess
from typing import Any

import pytest

from api.cli.bench.stop import Plan, bench_stop
from api.cli.bench.stop_table import table
from media.bench.errors import BenchFailed
from tests.e2e.farm import COMMAND

SHORT_S, LONG_S = 4, 150


@pytest.mark.e2e
@pytest.mark.server
@pytest.mark.timeout(400)
def test_a_short_and_a_long_recording_are_stopped(need) -> None:
    need("ffmpeg")
    done = subprocess.run(
        [*COMMAND, "bench", "stop", "--json", "--runs", "1", "--lengths", f"{SHORT_S},{LONG_S}"],
        stdout=subprocess.PIPE,
        timeout=360,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout)
    short, long = result["rows"]
    assert (short["length_s"], long["length_s"]) == (SHORT_S, LONG_S)
    assert short["recorded_s"][0] == pytest.approx(SHORT_S, abs=1)
    assert 105 < long["recorded_s"][0] <= LONG_S
    # Segments, playlist, MP4 and report.
    assert short["files"] == 1 + 3
    assert long["files"] == -(-long["recorded_s"][0] // 15) + 3
    assert long["bytes"] > 5 * short["bytes"]
    for row in (short, long):
        assert 0 < row["stop_s"]["p50"] <= row["stop_s"]["max"]
        assert row["final_pass_s"]["p50"] == pytest.approx(
            sum(row["final_pass_steps_s"].values()), abs=0.01
        )
    print(*_lines(result), sep="\n")


def _lines(result: dict[str, Any]) -> list[str]:
    return [" ".join(column.cells) for column in table(result).columns]


def test_a_table_without_ffmpeg_says_so() -> None:
    row = {
        "length_s": 7200,
        "runs": 3,
        "recorded_s": [7150.2, 7161.8, 7170.1],
        "files": 480,
        "bytes": 3 << 20,
        "stop_s": {"p50": 1.234, "max": 2.345},
        "missing": "ffmpeg is not installed",
    }
    drawn = table({"runs": 3, "rows": [row]})
    cells = [next(iter(column.cells)) for column in drawn.columns]
    assert cells == ["2 h", "1:59:22", "3", "480", "3.0", "1.23", "2.35", "-", "-"]
    assert drawn.caption == "ffmpeg is not installed"


@pytest.mark.parametrize("plan", [Plan((1,)), Plan((7201,)), Plan(runs=0)])
def test_what_cannot_be_measured_is_refused(plan: Plan) -> None:
    with pytest.raises(BenchFailed):
        bench_stop(plan, ("false",))
