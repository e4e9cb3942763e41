"""The part being written: bytes waiting for the disk, and the sealing of the file."""

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from media.errors import TapeTaken
from media.tape import format as fmt
from media.tape.model import PartManifest, TapeEvent, Track
from media.tape.standing import Standing

SUFFIX = ".pcapng"
OPEN_SUFFIX = ".pcapng.open"
MANIFEST_SUFFIX = ".json"

Given = tuple[str, bytes, int]  # track id, RTP packet, arrival_ns

_TAILS: dict[int, bytes] = {}  # by packet size; at most 65536 short strings


class OpenPart:
    """A part that is being written.  Belongs to the writer thread.

    Nothing is lost by an OSError: what could not be written is kept, and the call may be
    repeated, be it :meth:`flush` or :meth:`seal`.  After TapeTaken it is of no use any more.
    """

    def __init__(self, directory: Path, head: fmt.PartHead, standing: Standing) -> None:
        self.head = head
        self._directory = directory
        self._fd: int | None = None
        self._renamed = False  # the file is complete, and closed
        self._waiting: list[bytes] = [fmt.section_block(head), fmt.events_interface_block()]
        self._rest = memoryview(b"")  # of an earlier write that stopped half way
        self._interfaces: dict[str, int] = {}
        self._tracks: list[Track] = []
        self._events: list[TapeEvent] = []
        self._packets = 0
        self._size = 0  # bytes the disk has taken
        for track in standing.tracks.values():
            self.add_track(track)
        for event in standing.events():
            self.add_event(event)

    def add_track(self, track: Track) -> int:
        """Give a track its interface; its number."""
        number = self._interfaces.get(track.id)
        if number is None:
            number = self._interfaces[track.id] = len(self._interfaces) + 1
            self._tracks.append(track)
            self._waiting.append(fmt.track_interface_block(track))
        return number

    def add_event(self, event: TapeEvent) -> None:
        """Append an event."""
        self._events.append(event)
        self._waiting.append(fmt.event_block(event))

    def add_packets(
        self, given: Sequence[Given], tracks: dict[str, Track], pdu: bytes = fmt.RTP_PDU
    ) -> None:
        """Append packets in their order."""
        blocks: list[bytes] = []
        interfaces, tails = self._interfaces, _TAILS
        pack, packet_block = fmt.PACKET_HEAD.pack, fmt.PACKET
        for track_id, packet, arrival_ns in given:
            number = interfaces.get(track_id) or self.add_track(tracks[track_id])
            size = len(packet)
            tail = tails.get(size)
            if tail is None:
                tail = tails[size] = fmt.packet_tail(size)
            captured = size + 12
            blocks += (
                pack(
                    packet_block,
                    captured + 28 + len(tail),
                    number,
                    arrival_ns >> 32,
                    arrival_ns & 0xFFFFFFFF,
                    captured,
                    captured,
                    pdu,
                ),
                packet,
                tail,
            )
        self._waiting += blocks
        self._packets += len(given)

    def flush(self) -> None:
        """Hand everything that waits to the operating system."""
        if self._renamed:
            return
        if self._fd is None:
            self._fd = self._open()
        while self._rest or self._waiting:
            if not self._rest:
                self._rest = memoryview(b"".join(self._waiting))
                self._waiting.clear()
            written = os.write(self._fd, self._rest)
            self._rest = self._rest[written:]
            self._size += written

    def _open(self) -> int:
        self._directory.mkdir(parents=True, exist_ok=True)
        # O_EXCL: a part of this name means that somebody else holds our fence.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            return os.open(self._path(OPEN_SUFFIX), flags, 0o644)
        except FileExistsError as exc:
            raise TapeTaken(f"part {self.head.name} is somebody else's") from exc

    def drop(self) -> None:
        """Write no more; what is on disk stays.  Idempotent."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _path(self, suffix: str) -> Path:
        return self._directory / (self.head.name + suffix)

    def seal(self, until_ns: int) -> PartManifest:
        """Make the part durable under its final name, then its manifest."""
        if not self._renamed:
            self._rename()
        manifest = PartManifest(
            self.head.name,
            self.head.fence,
            self.head.number,
            self.head.from_ns,
            max(until_ns, self.head.from_ns),
            self._packets,
            self._size,
            tuple(self._tracks),
            tuple(self._events),
        )
        write_manifest(self._directory, manifest)
        return manifest

    def _rename(self) -> None:
        self.flush()
        fd = self._fd
        if fd is None:
            raise RuntimeError("a part is flushed, but has no file")
        os.fsync(fd)
        final = self._path(SUFFIX)
        if final.exists():  # rename() would replace it without a word
            raise TapeTaken(f"part {self.head.name} was sealed by another recorder")
        self._path(OPEN_SUFFIX).rename(final)
        self._renamed, self._fd = True, None
        os.close(fd)


def write_manifest(directory: Path, manifest: PartManifest) -> None:
    """Put the manifest beside its part; afterwards the part is sealed, come what may."""
    final = directory / (manifest.name + MANIFEST_SUFFIX)
    temporary = final.with_suffix(".json.tmp")
    text = json.dumps(manifest.to_json(), separators=(",", ":"))
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(final)
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one that counts
            temporary.unlink(missing_ok=True)
        raise
    sync_directory(directory)


def sync_directory(directory: Path) -> None:
    """Make renames in a directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
