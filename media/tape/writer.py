"""Writing a tape: the event loop appends to a list, the disk thread does the rest."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import structlog

from media.errors import TapeTaken
from media.tape import disk
from media.tape.format import RTCP_PDU, PartHead
from media.tape.model import EventType, PartManifest, TapeEvent, Track
from media.tape.part import Given, OpenPart
from media.tape.standing import Standing

log = structlog.get_logger(__name__)

CHUNK = 2048  # packets formatted before the disk gets them
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0  # between attempts on a disk that refuses


@dataclass(frozen=True, slots=True)
class _Added:
    track: Track
    event: TapeEvent


@dataclass(frozen=True, slots=True)
class _Rtcp:
    given: Given


@dataclass(frozen=True, slots=True)
class _Rotate:
    at_ns: int
    last: bool = False


_Item = Given | TapeEvent | _Added | _Rtcp | _Rotate


class TapeWriter:
    """Writes one tape.  Its methods belong to the event loop and never block.

    What is given is on disk within about half a second.  A disk that refuses loses nothing:
    everything is kept in memory and tried again; see :attr:`error` and :attr:`waiting_bytes`.
    When another recorder has taken the tape over, this one is as good as closed.
    """

    def __init__(
        self,
        directory: Path,
        *,
        fence: int,
        first_number: int,
        on_sealed: Callable[[PartManifest], None],
        from_ns: int | None = None,
        thread: disk.DiskThread = disk.SHARED,
    ) -> None:
        """``on_sealed`` is called from the disk thread, once for each part, in order.

        The first part begins at ``from_ns``; without it, with the first thing given.
        """
        self._items: list[_Item] = []
        self._known: set[str] = set()
        self._given = 0
        self._closing = False
        self._thread = thread
        self._job = _TapeJob(
            directory, fence, first_number, from_ns, on_sealed, self._items, self._shut
        )
        thread.add(self._job)

    # A packet must cost the loop next to nothing: no formatting, no lock.  list.append() here
    # and copy-then-delete of a prefix on the other side are each atomic.

    def rtp(self, track_id: str, packet: bytes, arrival_ns: int) -> None:
        """An RTP packet of a track that was added.  Ignored after :meth:`close`."""
        if track_id not in self._known:
            self._refuse(track_id)
            return
        self._given += len(packet)
        self._items.append((track_id, packet, arrival_ns))

    def rtcp(self, track_id: str, packet: bytes, arrival_ns: int) -> None:
        """An RTCP packet that concerns a track.  Ignored after :meth:`close`."""
        if track_id not in self._known:
            self._refuse(track_id)
            return
        self._given += len(packet)
        self._items.append(_Rtcp((track_id, packet, arrival_ns)))

    def add_track(self, track: Track, at_ns: int) -> None:
        """A track begins; from now on its packets are welcome."""
        if self._closing:
            return
        self._known.add(track.id)
        self._items.append(_Added(track, TapeEvent(EventType.TRACK_ADDED, at_ns, track=track.id)))

    def remove_track(self, track_id: str, at_ns: int) -> None:
        """A track ends; packets that are still on their way are written all the same."""
        self.event(TapeEvent(EventType.TRACK_REMOVED, at_ns, track=track_id))

    def event(self, event: TapeEvent) -> None:
        """Something happened (TRACK_ADDED comes through :meth:`add_track`)."""
        if not self._closing:
            self._items.append(event)

    def rotate(self, at_ns: int) -> None:
        """End the part here: what is given from now on belongs to the next one."""
        if not self._closing:
            self._items.append(_Rotate(at_ns))
            self._thread.wake()

    async def close(self, at_ns: int) -> None:
        """Seal the last part, and return when that is done.  Idempotent; may be cancelled.

        As long as the disk refuses this does not return; waiting no longer loses nothing yet,
        the disk thread goes on trying.
        """
        if not self._closing:
            self._shut()
            self._items.append(_Rotate(at_ns, last=True))
            self._thread.wake()
        await asyncio.shield(asyncio.wrap_future(self._job.closed))

    @property
    def error(self) -> Exception | None:
        """Why the disk refuses at the moment; None when all is well."""
        return self._job.error

    @property
    def waiting_bytes(self) -> int:
        """Bytes of packets given and not yet with the operating system."""
        return self._given - self._job.taken

    def _shut(self) -> None:
        """Take nothing from now on.  From either thread."""
        self._closing = True
        self._known.clear()

    def _refuse(self, track_id: str) -> None:
        if not self._closing:
            raise ValueError(f"track {track_id} was never added")


class _TapeJob:
    """The disk thread's side of a tape; only ``items`` is shared with the loop."""

    def __init__(
        self,
        directory: Path,
        fence: int,
        first_number: int,
        from_ns: int | None,
        on_sealed: Callable[[PartManifest], None],
        items: list[_Item],
        on_taken: Callable[[], None],
    ) -> None:
        self.closed: Future[None] = Future()
        self.error: Exception | None = None
        self.taken = 0
        self._directory = directory
        self._fence, self._number = fence, first_number
        self._on_sealed = on_sealed
        self._items = items
        self._on_taken = on_taken
        self._tracks: dict[str, Track] = {}  # all that ever were
        self._standing = Standing()
        self._part = None if from_ns is None else self._new_part(from_ns)
        self._formatted = 0  # bytes of packets the part holds for the disk
        self._done = False
        self._pause_s = FIRST_PAUSE_S
        self._retry_at = 0.0

    def work(self) -> bool:
        if self.error is not None and time.monotonic() < self._retry_at:
            return False
        try:
            self._flush()
            while self._items:
                self._step()
        except OSError as exc:
            self.fail(exc)
            return False
        except TapeTaken as exc:
            self._give_up(exc)
            return True
        if self.error is not None:
            log.info("the disk takes the tape again", part=self._number)
        self.error, self._pause_s = None, FIRST_PAUSE_S
        if self._done:
            self.closed.set_result(None)
        return self._done

    def fail(self, error: Exception) -> None:
        if self.error is None:
            log.error("the disk refuses the tape", part=self._number, error=str(error))
        self.error = error
        self._retry_at = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _give_up(self, error: TapeTaken) -> None:
        """The lease was lost before we knew.  Its new owner goes on with the tape."""
        log.error("another recorder took the tape over", part=self._number, error=str(error))
        self.error = error
        self._on_taken()
        self._items.clear()
        if self._part is not None:
            self._part.drop()
        self.closed.set_result(None)

    def _step(self) -> None:
        """Do the next thing, and take it off the list only when it is done."""
        chunk = self._items[:CHUNK]
        packets: list[Given] = []
        for item in chunk:
            if type(item) is not tuple:
                break
            packets.append(item)
        part = self._part
        if part is None and isinstance(chunk[0], _Rotate):
            self._begin(chunk[0])  # nothing was given yet, so there is nothing to seal
            return
        if part is None:
            part = self._part = self._new_part(_time_of(chunk[0]))
        if packets:
            part.add_packets(packets, self._tracks)
            self._formatted += sum(len(packet) for _, packet, _ in packets)
            del self._items[: len(packets)]
            self._flush()
        else:
            self._control(part, chunk[0])

    def _control(self, part: OpenPart, item: _Item) -> None:
        match item:
            case _Rotate():
                self._rotate(part, item)
                return  # took itself off the list
            case _Added():
                self._tracks[item.track.id] = item.track
                self._standing.add_track(item.track, item.event)
                part.add_track(item.track)
                part.add_event(item.event)
            case TapeEvent():
                self._standing.apply(item)
                part.add_event(item)
            case _Rtcp():
                part.add_packets((item.given,), self._tracks, RTCP_PDU)
                self._formatted += len(item.given[1])
        del self._items[0]

    def _rotate(self, part: OpenPart, rotate: _Rotate) -> None:
        manifest = part.seal(rotate.at_ns)
        self._took()
        self._number += 1
        self._begin(rotate)
        self._tell(manifest)

    def _begin(self, rotate: _Rotate) -> None:
        """Take a rotation off the list, the part before it being done."""
        del self._items[0]
        self._part = None if rotate.last else self._new_part(rotate.at_ns)
        self._done = rotate.last

    def _tell(self, manifest: PartManifest) -> None:
        try:
            self._on_sealed(manifest)
        except Exception:  # the listener's bug must not stop the tape; the part is safe
            log.exception("nobody could be told of a sealed part", part=manifest.name)

    def _new_part(self, from_ns: int) -> OpenPart:
        head = PartHead(self._fence, self._number, from_ns)
        return OpenPart(self._directory, head, self._standing)

    def _flush(self) -> None:
        if self._part is not None:
            self._part.flush()
            self._took()

    def _took(self) -> None:
        self.taken += self._formatted
        self._formatted = 0


def _time_of(item: _Item) -> int:
    match item:
        case _Added():
            return item.event.at_ns
        case _Rtcp():
            return item.given[2]
        case TapeEvent() | _Rotate():
            return item.at_ns
        case (_, _, arrival_ns):
            return arrival_ns
