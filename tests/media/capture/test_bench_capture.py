import asyncio

from media.capture.bench import bench_capture, table


def test_ours_and_stock_are_measured_on_the_same_packets() -> None:
    result = asyncio.run(bench_capture(tracks=2, seconds=1.0))
    assert [row["packets"] >= 90 for row in result["rows"]] == [True] * 3
    assert all(row["cpu_s"] > 0 for row in result["rows"])
    assert len(table(result).splitlines()) == 5
