"""What the taps of one recording share: its tape, its track numbers, its counts."""

import itertools
import time
from collections.abc import Iterable

from media.capture.clock import Point
from media.capture.observer import CaptureObserver
from media.rtp.codec import Codec
from media.tape.model import EventType, Kind, Source, TapeEvent, Track
from media.tape.writer import TapeWriter


class Deck:
    """The tape as taps see it."""

    def __init__(
        self, writer: TapeWriter, observer: CaptureObserver, prefix: str, slice_ns: int = 0
    ) -> None:
        self.writer = writer
        self.slice_ns = slice_ns  # 0: nobody wants keyframes at the ends of a track's own slices
        self._observer = observer
        self._prefix = prefix  # the fence, so that no other owner of the recording makes our ids
        self._tracks = itertools.count(1)
        self._connections = itertools.count(1)
        self._began = False

    def connection(self) -> str:
        """A name for a new connection."""
        return f"{self._prefix}.c{next(self._connections)}"

    def add(
        self,
        at_ns: int,
        *,
        uid: str,
        kind: Kind,
        source: Source,
        ssrc: int,
        codecs: tuple[Codec, ...],
        connection: str,
    ) -> Track:
        """Put a new track on the tape; its first packet came at ``at_ns``."""
        number = f"{self._prefix}.{next(self._tracks)}"
        track = Track(number, uid, kind, source, ssrc, codecs, connection)
        self.writer.add_track(track, at_ns)
        if not self._began:
            self._began = True
            self._observer.first_packet(at_ns)
        return track

    def again(self, track: Track, at_ns: int) -> Track:
        """The same track under a new id: its sender began anew."""
        return self.add(
            at_ns,
            uid=track.uid,
            kind=track.kind,
            source=track.source,
            ssrc=track.ssrc,
            codecs=track.codecs,
            connection=track.connection,
        )

    def end(self, track: Track) -> None:
        """No more packets of this track will come."""
        self.writer.remove_track(track.id, time.time_ns())

    def clock(self, track: Track, points: Iterable[Point], at_ns: int) -> None:
        """Points of a track's clock map."""
        for point in points:
            self.writer.event(
                TapeEvent(
                    EventType.CLOCK, at_ns, track=track.id, rtp=point.rtp, wall_ns=point.wall_ns
                )
            )

    def publisher(self, uid: str, *, there: bool) -> None:
        """A publisher came or went."""
        kind = EventType.JOINED if there else EventType.LEFT
        self.writer.event(TapeEvent(kind, time.time_ns(), uid=uid))

    def muted(self, uid: str, source: Source, *, muted: bool) -> None:
        """A publisher muted or unmuted a track."""
        kind = EventType.MUTED if muted else EventType.UNMUTED
        self.writer.event(TapeEvent(kind, time.time_ns(), uid=uid, source=source))

    def count(self, packets: int, lost: int) -> None:
        """Report what a tap received and gave up since its last report."""
        if packets:
            self._observer.packets(packets)
        if lost:
            self._observer.lost(lost)
