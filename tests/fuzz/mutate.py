"""Mutations that know what a packet is made of."""

import random
from collections.abc import Callable

_EDGES = (0, 1, 2, 0x7F, 0x80, 0x81, 0xFE, 0xFF)

Mutation = Callable[[random.Random, bytearray], None]


class Mutator:
    """Makes hostile packets of good ones, from a seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self._others: list[bytes] = []  # some packets of before, to be mixed in

    def rtp(self, packet: bytes) -> bytes:
        """One to three things are wrong with it."""
        return self._mutated(packet, _RTP)

    def rtcp(self, packet: bytes) -> bytes:
        """Likewise."""
        return self._mutated(packet, _RTCP)

    def _mutated(self, packet: bytes, ways: tuple[Mutation, ...]) -> bytes:
        dice = self.dice
        broken = bytearray(packet)
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            if len(broken) < 2:
                break
            if dice.random() < 0.06 and self._others:
                _splice(dice, broken, dice.choice(self._others))
            else:
                dice.choice(ways)(dice, broken)
        if dice.random() < 0.01:
            self._others = [*self._others[-40:], packet]
        return bytes(broken[:2048])


def _splice(dice: random.Random, packet: bytearray, other: bytes) -> None:
    at = dice.randrange(len(packet))
    packet[at:] = other[min(at, len(other)) :]


def _flip_bits(dice: random.Random, packet: bytearray) -> None:
    for _ in range(dice.randint(1, 8)):
        packet[dice.randrange(len(packet))] ^= 1 << dice.randrange(8)


def _edge(dice: random.Random, packet: bytearray) -> None:
    packet[dice.randrange(len(packet))] = dice.choice(_EDGES)


def _edge_in_front(dice: random.Random, packet: bytearray) -> None:
    """In headers and payload descriptors."""
    packet[dice.randrange(min(len(packet), 28))] = dice.choice(_EDGES)


def _truncate(dice: random.Random, packet: bytearray) -> None:
    del packet[dice.randrange(1, len(packet)) :]


def _truncate_in_front(dice: random.Random, packet: bytearray) -> None:
    """What is left ends within header, extensions or descriptor."""
    del packet[dice.randrange(1, min(len(packet), 32)) :]


def _cut_out(dice: random.Random, packet: bytearray) -> None:
    at = dice.randrange(len(packet))
    del packet[at : at + dice.randint(1, 40)]


def _insert(dice: random.Random, packet: bytearray) -> None:
    at = dice.randrange(len(packet))
    packet[at:at] = dice.randbytes(dice.randint(1, 300))


def _repeat(dice: random.Random, packet: bytearray) -> None:
    at = dice.randrange(len(packet))
    packet[at:at] = packet[at : at + dice.randint(1, 60)] * dice.randint(1, 5)


def _noise_behind_header(dice: random.Random, packet: bytearray) -> None:
    packet[12:] = dice.randbytes(dice.choice((0, 1, 2, 3, 4, 20, 300, 1200)))


def _first_byte(dice: random.Random, packet: bytearray) -> None:
    """Version stays, as nothing else is taken for RTP; padding, extension and CSRCs lie."""
    packet[0] = 0x80 | dice.randrange(0x40)


def _payload_type(dice: random.Random, packet: bytearray) -> None:
    packet[1] = packet[1] & 0x80 | dice.randrange(0x80)


def _marker(_: random.Random, packet: bytearray) -> None:
    packet[1] ^= 0x80


def _sequence(dice: random.Random, packet: bytearray) -> None:
    if len(packet) >= 4:
        step = dice.choice((-1, 1, 2, -300, 300, 600, 2999, 3000, 3001, -1000, -1001, 32768))
        seq = int.from_bytes(packet[2:4], "big")
        packet[2:4] = ((seq + step) & 0xFFFF).to_bytes(2, "big")


def _timestamp(dice: random.Random, packet: bytearray) -> None:
    if len(packet) >= 8:
        step = dice.choice((-1, 1, 90_000, -90_000, 180_001, -180_001, 1 << 31, 10**9, -(10**9)))
        timestamp = int.from_bytes(packet[4:8], "big")
        packet[4:8] = ((timestamp + step) & 0xFFFFFFFF).to_bytes(4, "big")


def _ssrc(dice: random.Random, packet: bytearray) -> None:
    if len(packet) >= 12:
        packet[8:12] = dice.randbytes(4)


def _extension_size(dice: random.Random, packet: bytearray) -> None:
    if len(packet) >= 16:
        packet[0] |= 0x10
        packet[12:16] = dice.choice((b"\xbe\xde", b"\x10\x00", b"\x10\x0f", dice.randbytes(2))) + (
            dice.choice((0, 1, 2, 5, 255, 0xFFFF)).to_bytes(2, "big")
        )


def _extension_elements(dice: random.Random, packet: bytearray) -> None:
    """A header extension that is whole, of elements that are not."""
    if len(packet) >= 12 and not packet[0] & 0x1F:
        words = dice.randint(0, 8)
        packet[0] |= 0x10
        profile = dice.choice((b"\xbe\xde", b"\x10\x00"))
        packet[12:12] = profile + words.to_bytes(2, "big") + dice.randbytes(4 * words)


def _padding(dice: random.Random, packet: bytearray) -> None:
    packet[0] |= 0x20
    packet[-1] = dice.choice((0, 1, 4, len(packet) & 0xFF, 255))


def _descriptor(dice: random.Random, packet: bytearray) -> None:
    """Noise where most payload descriptors are."""
    begin = 12
    if packet[0] & 0x10 and len(packet) >= 16:
        begin = 16 + 4 * int.from_bytes(packet[14:16], "big")
    for at in range(begin, min(begin + dice.randint(1, 6), len(packet))):
        packet[at] = dice.randrange(256)


def _rtcp_count(dice: random.Random, packet: bytearray) -> None:
    packet[0] = packet[0] & 0xE0 | dice.randrange(32)


def _rtcp_type(dice: random.Random, packet: bytearray) -> None:
    packet[1] = dice.choice((192, 195, 200, 201, 202, 203, 204, 205, 206, 207, 210, 223))


def _rtcp_length(dice: random.Random, packet: bytearray) -> None:
    if len(packet) >= 4:
        packet[2:4] = dice.choice((0, 1, 2, 6, 255, 0xFFFF)).to_bytes(2, "big")


def _rtcp_ssrc(dice: random.Random, packet: bytearray) -> None:
    if len(packet) >= 8:
        packet[4:8] = dice.randbytes(4)


def _rtcp_more(dice: random.Random, packet: bytearray) -> None:
    """So many times itself as fit into a datagram."""
    packet *= dice.randint(2, 20)


_ANY: tuple[Mutation, ...] = (
    _flip_bits,
    _edge,
    _edge_in_front,
    _truncate,
    _truncate_in_front,
    _cut_out,
    _insert,
    _repeat,
    _padding,
)
_RTP: tuple[Mutation, ...] = (
    *_ANY,
    _noise_behind_header,
    _first_byte,
    _payload_type,
    _marker,
    _sequence,
    _timestamp,
    _ssrc,
    _extension_size,
    _extension_elements,
    _descriptor,
    _descriptor,
)
_RTCP: tuple[Mutation, ...] = (
    *_ANY,
    _rtcp_count,
    _rtcp_type,
    _rtcp_length,
    _rtcp_ssrc,
    _rtcp_more,
)
