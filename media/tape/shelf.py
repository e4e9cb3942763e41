"""The sealed parts in a directory."""

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import count, groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from media.errors import TapeDamaged
from media.tape.checks import check_manifest
from media.tape.format import PartReader
from media.tape.model import PartManifest, Track
from media.tape.part import MANIFEST_SUFFIX, SUFFIX

_MANIFEST = re.compile(r"(\d{4,})-(\d{6,})\.json")
_KEPT_BYTES = 32 << 20  # of parts: searches for each of many tracks read the same ones


class Packets(NamedTuple):
    """The RTP packets of a part."""

    data: bytes  # the part
    spans: dict[Track, list[tuple[int, int, int]]]  # arrival_ns, start and end in ``data``
    damage: TapeDamaged | None  # why the rest cannot be read


class Shelf:
    """Finds and opens parts; remembers manifests, for they never change."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._manifests: dict[str, PartManifest] = {}
        self._packets: dict[str, Packets] = {}  # of all tracks
        self._asked: dict[str, int] = {}  # the turn at which each part's packets were last asked
        self._turns = count(1)

    def manifests(self) -> list[PartManifest]:
        """Those of all sealed parts, in time order.  Raises TapeDamaged."""
        labels = self._labels()
        for gone in self._manifests.keys() - {label.name for label in labels}:
            del self._manifests[gone]
        return _in_order(self._load(labels))

    def between(self, from_ns: int, until_ns: int) -> list[PartManifest]:
        """Those that tell of ``[from_ns, until_ns)``, in time order.  Raises TapeDamaged.

        The parts of one recorder follow each other, so that of a long tape only a few manifests
        are read.  Before the first part of a recorder comes the last one of its predecessor: it
        tells who was there.  Of a time that nobody taped its neighbours tell.
        """
        found: dict[str, PartManifest] = {}
        earlier: list[PartManifest] = []  # the last of each recorder that ends before the range
        later: list[PartManifest] = []  # the first of each that begins after it
        before: Sequence[_Label] = ()
        for _, rows in groupby(self._labels(), key=attrgetter("fence")):
            labels = list(rows)
            first = bisect_left(labels, True, key=lambda one: self._ends_ns(one) > from_ns)
            end = bisect_left(labels, True, key=lambda one: self._begins_ns(one) >= until_ns)
            chosen = labels[first:end]
            if chosen and first == 0:
                chosen = [*before[-1:], *chosen]
            found |= {part.name: part for part in self._load(chosen)}
            earlier += self._load(labels[:first][-1:])
            later += self._load(labels[end : end + 1])
            before = labels
        neighbours: list[PartManifest] = []
        if earlier and not any(part.from_ns <= from_ns for part in found.values()):
            neighbours.append(max(earlier, key=lambda part: part.until_ns))
        if later and not any(part.until_ns >= until_ns for part in found.values()):
            neighbours.append(min(later, key=lambda part: part.from_ns))
        return _in_order((found | {part.name: part for part in neighbours}).values())

    def ended(self, before_ns: int) -> list[str]:
        """The names of the parts that ended by a time.

        But for the last one of a recorder while its successor's first did not: it tells who was
        there, and that nobody taped in between.
        """
        found: list[str] = []
        last = ""  # of the recorder before, if all of its parts ended
        for _, rows in groupby(self._labels(), key=attrgetter("fence")):
            labels = list(rows)
            end = bisect_left(labels, True, key=lambda one: self._ends_ns(one) > before_ns)
            names = [label.name.removesuffix(MANIFEST_SUFFIX) for label in labels[:end]]
            if last and not names:
                found.remove(last)
            found += names
            last = names[-1] if end == len(labels) else ""
        return found

    def _labels(self) -> list["_Label"]:
        paths = self.directory.glob("*" + MANIFEST_SUFFIX)
        matches = (_MANIFEST.fullmatch(path.name) for path in paths)
        return sorted(_Label(int(m[1]), int(m[2]), m[0]) for m in matches if m is not None)

    def _load(self, labels: Iterable["_Label"]) -> list[PartManifest]:
        found = (self._manifest(label.name) for label in labels)
        return [part for part in found if part is not None]

    def _manifest(self, name: str) -> PartManifest | None:
        found = self._manifests.get(name)
        if found is None:
            found = load_manifest(self.directory / name)
            if found is not None:
                self._manifests[name] = found
        return found

    def _ends_ns(self, label: "_Label") -> int:
        part = self._manifest(label.name)
        return part.until_ns if part is not None else 0  # trimmed, as all before it

    def _begins_ns(self, label: "_Label") -> int:
        part = self._manifest(label.name)
        return part.from_ns if part is not None else 0

    def open(
        self,
        part: PartManifest,
        *,
        wants: Callable[[Track], bool] | None = None,
        events: bool = False,
    ) -> PartReader:
        """A reader of a part's file.  Raises TapeDamaged when the file is not there."""
        path = self.directory / (part.name + SUFFIX)
        try:
            data = path.read_bytes()
        except OSError as exc:
            raise TapeDamaged(f"part {part.name} cannot be read: {exc.strerror}") from exc
        return PartReader(data, wants=wants, events=events)

    def packets(self, part: PartManifest, wants: Callable[[Track], bool]) -> Packets:
        """The RTP packets of a part, each track's in order of arrival; of all tracks or fewer.

        Those of ``wants`` are among them.  Raises TapeDamaged when the file is not there.
        """
        before, now = self._asked.get(part.name, 0), next(self._turns)
        found = self._packets.get(part.name)
        if found is None and self._makes_room(part, before):
            found = self._packets[part.name] = _sorted_by_track(self.open(part))
        elif found is None:
            found = _sorted_by_track(self.open(part, wants=wants))
        self._asked[part.name] = now
        return found

    def _makes_room(self, part: PartManifest, before: int) -> bool:
        """Whether a part is worth to be kept, which was asked for at a turn before.

        Others go for it that were not asked for since, so that of more than there is room for,
        read again and again, some stay all the time rather than none.
        """
        sizes = {name: len(kept.data) for name, kept in self._packets.items()}
        excess = sum(sizes.values()) + part.bytes - _KEPT_BYTES
        gone = []
        for name in sorted(sizes, key=self._asked.__getitem__):
            if excess <= 0 or self._asked[name] >= before:
                break
            excess -= sizes[name]
            gone.append(name)
        if excess > 0:
            return False
        for name in gone:
            del self._packets[name]
        return True

    def remove(self, name: str) -> None:
        """Delete a part; idempotent.

        The manifest goes first: what a crash leaves in between is a part waiting to be sealed
        again, not a manifest that promises media.
        """
        (self.directory / (name + MANIFEST_SUFFIX)).unlink(missing_ok=True)
        (self.directory / (name + SUFFIX)).unlink(missing_ok=True)


def _sorted_by_track(reader: PartReader) -> Packets:
    spans: dict[Track, list[tuple[int, int, int]]] = {}
    damage = None
    last, into = None, []
    try:
        for arrival_ns, track, start, end, rtcp in reader.spans():
            if track is not last:  # looking a track up costs more than a packet
                last, into = track, spans.setdefault(track, [])
            if not rtcp:
                into.append((arrival_ns, start, end))
    except TapeDamaged as exc:
        damage = exc
    return Packets(reader.data, spans, damage)


class _Label(NamedTuple):
    """What the name of a manifest says."""

    fence: int
    number: int
    name: str


def _in_order(parts: Iterable[PartManifest]) -> list[PartManifest]:
    return sorted(parts, key=lambda part: (part.from_ns, part.fence, part.number))


def load_manifest(path: Path) -> PartManifest | None:
    """The manifest in a file, None if there is no such file.  Raises TapeDamaged."""
    try:
        manifest = PartManifest.from_json(json.loads(path.read_text(encoding="utf-8")))
        check_manifest(manifest, path.stem)
    except FileNotFoundError:
        return None  # trimmed at this moment
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise TapeDamaged(f"the manifest {path.name} cannot be read") from exc
    return manifest
