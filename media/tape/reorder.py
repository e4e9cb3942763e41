"""Packets of one track in the order they were sent: unwrapped, sorted, each one once."""

from collections.abc import Callable, Iterable
from struct import Struct
from typing import NamedTuple

from media.errors import BadPacket
from media.rtp.packet import FIXED_HEADER, parse_header

MISORDER = 3000  # packets; one that is further behind tells of a restart (RFC 3550 A.1)
RESTART = 64  # packets; further behind, yet ahead in time: likewise
RESTART_NS = 500_000_000  # nearer by, but so much ahead in time that no B-frame explains it

_FIXED = Struct("!BBHI").unpack_from

Locate = Callable[[int, int], tuple[int, int] | None]  # (timestamp, arrival_ns) -> (time, rtp)
Arrived = tuple[int, bytes]  # arrival_ns, packet


class Numbered(NamedTuple):
    """A packet in its place."""

    number: int  # the sequence number, unwrapped; neighbours differ by one
    timestamp: int  # RTP, 32 bits
    second: int  # marker bit and payload type, as in the header
    payload: bytes  # without padding; empty when the packet was nothing else
    time_ns: int
    rtp_time: int  # unwrapped


def signed(difference: int, bits: int) -> int:
    """The difference of two numbers of so many bits, the shorter way round."""
    half = 1 << (bits - 1)
    return ((difference + half) & ((1 << bits) - 1)) - half


def sequence_step(difference: int) -> int:
    """How far a sequence number is ahead; negative only if it may be a late packet."""
    return ((difference + MISORDER) & 0xFFFF) - MISORDER


def headers(packets: Iterable[Arrived]) -> Iterable[tuple[int, int, int]]:
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
    numbered: dict[int, Numbered] = {}
    highest: Numbered | None = None
    unexplained = False
    for arrival_ns, packet in packets:
        payload = _payload(packet)
        if payload is None:
            continue
        _, second, seq, timestamp = _FIXED(packet)
        step = 1 if highest is None else sequence_step(seq - highest.number)
        located = locate(timestamp, arrival_ns)
        if located is None:
            unexplained = unexplained or step > 0
            continue
        time_ns, rtp_time = located
        if highest is None:
            number = seq
        elif step <= 0 and _restarted(step, time_ns - highest.time_ns):
            number = highest.number + (step & 0xFFFF or 0x10000)
        else:
            number = highest.number + step
        if number in numbered:
            continue
        one = Numbered(number, timestamp, second, payload, time_ns, rtp_time)
        numbered[number] = one
        if highest is None or number > highest.number:
            highest = one
    return [numbered[number] for number in sorted(numbered)], unexplained


def _restarted(step: int, ahead_ns: int) -> bool:
    return ahead_ns > (0 if step < -RESTART else RESTART_NS)


def _payload(packet: bytes) -> bytes | None:
    """The payload, or None when this is not RTP."""
    if len(packet) < FIXED_HEADER:
        return None
    first = packet[0]
    if first == 0x80:  # no padding, no extension, no contributing sources
        return packet[FIXED_HEADER:]
    try:
        return parse_header(packet).payload(packet)
    except BadPacket:
        return None
