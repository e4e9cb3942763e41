"""A recording that began hours ago: all of it is cut, and its recorder is gone.

Its folder is put into the spool of a farm that runs, and Redis hears of it as of a recording that
it forgot.  A recorder of the farm goes on with it, uploaders bring what is cut to the bucket, and
from then on nothing tells it from one that was recorded all the time.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr

from media.bench.long_mix import SLICE_S, LongMix, Made, record_and_cut
from media.tape.model import NS
from workers.cutter.plan import composite_spec
from workers.embedded.home import Home
from workers.embedded.keys import Keys
from workers.job import naming
from workers.job.sealed import seal
from workers.job.spec import RecordingSpec
from workers.reconciler.restore import restore
from workers.spool.damage import crc_of
from workers.spool.spool import Folder, SegmentFile, Spool, StoredPiece, Unit
from workers.store.connect import connect
from workers.store.store import Store
from workers.uploader import growing_files, spans
from workers.uploader.cut_units import CutUnits

_SOON_NS = 5 * NS  # a slice that ended so long ago should be cut


def long_mix(spec: RecordingSpec, folder: Path) -> LongMix:
    """Media for recordings like this one."""
    return LongMix(record_and_cut(composite_spec(spec), folder), folder)


class Past:
    """One such recording on the farm of a data directory."""

    def __init__(self, data: Path, redis_url: str, spec: RecordingSpec) -> None:
        """``spec.accepted_ns`` is when it began."""
        self._home = Home(data)
        self._farm_key = SecretStr(Keys.kept(self._home.keys).farm_key)
        self._redis_url = redis_url
        self._spec = spec
        self._folder = Spool(self._home.spool).folder(spec.sid)
        self._units = CutUnits()

    def lay(self, media: LongMix, slices: int) -> None:
        """Put so many slices into the spool, and have the farm go on with the recording."""
        # Elsewhere at first: the farm must not find a recording half of which is there.
        hidden = Folder(self._home.root / f"past-{self._spec.sid}")
        hidden.make(seal(self._spec, self._farm_key))
        for number in range(slices):
            put(hidden, self._spec, number, media.slice(number, self._spec.accepted_ns))
        hidden.path.rename(self._folder.path)
        with connect(self._redis_url) as client:
            restore(Store(client, self._farm_key), self._folder, self._farm_key)

    def behind(self, now_ns: int) -> int:
        """How many slices, files and parts are missing that the bucket should have by now."""
        units = self._units.of(self._folder)
        due = (now_ns - _SOON_NS - self._spec.accepted_ns) // (SLICE_S * NS)
        names = [segment.name for unit in units for segment in unit.segments]
        files = sum(not self._folder.delivered(name) for name in names)
        return max(0, due - len(units)) + files + sum(1 for _ in self._parts(units))

    def _parts(self, units: list[Unit]) -> Iterator[int]:
        """Parts of the growing file that can be sent and are not."""
        for file in growing_files.of(self._spec, units):
            sent = {part.number for part in self._folder.growing(file.name).parts}
            yield from (span.number for span in spans.ahead(file.bytes) if span.number not in sent)


def put(
    folder: Folder, spec: RecordingSpec, number: int, made: Made, *, final: bool = False
) -> None:
    """What a cutter leaves of a slice of a mix; the files stay where they are as well."""
    segment, piece = made
    stem = naming.stem(spec, segment.uid, segment.kind)
    file = SegmentFile(
        name=naming.segment(stem, segment.start_ns, segment.container),
        playlist=naming.playlist(stem),
        uid=segment.uid,
        kind=segment.kind,
        source=None,
        container=segment.container,
        codec=segment.codec,
        start_ns=segment.start_ns,
        duration_s=segment.duration_s,
        discontinuity=segment.discontinuity,
        resumed=segment.resumed,
        width=segment.width,
        height=segment.height,
        bytes=segment.path.stat().st_size,
    )
    stored = StoredPiece(
        name=f"{number:06d}-0",
        kind=piece.kind,
        start_ns=piece.start_ns,
        duration_s=piece.duration_s,
        bytes=piece.bytes,
        payload_crc=crc_of(piece.payload),
        index_crc=crc_of(piece.index),
    )
    folder.adopt(_shared(segment.path, folder), file.name)
    payload, index = (_shared(path, folder) for path in (piece.payload, piece.index))
    folder.adopt_piece(payload, index, stored.name)
    unit = Unit(
        number=number,
        start_ns=segment.start_ns,
        end_ns=segment.start_ns + SLICE_S * NS,
        final=final,
        segments=(file,),
        cursor={},
        keep_from_ns=segment.start_ns,
        pieces=(stored,),
    )
    folder.save_unit(unit)


def _shared(path: Path, folder: Folder) -> Path:
    """The same file under a name of the folder's; copied where a file has only one name."""
    name = folder.path / f"shared{path.suffix}"
    try:
        os.link(path, name)
    except OSError:  # another file system, or one without links
        shutil.copyfile(path, name)
    return name
