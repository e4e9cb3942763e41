import asyncio
import json

import pytest

from media.bench.capture import Plan, bench_capture, table
from media.bench.errors import BenchFailed
from media.bench.load import Load
from media.bench.names import BARE, JANUS, OURS, RECORDER
from media.tape.model import Kind


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that mean something take longer to settle."""
    monkeypatch.setattr("media.bench.measure.SETTLE_S", 0.5)
    monkeypatch.setattr("media.bench.capture.MEMORY_SETTLE_S", 1.0)


@pytest.mark.server
@pytest.mark.usefixtures("quick")
def test_all_are_measured_on_the_same_packets(need) -> None:
    need("janus")
    result = asyncio.run(bench_capture(Plan(2, 2, seconds=0.6, recordings=0)))
    rows = {row["name"]: row for row in result["rows"]}
    assert list(rows) == [OURS, JANUS, BARE, RECORDER]
    assert all(row["us_per_packet"] > 0 for row in rows.values())
    assert all(row["sent"] >= 150 for row in rows.values())
    assert (rows[OURS]["lost"], rows[OURS]["kernel_drops"]) == (0, 0)
    assert rows[JANUS]["lost"] == 0
    assert rows[OURS]["loop_lag_ms"]["p50"] >= 0
    assert len(table(json.loads(json.dumps(result))).splitlines()) == 7


@pytest.mark.server
@pytest.mark.usefixtures("quick")
def test_pictures_and_the_memory_of_a_recording() -> None:
    plan = Plan(2, 1, video=True, seconds=0.6, only=(OURS,), recordings=2)
    result = asyncio.run(bench_capture(plan))
    (row,) = result["rows"]
    assert row["lost"] == 0
    assert row["packets"] > 2 * 3 * 0.6 * 40
    assert isinstance(result["memory_per_recording_bytes"], int)


def test_who_is_not_installed_is_named(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    result = asyncio.run(bench_capture(Plan(1, 1, only=(JANUS,))))
    assert result["rows"][0]["missing"] == "janus is not installed"
    assert "janus is not installed" in table(result)


def test_a_name_that_nobody_has_is_refused() -> None:
    with pytest.raises(BenchFailed, match="choose from"):
        asyncio.run(bench_capture(Plan(only=("opal",))))


def test_a_load_is_cut_down_to_what_one_can_carry() -> None:
    load = Load(200, 20, (Kind.AUDIO,))
    assert load.at_most(30) == Load(30, 20, (Kind.AUDIO,))
    assert load.at_most(1000) == load
    assert Load(10, 5, (Kind.AUDIO, Kind.VIDEO)).at_most(6) == Load(3, 3, (Kind.AUDIO, Kind.VIDEO))
    assert [len(batch) for batch in Load(25, 1).batches(10)] == [10, 10, 5]
