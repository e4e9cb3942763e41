"""The same mix by one process of the ffmpeg command line."""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from media.bench.errors import BenchFailed, NotInstalled
from media.bench.mix_row import Row, Used, placed

KEYFRAME_S = 5  # as the mix's encoder
_SAID = 300  # characters of an error


def run(row: Row, files: Sequence[Path], seconds: int, out: Path) -> Used:
    """Mix.  Raises NotInstalled and BenchFailed."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise NotInstalled("ffmpeg is not installed")
    began_s = time.monotonic()
    process = subprocess.Popen(
        [program, *_arguments(row, files, seconds, out)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    said = process.stderr.read() if process.stderr is not None else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchFailed(f"ffmpeg: {said.decode(errors='replace')[-_SAID:].strip()}")
    return Used(usage.ru_utime + usage.ru_stime, time.monotonic() - began_s)


def _arguments(row: Row, files: Sequence[Path], seconds: int, out: Path) -> list[str]:
    peak = f"{row.bitrate * 3 // 2}k"
    head = "-nostdin -v error -y -filter_threads 1 -filter_complex_threads 1"
    tail = (
        f"-map [v] -c:v libx264 -preset veryfast -bf 0 -threads 1 -g {row.fps * KEYFRAME_S}"
        f" -b:v {row.bitrate}k -maxrate {peak} -bufsize {peak}"
        " -x264-params open-gop=0:threads=1:lookahead-threads=1"
        f" -map [a] -c:a aac -b:a 48k -ac 1 -ar 48000 -t {seconds}"
    )
    sources = [part for path in files for part in ("-threads", "1", "-i", str(path))]
    return [*head.split(), *sources, "-filter_complex", _graph(row), *tail.split(), str(out)]


def _graph(row: Row) -> str:
    """Rate before size, and cropping before scaling: what is dropped is not scaled."""
    chains, corners = [], []
    for i, place in enumerate(placed(row)):
        (w, h, x, y), rect = place.crop, place.rect
        chains.append(
            f"[{i}:v]fps={row.fps},crop={w}:{h}:{x}:{y},"
            f"scale={rect.w}:{rect.h}:flags=area,setsar=1[v{i}]"
        )
        corners.append(f"{rect.x}_{rect.y}")
    count = row.publishers
    pictures = "".join(f"[v{i}]" for i in range(count))
    sounds = "".join(f"[{i}:a]" for i in range(count))
    width, height = row.size
    chains.append(
        f"{pictures}xstack=inputs={count}:layout={'|'.join(corners)}:fill=black,"
        f"pad={width}:{height},format=yuv420p[v]"
    )
    chains.append(f"{sounds}amix=inputs={count}:normalize=0[a]")
    return ";".join(chains)
