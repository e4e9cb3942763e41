"""Packets of one track in the order they were sent: unwrapped, sorted, each one once."""

from collections.abc import Callable, Iterable, Iterator
from struct import Struct

from media.errors import BadPacket
from media.rtp.packet import FIXED_HEADER, parse_header

MISORDER = 3000  # packets; one that is further behind tells of a restart (RFC 3550 A.1)
RESTART = 64  # packets; further behind, yet ahead in time: likewise
_TOGETHER_NS = 500_000_000  # packets of one picture arrive within this
RESTART_NS = 500_000_000  # nearer by, but so much ahead in time that no B-frame explains it

_FIXED = Struct("!BBHI").unpack_from

Locate = Callable[[int, int], tuple[int, int] | None]  # (timestamp, arrival_ns) -> (time, rtp)
Arrived = tuple[int, bytes]  # arrival_ns, packet


# (number, timestamp, second, payload, time_ns, rtp_time): a packet in its place.  The number is
# the sequence number, unwrapped; the timestamp is as on the wire, the RTP time unwrapped; second
# is the header's second byte, marker and payload type; the payload is without padding, and empty
# when there was nothing else.  A bare tuple, because one is made for every packet.
Numbered = tuple[int, int, int, bytes, int, int]


def signed(difference: int, bits: int) -> int:
    """The difference of two numbers of so many bits, the shorter way round."""
    half = 1 << (bits - 1)
    return ((difference + half) & ((1 << bits) - 1)) - half


def sequence_step(difference: int) -> int:
    """How far a sequence number is ahead; negative only if it may be a late packet."""
    return ((difference + MISORDER) & 0xFFFF) - MISORDER


def headers(packets: Iterable[Arrived]) -> Iterator[tuple[int, int, int]]:
    """``(arrival_ns, sequence number, timestamp)`` of each packet that is RTP."""
    for arrival_ns, packet in packets:
        if len(packet) >= FIXED_HEADER and packet[0] >> 6 == 2:
            _, _, seq, timestamp = _FIXED(packet)
            yield arrival_ns, seq, timestamp


def in_order(packets: Iterable[Arrived], locate: Locate) -> tuple[list[Numbered], bool]:
    """Number the packets of one track, given in order of arrival.

    Of duplicates the first one stays.  The flag is True when a packet that is no straggler lies
    outside the clock map; it is left out then.
    """
    numbered: list[Numbered] = []
    highest, newest_ns = None, 0  # number and time of the packet that is furthest ahead
    unexplained = disorder = False
    seen: tuple[int, int] | None = None  # (timestamp, arrival)
    located: tuple[int, int] | None = None
    for arrival_ns, second, seq, timestamp, payload in _parsed(packets):
        # Packets of one picture share their time.
        if seen is None or seen[0] != timestamp or not 0 <= arrival_ns - seen[1] < _TOGETHER_NS:
            located = locate(timestamp, arrival_ns)
            seen = timestamp, arrival_ns
        step = 1 if highest is None else ((seq - highest + MISORDER) & 0xFFFF) - MISORDER
        if located is None:
            unexplained = unexplained or step > 0
            continue
        time_ns, rtp_time = located
        number = seq if highest is None else highest + step
        if step <= 0:
            if highest is not None and _restarted(step, time_ns - newest_ns):
                number = highest + (step & 0xFFFF or 0x10000)
            disorder = True
        numbered.append((number, timestamp, second, payload, time_ns, rtp_time))
        if highest is None or number > highest:
            highest, newest_ns = number, time_ns
    return (_sorted(numbered) if disorder else numbered), unexplained


def _sorted(numbered: list[Numbered]) -> list[Numbered]:
    first: dict[int, Numbered] = {}
    for packet in numbered:
        first.setdefault(packet[0], packet)
    return [first[number] for number in sorted(first)]


def _parsed(packets: Iterable[Arrived]) -> Iterator[tuple[int, int, int, int, bytes]]:
    """``(arrival_ns, second, seq, timestamp, payload)`` of what is RTP.

    The two usual kinds of header are taken apart here, for the sake of speed.
    """
    for arrival_ns, packet in packets:
        if len(packet) < FIXED_HEADER:
            continue
        first, second, seq, timestamp = _FIXED(packet)
        if first == 0x80:  # nothing but the fixed header
            payload = packet[FIXED_HEADER:]
        elif first == 0x90 and len(packet) >= 16:  # and a header extension
            start = 16 + 4 * (packet[14] << 8 | packet[15])
            if start > len(packet):
                continue
            payload = packet[start:]
        else:
            try:
                payload = parse_header(packet).payload(packet)
            except BadPacket:
                continue
        yield arrival_ns, second, seq, timestamp, payload


def _restarted(step: int, ahead_ns: int) -> bool:
    return ahead_ns > (0 if step < -RESTART else RESTART_NS)
