"""``tapefarm tape export``: what is on a tape as media files, one for each track, undecoded.

All files of a tape count from its beginning: a name says how much later its media begins.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from media.cut import sound_packet
from media.cut.exported import Writer, suffix_of, writer_for
from media.cut.picture import decodable
from media.errors import TapeDamaged
from media.tape.model import NS, Frame, Kind
from media.tape.reader import Tape

_STEP_NS = 30 * NS  # of the tape in memory at a time


@dataclass(frozen=True, slots=True)
class Exported:
    """One file."""

    path: Path
    track: str
    uid: str
    source: str
    codec: str
    start_ns: int  # Unix nanoseconds
    offset_s: float  # after the beginning of the tape
    seconds: float
    frames: int


def export(directory: Path, output: Path) -> list[Exported]:
    """Write a tape's media into ``output``, in the order of their beginnings.

    A track whose codec changes becomes more than one file.  What cannot be decoded, a picture
    after a lost one, is left out until the next key frame.  Raises TapeDamaged when there is
    nothing sealed in ``directory``.
    """
    tape = Tape(directory)
    parts = tape.manifests()
    if not parts:
        raise TapeDamaged(f"there is no sealed part of a tape in {directory}")
    from_ns, until_ns = min(part.from_ns for part in parts), tape.covered_until_ns()
    output.mkdir(parents=True, exist_ok=True)
    desk = _Desk(output, from_ns)
    try:
        # Media is older than its arrival, so some of it may lie before the first part.
        for at_ns in range(from_ns - _STEP_NS, until_ns + _STEP_NS, _STEP_NS):
            for frames in tape.frames(at_ns, at_ns + _STEP_NS).values():
                desk.take(frames)
    finally:
        desk.close()
    return sorted(desk.done, key=lambda one: (one.start_ns, one.path))


class _Desk:
    """The files that are being written, one for each track."""

    def __init__(self, output: Path, origin_ns: int) -> None:
        self.done: list[Exported] = []
        self._output = output
        self._origin_ns = origin_ns
        self._open: dict[str, _File] = {}
        self._whole: set[str] = set()  # tracks whose last frame was usable

    def take(self, frames: Sequence[Frame]) -> None:
        """More of one track."""
        track = frames[0].track.id
        for codec, run in _runs(frames):
            file = self._open.get(track)
            if file is not None and file.first.codec.key != codec:
                self._finish(self._open.pop(track))
                self._whole.discard(track)
                file = None
            usable = _usable(run, continues=track in self._whole)
            self._whole.discard(track)
            if usable and usable[-1] is run[-1]:
                self._whole.add(track)
            if usable and file is None:
                file = self._open[track] = _File(self._path(usable[0]), usable[0])
            for frame in usable:
                if file is not None:
                    file.write(frame)

    def close(self) -> None:
        """Finish all files."""
        while self._open:
            self._finish(self._open.popitem()[1])

    def _finish(self, file: "_File") -> None:
        file.close()
        first, last = file.first, file.last
        self.done.append(
            Exported(
                file.path,
                first.track.id,
                first.track.uid,
                first.track.source.value,
                first.codec.key,
                first.time_ns,
                round((first.time_ns - self._origin_ns) / NS, 3),
                round((last.time_ns - first.time_ns) / NS, 3),
                file.frames,
            )
        )

    def _path(self, first: Frame) -> Path:
        track = first.track
        offset_ms = (first.time_ns - self._origin_ns) // 1_000_000
        # Both may hold any character; what is not plain is percent-encoded.
        uid, id_ = quote(track.uid, safe=""), quote(track.id, safe="")
        name = f"{uid}-{track.source.value}-{id_}-{offset_ms:+010d}ms"
        return self._output / (name + suffix_of(first))


class _File:
    """One file; a frame is written when the next one says how long it lasts."""

    def __init__(self, path: Path, first: Frame) -> None:
        self.path = path
        self.first = self.last = first
        self.frames = 0
        self._writer: Writer = writer_for(path, first)
        self._waiting: Frame | None = None

    def write(self, frame: Frame) -> None:
        if self._waiting is not None:
            self._writer.write(self._waiting, frame.time_ns - self._waiting.time_ns)
        self._waiting = self.last = frame
        self.frames += 1

    def close(self) -> None:
        if self._waiting is not None:
            self._writer.write(self._waiting, NS // 50)
        self._writer.close()


def _runs(frames: Sequence[Frame]) -> Iterator[tuple[str, list[Frame]]]:
    """Neighbours of one codec."""
    run: list[Frame] = []
    for frame in frames:
        if run and run[0].codec.key != frame.codec.key:
            yield run[0].codec.key, run
            run = []
        run.append(frame)
    if run:
        yield run[0].codec.key, run


def _usable(run: Sequence[Frame], *, continues: bool) -> list[Frame]:
    if run[0].track.kind is Kind.VIDEO:
        return decodable(run, usable=continues)
    return [frame for frame in run if sound_packet.samples(frame)]


def main(tapes: Sequence[Path], output: Path, *, as_json: bool = False) -> None:
    """Export and print what came of it; each of several tapes gets a folder of its own."""
    names = {tape: tape.resolve().name for tape in tapes}
    if len(set(names.values())) < len(tapes):
        raise TapeDamaged("two of the tapes have the same name; export them one by one")
    rows = []
    for tape in tapes:
        made = export(tape, output / names[tape] if len(tapes) > 1 else output)
        rows += [{"tape": str(tape), **_row(one)} for one in made]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(
            f"{row['path']}: {row['codec']} of uid {row['uid']}, {row['source']},"
            f" from {row['start']} (+{row['offset_s']:.3f} s), {row['seconds']:.1f} s,"
            f" {row['frames']} frames"
        )


def _row(one: Exported) -> dict[str, Any]:
    start = datetime.fromtimestamp(one.start_ns / NS, UTC).isoformat(timespec="milliseconds")
    return {
        "path": str(one.path),
        "track": one.track,
        "uid": one.uid,
        "source": one.source,
        "codec": one.codec,
        "start": start,
        "start_ns": one.start_ns,
        "offset_s": one.offset_s,
        "seconds": one.seconds,
        "frames": one.frames,
    }
