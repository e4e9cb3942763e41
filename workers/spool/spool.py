"""The spool on one host: tapes, cut files, and small JSON documents that say how far work is.

::

    <root>/<sid>/spec.json               what was asked for (keys sealed)
    <root>/<sid>/closed.json             Closed: the tape is complete; absent while it runs
    <root>/<sid>/tape/<part>.pcapng      and <part>.json, see media/tape
    <root>/<sid>/units/<number>.json     Unit: what one slice gave
    <root>/<sid>/quality/<number>.json   SliceQuality: how good a slice is, until it is in the book
    <root>/<sid>/quality/book.json       Book: how good all slices before are
    <root>/<sid>/files/<name>            segments that wait for the bucket
    <root>/<sid>/pieces/<name>.payload   and <name>.index: what a slice adds to a growing file; kept
                                         until the bucket has the whole file (decision 009)
    <root>/<sid>/damaged/<piece>         pieces that are not what was cut, see damage.py
    <root>/<sid>/growing/<name>.json     Growing: how much of a growing file the bucket has
    <root>/<sid>/receipts/<name>.json    what the bucket has, verified
    <root>/<sid>/receipts.jsonl          many of them once more, to be read at once
    <root>/<sid>/recuts/<sid>            recuts that are being made from this tape, see kept.py
    <root>/<sid>/kept.json               Kept: the recording has ended, and its tape is kept

What is written here is the truth about a recording's media; Redis only hints at it.  Every
document appears whole or not at all.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from media.quality.book import Book
from media.quality.model import SliceQuality
from workers.spool.document import Stored, read, read_if_whole, write

_GATHERED = "receipts.jsonl"


class Closed(Stored):
    """How a tape ended.  Times are Unix nanoseconds."""

    origin_ns: int  # 0: there was no media at all
    end_ns: int
    units: int  # how many slices the timeline has
    reason: str


class SegmentFile(Stored):
    """One segment of one playlist."""

    name: str  # bare file name
    playlist: str  # "": none lists it
    uid: str  # "0" in mix
    kind: str  # audio, video, audio_and_video
    source: str | None
    container: str
    codec: str
    start_ns: int
    duration_s: float
    discontinuity: bool
    resumed: bool = False  # its line begins here, or comes back after an interruption
    width: int = 0  # pixels
    height: int = 0
    rotation: int = 0  # of its first picture: degrees to turn it clockwise
    turns: tuple[tuple[int, int], ...] = ()  # later ones: Unix nanoseconds, rotation
    profile: str = ""  # the codec as RFC 6381 names it
    bytes: int = 0
    merged: str = ""  # the index of several lines that it belongs to; "": none


class StoredPiece(Stored):
    """What a slice adds to a growing file; see media/mux/piece.py."""

    name: str  # of its two files, without their endings
    kind: Literal["mp4", "webm", "mp3"]
    start_ns: int
    duration_s: float
    bytes: int  # of the payload
    payload_crc: int | None = None  # CRC-32 of each file; None: not known
    index_crc: int | None = None
    stretch: str = ""  # of one publisher: which file it belongs to, or row of files
    uid: str = "0"  # whose media
    source: str = ""
    last: bool = False  # WebM: nothing follows it in its file
    codec: str = ""  # of one publisher's MP4 and MP3: that names the file
    media: str = ""  # of the same: what the piece holds, as a segment's kind


class Unit(Stored):
    """What cutting one slice gave; the same slice always gives the same."""

    number: int
    start_ns: int
    end_ns: int
    final: bool
    segments: tuple[SegmentFile, ...]
    cursor: dict[str, Any]  # what the next slice of an individual recording begins with
    keep_from_ns: int  # later slices need the tape from here on, and
    keep: tuple[tuple[int, int], ...] = ()  # these ranges before
    pieces: tuple[StoredPiece, ...] = ()


class SentPart(Stored):
    """A part of a growing file that the bucket has."""

    number: int
    size: int
    md5: str
    etag: str


class Growing(Stored):
    """How much of a growing file the bucket has.

    What is written here may be less than what is true, after a crash between the two, and is
    never more, except that a bucket may forget.
    """

    upload: str = ""  # ID of the multipart upload; "": none was begun
    parts: tuple[SentPart, ...] = ()
    in_order: bool = False  # all parts but the last have one size, and are sent in order


class Delivery(Stored):
    """What the bucket has: a segment, or a playlist with so many entries."""

    size: int
    etag: str
    sha256: str = ""  # hex
    entries: int = 0
    ended: bool = False  # a playlist with EXT-X-ENDLIST


class Folder:
    """One recording's place in the spool."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tape = path / "tape"
        self._units = path / "units"
        self._quality = path / "quality"
        self._files = path / "files"
        self._pieces = path / "pieces"
        self._growing = path / "growing"
        self._receipts = path / "receipts"

    def make(self, spec: str) -> None:
        """Create what is missing; the spec is sealed text."""
        for folder in (self.tape, self._units, self._files, self._receipts):
            folder.mkdir(parents=True, exist_ok=True)
        if not (self.path / "spec.json").exists():
            write(self.path / "spec.json", spec.encode())

    def respecify(self, spec: str) -> None:
        """Replace what was asked for, in a folder that is there."""
        if self.path.is_dir():
            write(self.path / "spec.json", spec.encode())

    def spec(self) -> str | None:
        """What was asked for, sealed; None if no recorder has begun."""
        try:
            return (self.path / "spec.json").read_text()
        except FileNotFoundError:
            return None

    def waiting(self) -> list[str]:
        """Files that the bucket does not have yet."""
        try:
            names = sorted(path.name for path in self._files.iterdir() if path.is_file())
        except FileNotFoundError:
            return []
        return [name for name in names if not self.delivered(name)]

    def file(self, name: str) -> Path:
        """Where a segment waits."""
        return self._files / name

    def scratch(self, number: int) -> Path:
        """An empty folder for the files of one slice while they are made."""
        folder = self._files / f".{number:06d}-{os.getpid()}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def adopt(self, made: Path, name: str) -> None:
        """Give a finished file its name; whole, and on disk."""
        _adopt(made, self.file(name))

    def adopt_piece(self, payload: Path, index: Path, name: str) -> None:
        """Give the two files of a piece their name; whole, and on disk."""
        self._pieces.mkdir(exist_ok=True)
        _adopt(index, self.piece_index(name))
        _adopt(payload, self.piece_payload(name))

    def piece_payload(self, name: str) -> Path:
        """The bytes of a piece as they stand in the finished file."""
        return self._pieces / f"{name}.payload"

    def piece_index(self, name: str) -> Path:
        """What lies in them."""
        return self._pieces / f"{name}.index"

    def growing(self, name: str) -> Growing:
        """How much of a growing file the bucket has."""
        return read_if_whole(self._growing / f"{name}.json", Growing) or Growing()

    def save_growing(self, name: str, growing: Growing) -> None:
        """Remember it."""
        write(self._growing / f"{name}.json", growing.model_dump_json().encode())

    def forget_growing(self, name: str, pieces: Iterable[str]) -> None:
        """The bucket has the whole file: what it was made of is no longer needed."""
        for piece in pieces:
            self.piece_payload(piece).unlink(missing_ok=True)
            self.piece_index(piece).unlink(missing_ok=True)
        (self._growing / f"{name}.json").unlink(missing_ok=True)

    def closed(self) -> Closed | None:
        """How the tape ended, or None while it runs."""
        return read(self.path / "closed.json", Closed)

    def close(self, closed: Closed) -> None:
        """Say that the tape is complete."""
        write(self.path / "closed.json", closed.model_dump_json().encode())

    def unit(self, number: int) -> Unit | None:
        """What a slice gave, or None if it is not cut."""
        return read(self._units / f"{number:06d}.json", Unit)

    def cut(self, number: int) -> bool:
        """Whether a slice is cut."""
        return (self._units / f"{number:06d}.json").exists()

    def save_unit(self, unit: Unit) -> None:
        """Remember what a slice gave; its files must be there already."""
        write(self._units / f"{unit.number:06d}.json", unit.model_dump_json().encode())

    def save_quality(self, number: int, quality: SliceQuality) -> None:
        """Remember how good a slice is; before the slice counts as cut."""
        write(self._quality / f"{number:06d}.json", quality.model_dump_json().encode())

    def quality(self, number: int) -> SliceQuality | None:
        """How good a slice is; None if it was not measured, or is in the book."""
        return read_if_whole(self._quality / f"{number:06d}.json", SliceQuality)

    def measured(self) -> list[int]:
        """The slices that wait to be taken into the book."""
        return sorted(int(path.stem) for path in self._quality.glob("[0-9]*.json"))

    def book(self) -> Book:
        """How good the first slices are together; a new one if there is none."""
        return read_if_whole(self._quality / "book.json", Book) or Book()

    def save_book(self, book: Book) -> None:
        """Remember it, and forget the slices that are in it."""
        write(self._quality / "book.json", book.model_dump_json().encode())
        for number in self.measured():
            if number < book.until:
                (self._quality / f"{number:06d}.json").unlink(missing_ok=True)

    def units(self) -> Iterator[Unit]:
        """Slices in order, up to the first that is not cut."""
        number = 0
        while (unit := self.unit(number)) is not None:
            yield unit
            number += 1

    def receipt(self, name: str) -> Delivery | None:
        """What the bucket said about a file, or None if it does not have it."""
        return read(self._receipts / f"{name}.json", Delivery)

    def receipts(self) -> dict[str, Delivery]:
        """All that the bucket has, by file name."""
        gathered = self._gathered()
        try:
            with os.scandir(self._receipts) as paths:
                there = [path.name for path in paths if not path.name.startswith(".")]
        except FileNotFoundError:
            return {}
        names = sorted(name.removesuffix(".json") for name in there)
        found = ((name, gathered.get(name) or self.receipt(name)) for name in names)
        return {name: receipt for name, receipt in found if receipt is not None}

    def gather(self, names: Iterable[str]) -> None:
        """Write receipts that will not change any more where all of them are read at once."""
        found = ((name, self.receipt(name)) for name in names)
        rows = ([name, row.size, row.etag, row.sha256] for name, row in found if row is not None)
        with (self.path / _GATHERED).open("a", encoding="utf-8") as file:
            # Whatever a crash has left of a line ends here.
            file.write("\n" + "".join(json.dumps(row) + "\n" for row in rows))

    def _gathered(self) -> dict[str, Delivery]:
        found: dict[str, Delivery] = {}
        try:
            with (self.path / _GATHERED).open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    try:
                        name, size, etag, sha256 = json.loads(line)
                    except ValueError:
                        continue  # half a line; the receipt itself is there
                    found[name] = Delivery.model_construct(size=size, etag=etag, sha256=sha256)
        except FileNotFoundError:
            pass
        return found

    def delivered(self, name: str) -> bool:
        """Whether the bucket has a file."""
        return (self._receipts / f"{name}.json").exists()

    def deliver(self, name: str, receipt: Delivery) -> None:
        """The bucket has it; a segment's own copy is no longer needed."""
        write(self._receipts / f"{name}.json", receipt.model_dump_json().encode())
        self.file(name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Forget the recording."""
        shutil.rmtree(self.path, ignore_errors=True)


class Spool:
    """All recordings of one spool directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._still: dict[str, int] = {}  # bytes of folders that change no more

    def folder(self, sid: str) -> Folder:
        """A recording's place."""
        return Folder(self._root / sid)

    def there(self) -> bool:
        """Whether this process sees the spool."""
        return self._root.is_dir()

    def sids(self) -> list[str]:
        """Recordings that have something in the spool."""
        if not self._root.is_dir():
            return []
        return sorted(path.name for path in self._root.iterdir() if path.is_dir())

    def bytes(self) -> int:
        """What the spool holds.

        Tapes that are kept may be many, and are looked at once: they change no more.
        """
        sids = self.sids()
        self._still = {sid: self._still[sid] for sid in sids if sid in self._still}
        for sid in sids:
            path = self._root / sid
            if (path / "kept.json").exists() and not (path / "units").exists():
                self._still[sid] = self._still.get(sid) or _bytes_in(path)
        rest = sum(_bytes_in(self._root / sid) for sid in sids if sid not in self._still)
        return rest + sum(self._still.values())


def _bytes_in(root: Path) -> int:
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                total += (Path(folder) / name).stat().st_size
            except FileNotFoundError:
                continue  # delivered while we looked
    return total


def _adopt(made: Path, place: Path) -> None:
    with made.open("rb") as file:
        os.fsync(file.fileno())
    made.replace(place)
