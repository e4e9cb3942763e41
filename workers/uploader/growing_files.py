"""Growing files as pure functions of what is cut."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from media.cut.lines import Line
from media.cut.publication import Publication
from media.mux import file_numbers
from media.tape.model import Source
from workers.job import naming
from workers.job.spec import Mode, RecordingSpec
from workers.job.status import FileEntry, TrackType
from workers.spool.spool import StoredPiece, Unit
from workers.uploader.playlists import KINDS, track_type


@dataclass(frozen=True, slots=True)
class GrowingFile:
    """An MP4 of a mix or of a publisher, an MP3, or a WebM of one line, as far as it is cut."""

    name: str
    track_type: TrackType
    pieces: tuple[StoredPiece, ...]  # in order; none: there can be no such file
    closed: bool  # nothing will be added
    lost: tuple[StoredPiece, ...] = ()  # what it goes without

    @property
    def kind(self) -> str:
        """mp4, webm or mp3."""
        return self.pieces[0].kind

    @property
    def bytes(self) -> int:
        """The size of what its pieces hold, that is, without the head."""
        return sum(piece.bytes for piece in self.pieces)


def of(spec: RecordingSpec, units: Sequence[Unit], lost: Collection[str] = ()) -> list[GrowingFile]:
    """The growing files of a recording, in order, from its slices in order.

    ``lost`` names the pieces that they go without; names of files and their bounds stay the same.
    """
    if spec.mode is Mode.RAW:
        files = _of_publishers(spec, units)
    else:
        files = _webms(spec, units) if spec.webm else _mp4s(spec, units)
    return [_without(file, lost) for file in files] if lost else files


def _without(file: GrowingFile, lost: Collection[str]) -> GrowingFile:
    return replace(
        file,
        pieces=tuple(piece for piece in file.pieces if piece.name not in lost),
        lost=tuple(piece for piece in file.pieces if piece.name in lost),
    )


def _webms(spec: RecordingSpec, units: Sequence[Unit]) -> list[GrowingFile]:
    """One for each continuous stretch of a line."""
    stretches: dict[str, list[StoredPiece]] = {}
    for unit in units:
        for piece in unit.pieces:
            stretches.setdefault(piece.stretch, []).append(piece)
    ended = bool(units) and units[-1].final
    return [_webm(spec, tuple(pieces), ended=ended) for pieces in stretches.values()]


def _webm(spec: RecordingSpec, pieces: tuple[StoredPiece, ...], *, ended: bool) -> GrowingFile:
    first, source = pieces[0], Source(pieces[0].source)
    kind = KINDS[source.kind]
    stem = naming.stem(spec, first.uid, source.value if source.is_screen else kind)
    name = naming.segment(stem, first.start_ns, "webm")
    return GrowingFile(name, kind, pieces, closed=ended or pieces[-1].last)


def _mp4s(spec: RecordingSpec, units: Sequence[Unit]) -> list[GrowingFile]:
    rows = [(unit, piece) for unit in units for piece in unit.pieces if piece.kind == "mp4"]
    files: list[list[tuple[Unit, StoredPiece]]] = []
    for row, number in zip(rows, file_numbers.files(piece for _, piece in rows), strict=True):
        if number == len(files):
            files.append([])
        files[number].append(row)
    ended = bool(units) and units[-1].final
    return [
        GrowingFile(
            name=naming.mp4(spec, number),
            track_type=KINDS[row[0][0].segments[0].kind],
            pieces=tuple(piece for _, piece in row),
            closed=ended or number < len(files) - 1,
        )
        for number, row in enumerate(files)
    ]


def _of_publishers(spec: RecordingSpec, units: Sequence[Unit]) -> list[GrowingFile]:
    """MP4 or MP3 of each publisher, in order."""
    ended = bool(units) and units[-1].final
    owned: dict[Publication, list[StoredPiece]] = {}
    for piece in (piece for unit in units for piece in unit.pieces):
        of = Publication.of(Line(piece.uid, Source(piece.source)))
        owned.setdefault(of, []).append(piece)
    found = []
    for of, pieces in sorted(owned.items()):
        rows = list(_rows(pieces))
        for number, row in enumerate(rows):
            closed = ended or number < len(rows) - 1
            found.append(_of_publisher(spec, of, number, row, closed=closed))
    return found


def _rows(pieces: Sequence[StoredPiece]) -> Iterator[tuple[StoredPiece, ...]]:
    """The pieces of each file: one row of them, and of that no more than a file may hold."""
    for _, own in groupby(pieces, attrgetter("stretch")):
        row = list(own)
        numbers = file_numbers.files(row)
        for _, numbered in groupby(zip(numbers, row, strict=True), lambda one: one[0]):
            yield tuple(piece for _, piece in numbered)


def _of_publisher(
    spec: RecordingSpec,
    of: Publication,
    number: int,
    pieces: tuple[StoredPiece, ...],
    *,
    closed: bool,
) -> GrowingFile:
    first = pieces[0]
    name = naming.raw(spec, of.uid, f"{number}_{first.codec}.{first.kind}", screen=of.screen)
    return GrowingFile(name, track_type(piece.media for piece in pieces), pieces, closed)


def before(file: GrowingFile, files: Sequence[GrowingFile]) -> GrowingFile | None:
    """The stretch of the same media before this one."""
    line, start_ns = (file.pieces[0].uid, file.pieces[0].source), file.pieces[0].start_ns
    found: GrowingFile | None = None
    for one in files:
        first = one.pieces[0] if one.pieces else None
        if first and (first.uid, first.source) == line and first.start_ns < start_ns:
            found = one
    return found


def entry(spec: RecordingSpec, file: GrowingFile) -> FileEntry:
    """A finished file as query, stop and callbacks name it (reference §4.3)."""
    return FileEntry(
        name=spec.storage.prefix + file.name,
        track_type=file.track_type,
        uid=file.pieces[0].uid,
        mixed=spec.mode is Mode.MIX,
        playable=file.kind != "webm",
        slice_start_ms=file.pieces[0].start_ns // 1_000_000,
    )
