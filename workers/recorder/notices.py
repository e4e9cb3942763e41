"""What a recording on the event loop tells its thread, and counts."""

from collections.abc import Callable
from dataclasses import dataclass

from media.tape.model import Kind, PartManifest
from workers.metrics.metrics import Metrics


@dataclass(frozen=True, slots=True)
class FirstPacket:
    """The first packet is on tape."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class PartSealed:
    """A part of the tape is on disk, whole."""

    part: PartManifest


@dataclass(frozen=True, slots=True)
class Trouble:
    """A publisher cannot be heard for now."""

    uid: str
    reason: str


@dataclass(frozen=True, slots=True)
class StreamState:
    """A publisher's sound or picture begins to arrive, or does not any more."""

    uid: str
    kind: Kind
    arrives: bool
    at_ns: int


Notice = FirstPacket | PartSealed | Trouble | StreamState


class Observer:
    """What a capture tells becomes metrics and notices; see CaptureObserver."""

    def __init__(self, metrics: Metrics, notify: Callable[[Notice], None]) -> None:
        self._metrics = metrics
        self._notify = notify

    def first_packet(self, at_ns: int) -> None:
        """See CaptureObserver."""
        self._notify(FirstPacket(at_ns))

    def packets(self, count: int) -> None:
        """See CaptureObserver."""
        self._metrics.recorder_packets.inc(count)

    def lost(self, count: int) -> None:
        """See CaptureObserver."""
        self._metrics.recorder_packets_lost.inc(count)

    def dropped(self, count: int) -> None:
        """See CaptureObserver."""
        self._metrics.recorder_kernel_drops.inc(count)

    def trouble(self, uid: str, reason: str) -> None:
        """See CaptureObserver."""
        self._metrics.recorder_troubles.inc()
        self._notify(Trouble(uid, reason))

    def stream(self, uid: str, kind: Kind, arrives: bool, at_ns: int) -> None:
        """See CaptureObserver."""
        self._notify(StreamState(uid, kind, arrives, at_ns))

    def loop_lag(self, seconds: float) -> None:
        """See CaptureObserver."""
        self._metrics.recorder_loop_lag.observe(seconds)
