"""Transport-wide feedback: which packets came, and when.

RTCP feedback 205/15 of draft-holmer-rmcat-transport-wide-cc-extensions-01; the numbers come with
the packets in a header extension of the same draft.  Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct, error

from media.errors import BadPacket

URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
FORMAT = 15  # of transport layer feedback
MOST = 500  # packets that one feedback tells of: it fits a datagram whatever became of them

_HEADER = Struct("!BBHIIHHI")
_CHUNK = Struct("!H")
_SMALL, _LARGE = Struct("!B"), Struct("!h")
_TICK_NS = 250_000
_TICKS_PER_REFERENCE = 256  # 64 ms
_LOST, _NEAR, _FAR = 0, 1, 2  # packet status symbols
_PER_VECTOR = 7  # two-bit symbols in a status vector chunk


@dataclass(frozen=True, slots=True)
class Feedback:
    """One feedback packet, read."""

    sender_ssrc: int
    media_ssrc: int
    number: int  # 8 bits: which feedback this is
    base: int  # 16 bits: the first packet it tells of
    arrivals_ns: tuple[int | None, ...]  # by the receiver's clock, to 250 µs; None: not received


def feedback(
    sender_ssrc: int,
    media_ssrc: int,
    number: int,
    *,
    first: int,
    last: int,
    arrivals: Mapping[int, int],
) -> tuple[bytes, int]:
    """What became of the packets from ``first`` on; and the first that it does not tell of.

    Sequence numbers are unwrapped; ``arrivals`` has nanoseconds of those between ``first`` and
    ``last`` that came.  It ends before ``last`` after :data:`MOST` packets, or where two packets
    came too far apart for one feedback: call again then.  Empty when none of them came.
    """
    last = min(last, first + MOST - 1)
    told = [seq for seq in range(first, last + 1) if seq in arrivals]
    if not told:  # nothing to count times from
        return b"", last + 1
    times = {seq: arrivals[seq] // _TICK_NS for seq in told}
    reference = times[told[0]] // _TICKS_PER_REFERENCE
    deltas: dict[int, int] = {}
    before = reference * _TICKS_PER_REFERENCE
    for seq in told:
        delta = times[seq] - before
        if not -0x8000 <= delta <= 0x7FFF:
            last = seq - 1
            break
        deltas[seq], before = delta, times[seq]
    symbols = [_symbol(deltas.get(seq)) for seq in range(first, last + 1)]
    body = _chunks(symbols) + b"".join(
        (_SMALL if 0 <= delta <= 0xFF else _LARGE).pack(delta) for delta in deltas.values()
    )
    body += bytes(-len(body) % 4)
    words = (_HEADER.size + len(body)) // 4 - 1
    count = (reference & 0xFFFFFF) << 8 | number & 0xFF
    head = _HEADER.pack(
        0x80 | FORMAT, 205, words, sender_ssrc, media_ssrc, first & 0xFFFF, len(symbols), count
    )
    return head + body, last + 1


def parse(body: bytes) -> Feedback:
    """Read what follows the four bytes of the RTCP header.  Raises BadPacket."""
    try:
        return _parse(body)
    except (error, IndexError) as exc:
        raise BadPacket("a transport-wide feedback is cut off") from exc


def _parse(body: bytes) -> Feedback:
    _, _, _, sender, media, base, count, last = _HEADER.unpack_from(bytes(4) + body)
    at = _HEADER.size - 4
    symbols: list[int] = []
    while len(symbols) < count:
        (chunk,) = _CHUNK.unpack_from(body, at)
        symbols += _symbols(chunk)
        at += _CHUNK.size
    time = (last >> 8) * _TICKS_PER_REFERENCE
    arrivals: list[int | None] = []
    for symbol in symbols[:count]:
        if symbol == _LOST:
            arrivals.append(None)
            continue
        delta = _SMALL if symbol == _NEAR else _LARGE
        time += delta.unpack_from(body, at)[0]
        at += delta.size
        arrivals.append(time * _TICK_NS)
    return Feedback(sender, media, last & 0xFF, base, tuple(arrivals))


def _symbol(delta: int | None) -> int:
    if delta is None:
        return _LOST
    return _NEAR if 0 <= delta <= 0xFF else _FAR


def _chunks(symbols: Sequence[int]) -> bytes:
    """Long runs as such, the rest in vectors of seven two-bit symbols."""
    out, at = b"", 0
    while at < len(symbols):
        symbol, end = symbols[at], at
        while end < len(symbols) and symbols[end] == symbol:
            end += 1
        if end - at >= _PER_VECTOR or end == len(symbols):
            out += _CHUNK.pack(symbol << 13 | end - at)
            at = end
            continue
        vector = 0b11
        for each in (*symbols[at : at + _PER_VECTOR], *[_LOST] * _PER_VECTOR)[:_PER_VECTOR]:
            vector = vector << 2 | each
        out += _CHUNK.pack(vector)
        at += _PER_VECTOR
    return out


def _symbols(chunk: int) -> list[int]:
    if not chunk & 0x8000:
        return [chunk >> 13] * (chunk & 0x1FFF)
    if chunk & 0x4000:
        return [chunk >> shift & 3 for shift in range(12, -1, -2)]
    return [chunk >> shift & 1 for shift in range(13, -1, -1)]
