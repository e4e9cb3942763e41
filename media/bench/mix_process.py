"""A cutter's work without its queue, in a process of its own.

``python -m media.bench.mix_process``, then a line of JSON on stdin for each line of JSON on
stdout: ``cut``.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from media.capture.collector import relax
from media.cut.composite import cut_composite
from media.cut.look import BEST_FIT, Look
from media.cut.model import CompositeSpec, Slice
from media.tape.reader import Tape


def cut(order: dict[str, Any]) -> dict[str, Any]:
    """One slice."""
    cpu_s, wall_s = time.process_time(), time.monotonic()
    width, height = order["size"]
    spec = CompositeSpec(
        width=width, height=height, fps=order["fps"], bitrate=order["bitrate"], look=Look(BEST_FIT)
    )
    result = cut_composite(
        Tape(Path(order["tape"])),
        spec,
        origin_ns=order["origin_ns"],
        slice=Slice(order["number"], order["start_ns"], order["end_ns"]),
        out_dir=Path(order["out"]),
    )
    return {
        "path": str(result.segments[0].path),
        "cpu_s": time.process_time() - cpu_s,
        "wall_s": time.monotonic() - wall_s,
    }


def main() -> None:
    """Until stdin ends."""
    relax()
    print(json.dumps({"ready": True, "cpu_s": time.process_time()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(cut(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
