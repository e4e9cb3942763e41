"""A mix whose slices are made up, in a real spool and a real Redis: what grows, without a codec."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import SecretStr

from media.mux import mp4
from media.mux.piece import Index, TrackFormat
from media.mux.piece_writer import new_piece, piece_at
from media.tape.model import NS
from workers.job import naming
from workers.job.sealed import seal
from workers.job.spec import RecordingSpec
from workers.spool.damage import crc_of
from workers.spool.spool import Closed, Delivery, Folder, SegmentFile, Spool, StoredPiece, Unit
from workers.store.store import Store

SLICE_NS = 15 * NS
FORMAT = TrackFormat("audio", 48_000, b"\x11\x90", channels=2)
FARM_KEY = SecretStr("a farm key for tests")


class MadeUpMix:
    """A recording that is on the air until :meth:`close`; its segments are delivered already."""

    def __init__(self, spec: RecordingSpec, store: Store, spool: Spool, scratch: Path) -> None:
        self.spec, self.folder = spec, spool.folder(spec.sid)
        self._store, self._scratch = store, scratch
        self._payloads: dict[int, bytes] = {}
        self._indices: dict[int, Index] = {}
        scratch.mkdir()
        self.folder.make(seal(spec, FARM_KEY))
        store.heartbeat("recorder-a", 10, ttl_s=600)
        store.start(spec, spec.sid)
        self._claim = store.claim(spec.sid, "recorder-a", 600)

    def cut(self, number: int, size: int, *, final: bool = False) -> None:
        """What a cutter leaves of a slice: a piece of ``size`` bytes, none if that is 0."""
        start_ns = self.spec.accepted_ns + number * SLICE_NS
        segment = self._segment(number, start_ns)
        self.folder.deliver(segment.name, Delivery(size=1, etag="e"))
        unit = Unit(
            number=number,
            start_ns=start_ns,
            end_ns=start_ns + SLICE_NS,
            final=final,
            segments=(segment,) if size else (),
            cursor={},
            keep_from_ns=start_ns,
            pieces=(self._piece(number, start_ns, size),) if size else (),
        )
        self.folder.save_unit(unit)

    def _segment(self, number: int, start_ns: int) -> SegmentFile:
        stem = naming.stem(self.spec, "0", "audio")
        return SegmentFile(
            name=naming.segment(stem, start_ns, "ts"),
            playlist=naming.playlist(stem),
            uid="0",
            kind="audio",
            source=None,
            container="ts",
            codec="aac",
            start_ns=start_ns,
            duration_s=15.0,
            discontinuity=False,
            resumed=number == 0,
        )

    def _piece(self, number: int, start_ns: int, size: int) -> StoredPiece:
        """The same number gives the same bytes."""
        piece, rng = piece_at(self._scratch / str(number)), random.Random(number)
        with new_piece(piece) as writer:
            track, at, left = writer.add(FORMAT), number * 15 * 48_000, size
            while left:
                sample = rng.randbytes(min(left, 10_000))
                writer.write(track, at, 1024, sample, keyframe=True)
                at, left = at + 1024, left - len(sample)
        self._payloads[number] = piece.payload.read_bytes()
        self._indices[number] = Index.read(piece.index)
        name, crcs = f"{number:06d}-0", (crc_of(piece.payload), crc_of(piece.index))
        self.folder.adopt_piece(piece.payload, piece.index, name)
        return StoredPiece(
            name=name,
            kind="mp4",
            start_ns=start_ns,
            duration_s=15.0,
            bytes=size,
            payload_crc=crcs[0],
            index_crc=crcs[1],
        )

    def close(self, slices: int) -> None:
        """The tape is complete: so many slices."""
        origin_ns = self.spec.accepted_ns
        end_ns = origin_ns + slices * SLICE_NS
        self.folder.close(
            Closed(origin_ns=origin_ns, end_ns=end_ns, units=slices, reason="stopped")
        )
        assert self._claim is not None
        fields = {"origin_ns": origin_ns, "end_ns": end_ns, "units_sealed": slices}
        self._store.tape_closed(self._claim, self.spec, **fields)

    def whole(self, numbers: Sequence[int]) -> bytes:
        """The file of these slices."""
        start_ns = self.spec.accepted_ns + numbers[0] * SLICE_NS
        head = mp4.head([self._indices[n] for n in numbers], created_ns=start_ns)
        return head + b"".join(self._payloads[n] for n in numbers)


MakeMix = Callable[..., MadeUpMix]


def left(folder: Folder) -> list[str]:
    """Pieces and notes that a spool still has."""
    found = [*folder.path.glob("pieces/*"), *folder.path.glob("growing/*")]
    return sorted(path.name for path in found)
