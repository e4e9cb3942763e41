"""What every payload format must say about itself."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Picture(NamedTuple):
    """What the payloads of one frame make together."""

    data: bytes
    keyframe: bool
    width: int = 0  # pixels; of key frames only, 0 when unknown
    height: int = 0
    shown: bool = True  # False: nothing to decode yet, it belongs before the next frame


class Depacketizer(Protocol):
    """Knows one payload format.  Payloads are never empty."""

    single: bool  # every packet is a frame

    def begins(self, payload: bytes) -> bool:
        """Whether a frame can begin with this payload."""
        ...

    def join(self, payloads: Sequence[bytes]) -> Picture:
        """The frame of a complete run of payloads.  Raises BadPacket, and nothing else."""
        ...

    def glean(self, payloads: Sequence[bytes]) -> None:
        """Learn what later frames need from payloads that make no whole frame."""
        ...
