"""What the taps of one recording share: its tape, its track numbers, its counts."""

import itertools
from collections.abc import Iterable

import structlog

from media.capture.hearing import Hearing
from media.capture.observer import CaptureObserver
from media.capture.sections import Section
from media.capture.troubles import Troubles
from media.capture.written import Point
from media.rtc import steady
from media.tape.model import EventType, Source, TapeEvent, Track
from media.tape.writer import TapeWriter

log = structlog.get_logger(__name__)


class Deck:
    """The tape as taps see it."""

    def __init__(
        self, writer: TapeWriter, observer: CaptureObserver, prefix: str, slice_ns: int = 0
    ) -> None:
        self.writer = writer
        self.slice_ns = slice_ns  # 0: nobody wants keyframes at the ends of a track's own slices
        self.troubles = Troubles(observer)
        self.hearing = Hearing(observer)
        self._observer = observer
        self._prefix = prefix  # the fence, so that no other owner of the recording makes our ids
        self._tracks = itertools.count(1)
        self._connections = itertools.count(1)
        self._began = False

    def connection(self) -> str:
        """A name for a new connection."""
        return f"{self._prefix}.c{next(self._connections)}"

    def add(self, at_ns: int, *, uid: str, ssrc: int, connection: str, section: Section) -> Track:
        """Put a new track on the tape; its first packet came at ``at_ns``."""
        track = Track(
            f"{self._prefix}.{next(self._tracks)}",
            uid,
            section.kind,
            section.source,
            ssrc,
            section.codecs,
            connection,
            section.extensions,
        )
        self.writer.add_track(track, self._open(at_ns))
        if not self._began:
            self._began = True
            self._observer.first_packet(at_ns)
        self.hearing.began(track, at_ns)
        return track

    def end(self, track: Track) -> None:
        """No more packets of this track will come."""
        self.hearing.ended(track)
        self.writer.remove_track(track.id, steady.now_ns())

    def clock(self, track: Track, points: Iterable[Point], at_ns: int) -> None:
        """Points of a track's clock map."""
        known_ns = self._open(at_ns)
        for point in points:
            self.writer.event(
                TapeEvent(
                    EventType.CLOCK, known_ns, track=track.id, rtp=point.rtp, wall_ns=point.wall_ns
                )
            )

    def tally(self, track: Track, counts: tuple[tuple[str, int], ...], at_ns: int) -> None:
        """How a track arrived so far."""
        self.writer.event(
            TapeEvent(EventType.TALLY, self._open(at_ns), track=track.id, counts=counts)
        )

    def publisher(self, uid: str, *, there: bool, at_ns: int | None = None) -> None:
        """A publisher came or went, now or a moment ago."""
        if not there:
            self.hearing.left(uid)
        kind = EventType.JOINED if there else EventType.LEFT
        self.writer.event(TapeEvent(kind, at_ns or steady.now_ns(), uid=uid))

    def muted(self, uid: str, source: Source, *, muted: bool, at_ns: int | None = None) -> None:
        """A publisher muted or unmuted a track, now or a moment ago."""
        kind, at_ns = EventType.MUTED if muted else EventType.UNMUTED, at_ns or steady.now_ns()
        self.hearing.mute(uid, source, muted=muted, at_ns=at_ns)
        self.writer.event(TapeEvent(kind, at_ns, uid=uid, source=source))

    def count(self, packets: int, lost: int) -> None:
        """Report what a tap received and gave up since its last report."""
        if packets:
            self._observer.packets(packets)
        lost += self.writer.take_dropped()
        if lost:
            self._observer.lost(lost)

    def dropped(self, count: int) -> None:
        """Report datagrams that the kernel dropped at a full socket."""
        if count:
            log.warning("the kernel dropped datagrams at a full socket", count=count)
            self._observer.dropped(count)

    def _open(self, at_ns: int) -> int:
        """When something is told of that came with a packet: not before the part that tells it.

        The packet may have waited at its socket while the part before ended and was cut.
        """
        return max(at_ns, self.writer.sealed_ns)
