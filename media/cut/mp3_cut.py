"""Each publisher's sound as MP3, growing slice by slice, for mode ``raw`` (reference §2.12).

A file knows no times, so what lies between two sounds is silence, up to two hours of it; after more
another file begins (:mod:`media.mux.file_numbers`).  The end of the last sound is the end of the
file.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media.cut import mp3, opus
from media.cut.aac import Span
from media.cut.lines import Line, by_line
from media.cut.model import CutResult, IndividualSpec, PieceFile, Slice
from media.cut.reading import LAG_NS, SOUND_LEAD_NS, line_pauses
from media.cut.sound import render
from media.cut.sound_clock import place
from media.cut.wishes import Wishes
from media.mux.file_numbers import LONGEST_NS
from media.mux.output import complete
from media.mux.piece_writer import piece_at
from media.tape.model import NS, Frame, Kind, Source
from media.tape.reader import Tape

_REST_FRAMES = 100  # 2.4 s; longer silence is not encoded frame by frame
_MOST_FRAMES = LONGEST_NS * opus.RATE // (NS * mp3.FRAME)
_AT_ONCE = 1000  # frames of silence that are written together

_Done = Mapping[Line, int]  # frames before this one are done
_Sounds = Sequence[Sequence[Frame]]


def cut_mp3(
    tape: Tape,
    spec: IndividualSpec,
    *,
    origin_ns: int,
    slice: Slice,  # noqa: A002  # the farm's word for it; the builtin is not used here
    cursor: Mapping[str, Any],
    final: bool,
    out_dir: Path,
) -> CutResult:
    """Make the pieces of one slice.

    ``cursor`` is what the unit before returned, ``{}`` at the start of a recording.  The same tape
    and cursor give the same bytes.
    """
    done = {Line(row["uid"], Source(row["source"])): row["done"] for row in cursor.get("lines", ())}
    since_ns = _from_ns(slice.start_ns)
    near = tape.around(since_ns, slice.end_ns)
    wishes = Wishes(spec.wanted, near.events(0, slice.end_ns), spec.only)
    frames = near.frames(
        max(since_ns, origin_ns),
        slice.end_ns,
        tracks=lambda track: track.kind is Kind.AUDIO and wishes.ever(track),
    )
    unit = _Unit(near, wishes, origin_ns, slice, final, out_dir)
    pieces = []
    for line, tracks in by_line(frames).items():
        piece, done[line] = unit.piece(line, tracks, done.get(line, -1))
        pieces += [piece] if piece else []
    rows = [
        {"uid": line.uid, "source": line.source.value, "done": last}
        for line, last in sorted(done.items())
    ]
    return CutResult((), _from_ns(slice.end_ns), {"lines": rows}, frames, tuple(pieces))


def _from_ns(start_ns: int) -> int:
    """From when on a unit needs the tape."""
    return start_ns - LAG_NS - SOUND_LEAD_NS


@dataclass(frozen=True, slots=True)
class _Unit:
    tape: Tape
    wishes: Wishes
    origin_ns: int
    slice: Slice
    final: bool
    out_dir: Path

    def piece(self, line: Line, tracks: _Sounds, done: int) -> tuple[PieceFile | None, int]:
        """What a line adds to its file, and how far it is then; ``done`` is -1 before its first."""
        from_ns = _from_ns(self.slice.start_ns)
        silent = line_pauses(self.tape, self.wishes, line, from_ns, self.slice.end_ns)
        heard = [silent.audible(track) for track in tracks]
        span = self._span(heard, done)
        if span is None:
            return None, done
        rest = span.first - done if done >= 0 else 0
        if not 0 <= rest <= _MOST_FRAMES:
            rest = 0
        piece = piece_at(self.out_dir / f"{line.stem}-{self.slice.number:06d}")
        with complete(piece.payload) as part, part.open("wb") as file:
            for data in _frames(span, rest, heard, self.origin_ns):
                file.write(data)
        first = span.first - rest
        with complete(piece.index) as part:
            part.write_text(json.dumps({"first": first, "frames": span.last - first}))
        start_ns = mp3.frame_ns(first, self.origin_ns)
        made = PieceFile(
            "mp3",
            piece.payload,
            piece.index,
            start_ns,
            (span.last - first) * mp3.FRAME / opus.RATE,
            piece.payload.stat().st_size,
            line.uid,
            line.source,
            "mp3",
            line.stem,
            media="audio",
        )
        return made, span.last

    def _span(self, heard: _Sounds, done: int) -> Span | None:
        """The frames with sound that is new; after a short rest, from where the file ended."""
        until_ns = self.slice.end_ns - (0 if self.final else LAG_NS)
        limit = mp3.frame_at(until_ns, self.origin_ns)
        edges = [
            (one.start // mp3.FRAME, -(-(one.start + one.length) // mp3.FRAME))
            for track in heard
            for one in place(track, self.origin_ns)
        ]
        fresh = [(first, last) for first, last in edges if last > done and first < limit]
        if not fresh:
            return None
        first = max(done, 0, min(first for first, _ in fresh))
        last = min(limit, max(last for _, last in fresh))
        if done >= 0 and first - done <= _REST_FRAMES:
            first = done
        return Span(first, last) if first < last else None


def _frames(span: Span, rest: int, heard: _Sounds, origin_ns: int) -> Iterator[bytes]:
    """Silence of ``rest`` frames, and what was heard."""
    if rest:
        silence = mp3.silence()
        for at in range(0, rest, _AT_ONCE):
            yield silence * min(_AT_ONCE, rest - at)
    first, count = mp3.window(span)
    pcm = render(heard, origin_ns, first=first, count=count, channels=1)
    yield from mp3.encode(pcm, span)
