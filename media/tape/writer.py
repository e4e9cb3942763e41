"""Writing a tape: the event loop formats packets, the disk thread does the rest."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from media.tape import disk
from media.tape import format as fmt
from media.tape.draft import Draft
from media.tape.job import TapeJob
from media.tape.model import EventType, PartManifest, TapeEvent, Track
from media.tape.parameter_watch import ParameterWatch
from media.tape.predecessor import Predecessor
from media.tape.standing import Ended, Standing
from media.weakly import weakly

_pack, _sizes, _PACKET = fmt.PACKET_HEAD.pack, fmt.SIZES, fmt.PACKET
_NOBODY: dict[str, int] = {}  # tracks whose packets are taken without a question: none


class TapeWriter:
    """Writes one tape.  Its methods belong to the event loop and never block.

    What is given is on disk within about a second.  A disk that refuses loses nothing at first:
    everything is kept in memory and tried again; see :attr:`error` and :attr:`waiting_bytes`.
    Beyond the memory that all tapes may use together new packets are dropped and counted.
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
        before: PartManifest | None = None,
        thread: disk.DiskThread = disk.SHARED,
    ) -> None:
        """``on_sealed`` is called from the disk thread, once for each part, in order.

        The first part begins at ``from_ns``; without it, with the first thing given.  ``before`` is
        the last part of the recorder that had the tape before.
        """
        self._fence, self._number = fence, first_number
        self._tracks: dict[str, Track] = {}  # all that ever were
        self._standing = Standing()
        self._before = before
        self._predecessor: Predecessor | None = None
        self._watch = ParameterWatch()
        self._drafts: list[Draft] = []
        self._draft: Draft | None = None  # the last one, unless it has ended
        self._numbers = _NOBODY
        self._put: Callable[[tuple[bytes, ...]], None] = _nowhere
        self._dropped = 0
        self._closing = self._full = False
        self._thread = thread
        self._job = TapeJob(
            directory,
            self._drafts,
            on_sealed=on_sealed,
            on_taken=weakly(self._shut),
            on_full=weakly(self._hold),
        )
        if from_ns is not None:
            self._begin(from_ns)
        thread.add(self._job)

    # For every packet.  It is formatted here, while it is in the CPU's cache: the disk thread
    # would take the interpreter from the event loop for that, thousands of packets at a time.
    def rtp(self, track_id: str, packet: bytes, arrival_ns: int, pdu: bytes = fmt.RTP_PDU) -> None:
        """An RTP packet of a track that was added.  Ignored after :meth:`close`."""
        number = self._numbers.get(track_id)
        if number is None:
            number = self._question(track_id, packet, arrival_ns)
            if not number:
                return
        size = len(packet)
        block, captured, tail = _sizes.get(size) or fmt.sizes(size)
        high, low = arrival_ns >> 32, arrival_ns & 0xFFFFFFFF
        head = _pack(_PACKET, block, number, high, low, captured, captured, pdu)
        self._put((head, packet, tail))

    def rtcp(self, track_id: str, packet: bytes, arrival_ns: int) -> None:
        """An RTCP packet that concerns a track.  Ignored after :meth:`close`."""
        self.rtp(track_id, packet, arrival_ns, fmt.RTCP_PDU)

    def add_track(self, track: Track, at_ns: int) -> None:
        """A track begins; from now on its packets are welcome."""
        if self._closing:
            return
        event = TapeEvent(EventType.TRACK_ADDED, at_ns, track=track.id)
        draft = self._draft or self._begin(at_ns)
        self._tracks[track.id] = track
        self._standing.add_track(track, event)
        self._watch.add(track)
        draft.add_track(track)
        draft.add_event(event)
        self._admit()

    def remove_track(self, track_id: str, at_ns: int) -> None:
        """A track ends; packets that are still on their way are written all the same."""
        self.event(TapeEvent(EventType.TRACK_REMOVED, at_ns, track=track_id))

    def event(self, event: TapeEvent) -> None:
        """Something happened (TRACK_ADDED comes through :meth:`add_track`)."""
        if self._closing:
            return
        draft = self._draft or self._begin(event.at_ns)
        if event.type is EventType.JOINED and self._predecessor is not None:
            event = self._predecessor.joined(event)
            self._inherit(self._predecessor.ended(event.uid), draft)
        self._standing.apply(event)
        if event.type is EventType.TRACK_REMOVED:
            self._watch.remove(event.track)
        draft.add_event(event)

    def _inherit(self, tracks: Iterable[Ended], draft: Draft) -> None:
        for ended in tracks:
            self._standing.inherit(ended)
            draft.add_track(ended.track)
            draft.add_event(ended.added)
            draft.add_event(ended.removed)

    def rotate(self, at_ns: int) -> None:
        """End the part here: what is given from now on belongs to the next one."""
        if not self._closing:
            self._end(at_ns)
            self._begin(at_ns)
            self._thread.wake(self._job)

    async def close(self, at_ns: int) -> None:
        """Seal the last part, and return when that is done.  Idempotent; may be cancelled.

        As long as the disk refuses this does not return; waiting no longer loses nothing yet,
        the disk thread goes on trying until :meth:`abandon`.
        """
        if not self._closing:
            self._shut()
            self._end(at_ns)
            self._job.last = True
            self._thread.wake(self._job)
        await asyncio.shield(asyncio.wrap_future(self._job.closed))

    def abandon(self) -> None:
        """Leave what is on disk as it is to the tape's next owner, and forget the rest."""
        self._shut()
        self._job.abandoned = True
        self._thread.wake(self._job)

    @property
    def sealed_ns(self) -> int:
        """Where the open part begins: nobody has read yet what came later.  0: there is none."""
        return self._draft.head.from_ns if self._draft is not None else 0

    @property
    def error(self) -> Exception | None:
        """Why the disk refuses at the moment; None when all is well."""
        return self._job.error

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the tape that the operating system does not have; for now and then."""
        return self._job.waiting_bytes

    def take_dropped(self) -> int:
        """How many packets found no room since the last call."""
        dropped, self._dropped = self._dropped, 0
        return dropped

    def _begin(self, from_ns: int) -> Draft:
        if self._before is not None:
            self._predecessor, self._before = Predecessor(self._before, from_ns), None
        draft = Draft(fmt.PartHead(self._fence, self._number, from_ns), self._standing)
        self._number += 1
        self._put = draft.blocks.extend
        self._draft = draft
        self._drafts.append(draft)
        self._admit()
        return draft

    def _end(self, at_ns: int) -> None:
        if self._draft is not None:
            self._draft.end(at_ns)
            self._draft = None

    def _admit(self) -> None:
        """Which tracks' packets are taken without a question."""
        if self._draft is None or self._full or self._closing:
            self._numbers = _NOBODY
        elif self._watch:
            numbers = self._draft.numbers.items()
            self._numbers = {id_: n for id_, n in numbers if not self._watch.watches(id_)}
        else:
            self._numbers = self._draft.numbers

    def _question(self, track_id: str, packet: bytes, arrival_ns: int) -> int:
        """The number of a track whose packets need a look; 0 if this one is not taken."""
        if self._closing:
            return 0
        track = self._tracks.get(track_id)
        if track is None:
            raise ValueError(f"track {track_id} was never added")
        if self._full:
            self._dropped += 1
            return 0
        if self._numbers is _NOBODY and self._draft is not None:
            self._admit()  # there is room again
        if self._watch.concerned(track_id, packet):
            # Said at the beginning of the next part; whoever reads this one sees them go by.
            for event in self._watch.see(((track_id, packet, arrival_ns),)):
                self._standing.apply(event)
        draft = self._draft or self._begin(arrival_ns)
        return draft.add_track(track)

    def _shut(self) -> None:
        """Take nothing from now on.  From either thread."""
        self._closing = True
        self._numbers = _NOBODY

    def _hold(self, full: bool) -> None:
        """From the disk thread.  Which tracks are admitted is the loop's affair."""
        self._full = full
        if full:
            self._numbers = _NOBODY


def _nowhere(_blocks: tuple[bytes, ...]) -> None:
    """Before there is a part."""
