"""The H.264 parameter sets of a track: what a decoder must have seen before a key frame.

A sender may say them with every key frame, once at its beginning, or only in the SDP.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator

from media.errors import BadPacket
from media.tape.payload import interleaved, nal

_MOST_BYTES = 2048  # of one set; real ones have a hundred
_MOST = 64  # sets in all


class ParameterSets:
    """The latest set of each kind and number."""

    def __init__(self, units: Iterable[bytes] = ()) -> None:
        self._units: dict[tuple[int, int], bytes] = {}
        for unit in units:
            self.learn(unit)

    def learn(self, unit: bytes) -> bool:
        """Take note of a NAL unit, if it is a set; whether that was news."""
        key = _key(unit)
        if key is None or self._units.get(key) == unit:
            return False
        if key not in self._units and len(self._units) >= _MOST:
            return False
        self._units[key] = unit
        return True

    def units(self) -> list[bytes]:
        """All of them, sequence parameter sets first."""
        return [unit for _, unit in sorted(self._units.items())]

    def get(self, kind: int, number: int) -> bytes | None:
        """The set of a kind with a number."""
        return self._units.get((kind, number))


def _key(unit: bytes) -> tuple[int, int] | None:
    """Kind and number of a parameter set; None if it is none, or nonsense."""
    kind = nal.kind(unit)
    if kind not in nal.SETS or len(unit) > _MOST_BYTES:
        return None
    try:
        number = nal.number(unit)
    except BadPacket:
        return None
    return (kind, number) if number < (32 if kind == nal.SPS else 256) else None


def sets_in(payload: bytes) -> Iterator[bytes]:
    """The parameter sets in one RTP payload of any packetization mode, fragments left out.

    Nonsense ends it without an error.
    """
    kind = payload[0] & 0x1F
    if kind in nal.SETS:
        yield payload
    elif nal.STAP_A <= kind <= nal.MTAP24:
        try:
            for unit in _aggregated(kind, payload):
                if nal.kind(unit) in nal.SETS:
                    yield unit
        except BadPacket:
            return


def _aggregated(kind: int, payload: bytes) -> Iterator[bytes]:
    if kind == nal.STAP_A:
        return nal.aggregated(payload, 1)
    return (unit for _, _, unit in interleaved.aggregated(payload))


def from_fmtp(fmtp: str) -> list[bytes]:
    """``sprop-parameter-sets`` (RFC 6184 section 8.1); what is said wrongly counts as unsaid."""
    for part in fmtp.split(";"):
        name, _, value = part.strip().partition("=")
        if name.lower() == "sprop-parameter-sets":
            return [unit for text in value.split(",") if (unit := from_base64(text))]
    return []


def from_base64(text: str) -> bytes:
    """A NAL unit; empty when it is none."""
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""
