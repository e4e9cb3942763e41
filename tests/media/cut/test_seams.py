"""Slices that were cut apart are one recording: for the eye, the ear, a decoder and a browser."""

import asyncio
import itertools
import subprocess
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from tests.browser import chromium
from tests.e2e import player
from tests.e2e.strict import decodes
from tests.media.cut import long_take
from tests.media.cut.long_take import FPS, LOOP, PUBLISHERS, RATE, SLICE_S, Take
from tests.media.mux.ts_packets import clocks, parameter_sets

_SOAK = [pytest.mark.soak, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module", params=[75, pytest.param(600, marks=_SOAK)])
def take(request, tmp_path_factory) -> Take:
    return long_take.take(tmp_path_factory.mktemp("take"), request.param)


@pytest.fixture(scope="module")
def shown(take) -> list[tuple[float, list[int]]]:
    return list(long_take.shown(take.joined))


@pytest.fixture(scope="module")
def heard(take) -> tuple[float, np.ndarray]:
    return long_take.heard(take.joined)


def test_every_picture_is_shown_once_across_all_seams(take, shown):
    times = [time_s for time_s, _ in shown]
    assert times == pytest.approx([n / FPS for n in range(len(take.segments) * SLICE_S * FPS)])
    for i, _ in enumerate(PUBLISHERS):
        numbers = np.array([row[i] for _, row in shown])
        assert set(np.diff(numbers) % LOOP) == {1}


def test_no_tone_jumps_at_a_seam(take, heard):
    start_s, pcm = heard
    for one in PUBLISHERS:
        moved = long_take.wander(pcm, one.hum_hz)
        at_s = start_s + np.arange(1, len(moved) + 1) * 1024 / RATE
        moved -= moved.mean()
        seams = [np.abs(moved[np.abs(at_s - seam_s) < 0.06]).max() for seam_s in take.seams_s]
        inside = np.abs(moved[np.abs(at_s[:, None] - take.seams_s).min(axis=1) > 0.2])
        print(
            f"{one.hum_hz} Hz, samples: at seams at most {max(seams):.2f}, inside p50 "
            f"{np.median(inside):.2f}, p99.9 {np.percentile(inside, 99.9):.2f}"
        )
        assert max(seams) <= max(1.0, np.percentile(inside, 99.9))
        assert np.abs(np.cumsum(moved)).max() < 0.003 * RATE  # nor does it creep away


def test_sound_and_picture_are_together_at_the_beginning_and_at_the_end(take, shown, heard):
    start_s, pcm = heard
    length_s = len(take.segments) * SLICE_S
    for begin_s in (0, length_s - SLICE_S):
        apart = [
            off_s
            for i, one in enumerate(PUBLISHERS)
            for off_s in _apart(shown, i, start_s + long_take.onsets(pcm, one.beep_hz), begin_s)
        ]
        p95 = np.percentile(np.abs(apart), 95) * 1000
        print(
            f"from {begin_s} s: p95 {p95:.1f} ms, mean {np.mean(apart) * 1000:+.1f}, {len(apart)}"
        )
        assert len(apart) >= 0.9 * SLICE_S * len(PUBLISHERS)
        assert p95 <= 40


def _apart(shown, publisher, beeps_s, begin_s):
    """How much later than its beep each picture that has one is shown, seconds."""
    for time_s, numbers in shown:
        if begin_s <= time_s < begin_s + SLICE_S and numbers[publisher] % FPS == 0:
            off_s = time_s - beeps_s[np.abs(beeps_s - time_s).argmin()]
            if abs(off_s) < 0.5:  # the last beep may be cut off
                yield off_s


def test_players_see_one_stream(take, need):
    data = take.joined.read_bytes()
    decodes(need("ffmpeg"), data)
    with av.open(str(take.joined)) as file:
        packets = [p for p in file.demux(video=0) if p.size]
    assert all(p.pts == p.dts for p in packets)
    assert {b.pts - a.pts for a, b in itertools.pairwise(packets)} == {90_000 // FPS}
    pcr = np.array(list(clocks(data)))
    assert np.diff(pcr).min() > 0
    assert np.diff(pcr).max() <= 0.11 * 27_000_000
    assert len(parameter_sets(data)) == 2  # one SPS, one PPS
    assert take.playlist().count("#EXT-X-DISCONTINUITY") == 1  # before the first segment


def test_ffmpeg_plays_the_playlist_without_a_complaint(take, need, tmp_path):
    done = subprocess.run(
        [
            *(need("ffmpeg"), "-v", "error", "-xerror"),
            *("-i", str(_folder(take, tmp_path) / "mix.m3u8"), "-f", "null", "-"),
        ],
        capture_output=True,
        check=False,
        timeout=600,
    )
    assert not done.stderr, done.stderr.decode()
    assert done.returncode == 0


def test_a_slice_cut_again_has_the_same_bytes(take, tmp_path):
    again = long_take.cut(take.tape, 2, tmp_path)
    assert again.path.read_bytes() == take.segments[2].path.read_bytes()


@dataclass(frozen=True)
class _Files:
    """A folder as a bucket."""

    folder: Path

    def get(self, key: str) -> bytes:
        return (self.folder / key).read_bytes()

    def content_type(self, key: str) -> str:
        return "application/vnd.apple.mpegurl" if key.endswith("m3u8") else "video/mp2t"


@pytest.mark.server
def test_chromium_does_not_wait_at_a_seam(take, need, tmp_path):
    length_s = SLICE_S * len(take.segments)

    async def play():
        async with chromium(need("chromium")) as context:
            files = _Files(_folder(take, tmp_path))
            return await player.play(context, files, "mix.m3u8", length_s, rate=4)

    played = asyncio.run(asyncio.wait_for(play(), length_s + 120))
    print(played)
    assert played.ended
    # Elsewhere it may wait for a busy machine, of which hls.js tells.
    assert {error["details"] for error in played.errors} <= {"bufferStalledError"}
    at_seams = [at for at in played.waits() for seam in take.seams_s if -0.1 < at - seam < 0.25]
    assert at_seams == []
    assert len(played.buffered) == 1
    assert [number for number, _ in played.fragments] == list(range(len(take.segments)))
    assert abs(played.duration_s - length_s) <= 0.1


def _folder(take: Take, folder: Path) -> Path:
    for one in take.segments:
        (folder / one.path.name).symlink_to(one.path)
    (folder / "mix.m3u8").write_text(take.playlist())
    return folder
