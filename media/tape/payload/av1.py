"""AV1 (AOM, "RTP Payload Format For AV1", version 1.0.0)."""

from collections.abc import Iterator, Sequence

from media.errors import BadPacket
from media.tape.payload import obu
from media.tape.payload.model import Picture

_Z, _Y = 0x80, 0x40


class Av1:
    """Temporal units in the low-overhead format, every OBU with its size.

    There are no temporal delimiters in them: containers want none, decoders need none.
    """

    single = False

    def begins(self, payload: bytes) -> bool:
        """Whether the first OBU element is no continuation (section 4.4: Z)."""
        return not payload[0] & _Z

    def join(self, payloads: Sequence[bytes]) -> Picture:
        """The temporal unit."""
        units = [unit for unit in _whole(payloads) if obu.kind(unit) in obu.STORED]
        if not units:
            raise BadPacket("an AV1 temporal unit of nothing")
        data = b"".join(map(obu.sized, units))
        size = obu.key_frame_size(units)
        return Picture(data, False) if size is None else Picture(data, True, *size)

    def glean(self, payloads: Sequence[bytes]) -> None:
        """Nothing: a sequence header comes with each key frame (section 4.4: N)."""


def _whole(payloads: Sequence[bytes]) -> Iterator[bytes]:
    """The OBUs of consecutive payloads."""
    pieces: list[bytes] = []  # of an OBU that goes on in the next payload
    for payload in payloads:
        elements = list(_elements(payload))
        if bool(payload[0] & _Z) != bool(pieces):
            raise BadPacket("an AV1 fragment breaks off, or begins in the middle")
        last = len(elements) - 1
        for i, element in enumerate(elements):
            pieces.append(element)
            if i < last or not payload[0] & _Y:
                yield b"".join(pieces)
                pieces = []
    if pieces:
        raise BadPacket("an AV1 fragment breaks off")


def _elements(payload: bytes) -> Iterator[bytes]:
    """The OBU elements behind the aggregation header (section 4.4)."""
    count, at = payload[0] >> 4 & 3, 1  # W
    found = 0
    while at < len(payload):
        found += 1
        if found == count:
            size = len(payload) - at  # the last of W elements has no size
        else:
            size, at = obu.leb128(payload, at)
        if not 0 < size <= len(payload) - at:
            raise BadPacket("an AV1 element of impossible size")
        yield payload[at : at + size]
        at += size
    if not found or (count and found != count):
        raise BadPacket("an AV1 packet with too few elements")
