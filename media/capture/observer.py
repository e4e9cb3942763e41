"""What a capture tells about itself; the floor above turns it into metrics."""

from typing import Protocol

from media.tape.model import Kind


class CaptureObserver(Protocol):
    """Called on the event loop; must not block."""

    def first_packet(self, at_ns: int) -> None:
        """The first packet of the recording arrived (once per capture)."""
        ...

    def packets(self, count: int) -> None:
        """So many RTP packets were written since the last call."""
        ...

    def lost(self, count: int) -> None:
        """So many RTP packets were given up since the last call."""
        ...

    def dropped(self, count: int) -> None:
        """The kernel dropped so many datagrams at full sockets since the last call."""
        ...

    def trouble(self, uid: str, reason: str) -> None:
        """A publisher cannot be heard: ICE or DTLS failed.  It is tried again.

        Once for each publisher and reason, until the publisher was heard or left.
        """
        ...

    def stream(self, uid: str, kind: Kind, arrives: bool, at_ns: int) -> None:
        """A publisher's sound or picture begins to arrive, or does not any more."""
        ...

    def loop_lag(self, seconds: float) -> None:
        """How late the event loop ran a timer."""
        ...
