"""The seam to media servers: a room we can listen to."""

import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from media.tape.model import Kind, Source

NO_SOURCES: Mapping[str, Source] = MappingProxyType({})


@dataclass(frozen=True, slots=True, repr=False)
class Entrance:
    """Where a channel is, and as whom we enter it; shows no secret in a log."""

    url: str  # such as room+http://127.0.0.1:8090; its query may hold secrets
    cname: str
    uid: str
    token: str | None = None
    tls: ssl.SSLContext | None = None  # whose certificates are good; None: the system's authorities
    simulcast_substream: int = 2  # of who sends several layers, 0 the lowest to 2 the highest


@dataclass(frozen=True, slots=True)
class Wants:
    """Which tracks of a channel a recording subscribes to.

    ``None`` as a list means everybody.  Deny lists win over allow lists.
    """

    audio: bool = True
    video: bool = True
    audio_uids: frozenset[str] | None = None
    video_uids: frozenset[str] | None = None
    not_audio_uids: frozenset[str] = frozenset()
    not_video_uids: frozenset[str] = frozenset()

    def kinds(self, uid: str) -> frozenset[Kind]:
        """What to subscribe to of a publisher; empty when nothing."""
        return frozenset(kind for kind in Kind if self.track(uid, kind))

    def track(self, uid: str, kind: Kind) -> bool:
        """Whether a track of this kind of this publisher is recorded."""
        if kind is Kind.AUDIO:
            wanted, allowed, denied = self.audio, self.audio_uids, self.not_audio_uids
        else:
            wanted, allowed, denied = self.video, self.video_uids, self.not_video_uids
        return wanted and uid not in denied and (allowed is None or uid in allowed)


EVERYBODY = Wants()


@dataclass(frozen=True, slots=True)
class PublisherJoined:
    """A publisher is in the channel (also sent for each one already there at join)."""

    uid: str


@dataclass(frozen=True, slots=True)
class PublisherLeft:
    """A publisher left the channel or vanished."""

    uid: str


@dataclass(frozen=True, slots=True)
class PublisherStopped:
    """A publisher sends nothing any more and stays in the channel; who sends again joins again."""

    uid: str


@dataclass(frozen=True, slots=True)
class TrackMuted:
    """A publisher muted or unmuted a track."""

    uid: str
    source: Source
    muted: bool


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How many others are in the channel, listeners included; for ``maxIdleTime``."""

    others: int


@dataclass(frozen=True, slots=True)
class RoomClosed:
    """We are out of the channel for good; the last event."""

    reason: str


ChannelEvent = (
    PublisherJoined | PublisherLeft | PublisherStopped | TrackMuted | Occupancy | RoomClosed
)


class Tap(Protocol):
    """One connection to one publisher, as the recorder offers it to a channel adapter.

    The adapter carries the SDP to the server and back; what arrives goes to the tape.
    """

    async def offer(self, kinds: Iterable[Kind]) -> str:
        """An SDP offer to receive these kinds (WHEP)."""
        ...

    async def accept(self, answer: str) -> None:
        """Take the server's answer and connect.  Raises ConnectFailed."""
        ...

    async def answer(self, offer: str, *, sources: Mapping[str, Source] = NO_SOURCES) -> str:
        """Answer a server's offer (Janus); connects in the background.

        Again for each later offer of the same connection, with m-lines added, changed or ended
        (RFC 9429 §5.2.2).  ``sources`` says by mid what m-lines carry that are not the tap's
        default, a publisher's second video for example.  Raises ConnectFailed when the offer is
        for another transport than the first: then it takes a new tap.
        """
        ...

    async def ended(self) -> str:
        """Waits until the connection is over; why it is.  Safe to cancel."""
        ...

    async def close(self) -> None:
        """Idempotent."""
        ...


class Taps(Protocol):
    """Where a channel adapter gets its taps from."""

    def open(self, uid: str, *, screen: bool = False) -> Tap:
        """A tap for one connection of one publisher."""
        ...

    def unheard(self, uid: str, reason: str, *, screen: bool = False) -> None:
        """A publisher cannot be heard though it is there; it is tried again.

        Taps themselves tell of connections that do not come up.
        """
        ...


class Channel(Protocol):
    """A room we can listen to.  An adapter translates; it never records."""

    async def join(self) -> None:
        """Enter as a listener.  Raises ChannelRefused for good, ChannelError to try again."""
        ...

    def events(self) -> AsyncIterator[ChannelEvent]:
        """What happens in the room; ends after one RoomClosed, never before."""
        ...

    def want(self, wants: Wants) -> None:
        """From now on these are to be heard, and nobody else; at any time, does not wait."""
        ...

    async def leave(self) -> None:
        """Idempotent; harmless before join()."""
        ...
