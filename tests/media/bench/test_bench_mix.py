import asyncio
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media.bench.errors import BenchFailed
from media.bench.mix import Plan, bench_mix
from media.bench.mix_media import make, write
from media.bench.mix_reference import pictures_of, reference, ssim
from media.bench.mix_row import CUTTERS, FFMPEG, OURS, Row, placed
from media.bench.mix_table import table
from media.bench.mix_tape import record
from media.tape.info import inspect_tape
from media.tape.model import Kind

SMALL = Plan((2,), ((640, 360),), ("vp8",), (15,), seconds=2, repeat=1, only=(OURS, FFMPEG))


def test_both_make_the_same_mix_of_the_same_media(need) -> None:
    need("ffmpeg")
    result = asyncio.run(bench_mix(SMALL))
    (row,) = result["rows"]
    assert row["ratio"] > 0
    assert row["ratio_cold"] > row["ratio"]
    for name in (OURS, FFMPEG):
        assert row[name]["ssim_y"] > 0.8
        assert row[name]["ssim_all"] > 0.8
        assert row[name]["speed"] > 0
    # Neither makes it much worse, or much smaller, than the other.
    assert row[OURS]["ssim_y"] == pytest.approx(row[FFMPEG]["ssim_y"], abs=0.02)
    assert row[OURS]["bytes"] == pytest.approx(row[FFMPEG]["bytes"], rel=1)
    lines = table(json.loads(json.dumps(result))).splitlines()
    assert lines[1].split()[:3] == ["640x360@15,", "2", "vp8"]


def test_without_ffmpeg_the_row_says_so(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    result = asyncio.run(bench_mix(SMALL))
    (row,) = result["rows"]
    assert row["missing"] == "ffmpeg is not installed"
    assert row[OURS]["cpu_s"] > 0
    assert "ratio" not in row
    assert "ffmpeg is not installed" in table(result)


def test_two_cutters_share_one_recording(monkeypatch) -> None:
    monkeypatch.setattr("media.bench.mix.SLICES", 2)
    result = asyncio.run(bench_mix(Plan(seconds=2, repeat=1, only=(CUTTERS,))))
    cutters = result["cutters"]
    assert (cutters["one"]["cutters"], cutters["two"]["cutters"]) == (1, 2)
    assert cutters["efficiency"] > 0
    assert "two" in table(result)


@pytest.mark.parametrize(
    "plan", [Plan(only=("gstreamer",)), Plan(publishers=(1,)), Plan(rates=(25,))]
)
def test_what_cannot_be_measured_is_refused(plan: Plan) -> None:
    with pytest.raises(BenchFailed):
        asyncio.run(bench_mix(plan))


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_file_and_tape_hold_the_same_frames(tmp_path: Path, codec: str) -> None:
    media = make(codec, (640, 360), 2, 1)
    write(tmp_path / "a.nut", media)
    with av.open(str(tmp_path / "a.nut")) as container:
        video = [packet for packet in container.demux(video=0) if packet.size]
    assert [bytes(packet) for packet in video] == list(media.pictures)
    assert [packet.pts * packet.time_base for packet in video] == [
        Fraction(i, 30) for i in range(60)
    ]
    asyncio.run(record(tmp_path, [media], seconds=2, slices=2))
    tape = inspect_tape(tmp_path)
    assert tape.whole
    assert [info.lost for info in tape.tracks] == [0, 0]
    (audio,) = (info for info in tape.tracks if info.track.kind is Kind.AUDIO)
    assert audio.packets == 50 * (6 + 2 * 2 + 1)


def test_the_reference_shows_everybody_once() -> None:
    row = Row(2, (640, 360), "h264", 15)
    one, two = (make("h264", (640, 360), 1, seed) for seed in (1, 2))
    y, u, v = next(reference(row, [one, two]))
    assert (y.shape, u.shape, v.shape) == ((360, 640), (180, 320), (180, 320))
    assert [place.rect.x for place in placed(row)] == [0, 320]
    swapped = next(reference(row, [two, one]))
    np.testing.assert_array_equal(swapped[0][:, :320], y[:, 320:])


def test_ssim_is_what_ffmpeg_says(tmp_path: Path) -> None:
    noise = np.random.default_rng(1)
    one = noise.integers(16, 235, (64, 96)).astype(np.float32)
    other = (one + noise.normal(0, 20, one.shape)).clip(0, 255).round().astype(np.float32)
    assert ssim(one, one) == pytest.approx(1)
    graph = av.filter.Graph()
    sources = [graph.add("buffer", "video_size=96x64:pix_fmt=gray:time_base=1/1") for _ in "ab"]
    compare, sink = graph.add("ssim", f"stats_file={tmp_path / 'ssim'}"), graph.add("buffersink")
    for i, source in enumerate(sources):
        source.link_to(compare, 0, i)
    compare.link_to(sink)
    graph.configure()
    for source, plane in zip(sources, (one, other), strict=True):
        frame = av.VideoFrame.from_ndarray(plane.astype(np.uint8), "gray")
        frame.pts = 0
        source.push(frame)
        source.push(None)
    sink.pull()
    del graph, sources, compare, sink
    said = (tmp_path / "ssim").read_text().split("All:")[1].split()[0]
    assert ssim(one, other) == pytest.approx(float(said), abs=1e-3)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"nothing")
    with pytest.raises(BenchFailed, match=r"a\.ts"):
        list(pictures_of(tmp_path / "a.ts"))
