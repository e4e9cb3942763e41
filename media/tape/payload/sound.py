"""Opus (RFC 7587), G.711 and G.722 (RFC 3551 §4.5): each packet is a frame."""

from collections.abc import Sequence

from media.tape.payload.model import Picture


class Sound:
    """A format without fragments; how long a packet lasts is its own affair."""

    single = True

    def begins(self, payload: bytes) -> bool:
        """Always."""
        return True

    def join(self, payloads: Sequence[bytes]) -> Picture:
        """The packet itself."""
        return Picture(payloads[0] if len(payloads) == 1 else b"".join(payloads), True)

    def glean(self, payloads: Sequence[bytes]) -> None:
        """Nothing."""
