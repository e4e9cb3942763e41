"""RTCP: reports (RFC 3550 section 6), feedback (RFC 4585, 5104) and REMB.

``parse`` takes a compound or reduced-size (RFC 5506) packet; the builders each make one packet,
to be joined with ``+``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from struct import Struct, error

from media.errors import BadPacket

_HEADER = Struct("!BBH")
_SSRC = Struct("!I")
_TWO = Struct("!II")
_SENDER_INFO = Struct("!QIII")
_BLOCK = Struct("!IIIIII")
_FCI = Struct("!HH")

_SR, _RR, _SDES, _BYE, _RTPFB, _PSFB = 200, 201, 202, 203, 205, 206
_NACK, _PLI, _FIR, _AFB = 1, 1, 4, 15
_NTP_TO_UNIX_S = 2_208_988_800
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says about one stream (RFC 3550 section 6.4.1)."""

    ssrc: int
    fraction_lost: int  # of 256
    lost: int  # cumulative, signed 24 bits
    highest_seq: int  # 32 bits: cycles and sequence number
    jitter: int  # RTP clock units
    last_sr: int = 0  # middle 32 bits of the NTP time of the last sender report
    delay_since_sr: int = 0  # 1/65536 s


@dataclass(frozen=True, slots=True)
class SenderReport:
    """Which wall clock belongs to which RTP timestamp, and how much was sent."""

    ssrc: int
    ntp: int  # 64 bits, seconds since 1900 and fraction
    rtp_time: int
    packets: int
    octets: int
    reports: tuple[ReportBlock, ...] = ()

    @property
    def unix_ns(self) -> int:
        """The report's wall clock as Unix nanoseconds, by the sender's clock."""
        return ntp_to_unix_ns(self.ntp)


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """Reception reports of somebody who sends nothing."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """CNAMEs by SSRC (RFC 3550 section 6.5); other items are left out."""

    cnames: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Bye:
    """These sources send no more."""

    ssrcs: tuple[int, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Nack:
    """These packets are missing (RFC 4585 section 6.2.1)."""

    sender_ssrc: int
    media_ssrc: int
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pli:
    """A key frame is needed (RFC 4585 section 6.3.1)."""

    sender_ssrc: int
    media_ssrc: int


@dataclass(frozen=True, slots=True)
class Fir:
    """A key frame is demanded (RFC 5104 section 4.3.1)."""

    sender_ssrc: int
    targets: tuple[tuple[int, int], ...]  # (media SSRC, command sequence number)


@dataclass(frozen=True, slots=True)
class Remb:
    """Receiver estimated maximum bit rate (draft-alvestrand-rmcat-remb)."""

    sender_ssrc: int
    bitrate: int  # bit/s
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A packet of a type, or feedback of a format, that is not read here."""

    packet_type: int
    count: int  # the five bits beside the type: count, subtype or format
    body: bytes


Packet = SenderReport | ReceiverReport | SourceDescription | Bye | Nack | Pli | Fir | Remb | Unknown


def parse(data: bytes) -> tuple[Packet, ...]:
    """All packets of a compound packet.  Raises BadPacket, and nothing else, on nonsense."""
    packets: list[Packet] = []
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise BadPacket("the RTCP header is cut off")
        first, packet_type, words = _HEADER.unpack_from(data, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            raise BadPacket("not an RTCP packet of version 2, or cut off")
        body = _without_padding(data[at + 4 : end]) if first & 0x20 else data[at + 4 : end]
        packets.append(_parse_one(packet_type, first & 0x1F, body))
        at = end
    return tuple(packets)


def _parse_one(packet_type: int, count: int, body: bytes) -> Packet:
    parser = _PARSERS.get((packet_type, count)) or _PARSERS.get((packet_type, None))
    if parser is None:
        return Unknown(packet_type, count, body)
    try:
        return parser(count, body)
    except (error, IndexError) as exc:
        raise BadPacket(f"RTCP packet of type {packet_type} is cut off") from exc


def _without_padding(body: bytes) -> bytes:
    if not body or not 0 < body[-1] <= len(body):
        raise BadPacket("RTCP padding is longer than the packet")
    return body[: -body[-1]]


def _blocks(count: int, body: bytes, at: int) -> tuple[ReportBlock, ...]:
    return tuple(_block(body, at + _BLOCK.size * n) for n in range(count))


def _block(body: bytes, at: int) -> ReportBlock:
    ssrc, loss, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, at)
    lost = loss & 0xFFFFFF
    lost -= 0x1000000 if lost & 0x800000 else 0
    return ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last_sr, delay)


def _parse_sr(count: int, body: bytes) -> SenderReport:
    (ssrc,) = _SSRC.unpack_from(body)
    ntp, rtp_time, packets, octets = _SENDER_INFO.unpack_from(body, 4)
    blocks = _blocks(count, body, 4 + _SENDER_INFO.size)
    return SenderReport(ssrc, ntp, rtp_time, packets, octets, blocks)


def _parse_rr(count: int, body: bytes) -> ReceiverReport:
    (ssrc,) = _SSRC.unpack_from(body)
    return ReceiverReport(ssrc, _blocks(count, body, 4))


def _parse_sdes(count: int, body: bytes) -> SourceDescription:
    cnames: list[tuple[int, str]] = []
    at = 0
    for _ in range(count):
        (ssrc,) = _SSRC.unpack_from(body, at)
        at += 4
        while body[at]:
            kind, size = body[at], body[at + 1]
            if at + 2 + size > len(body):
                raise BadPacket("an SDES item is cut off")
            if kind == 1:
                cnames.append((ssrc, body[at + 2 : at + 2 + size].decode("utf-8", "replace")))
            at += 2 + size
        at += 4 - at % 4  # at least one null byte ends the list
    return SourceDescription(tuple(cnames))


def _parse_bye(count: int, body: bytes) -> Bye:
    ssrcs = tuple(_SSRC.unpack_from(body, 4 * n)[0] for n in range(count))
    rest = body[4 * count :]
    reason = rest[1 : 1 + rest[0]].decode("utf-8", "replace") if rest else ""
    return Bye(ssrcs, reason)


def _parse_nack(_count: int, body: bytes) -> Nack:
    sender, media = _TWO.unpack_from(body)
    sequences: list[int] = []
    for at in range(8, len(body) - 3, 4):
        first, mask = _FCI.unpack_from(body, at)
        sequences.append(first)
        sequences += [(first + n + 1) & 0xFFFF for n in range(16) if mask >> n & 1]
    return Nack(sender, media, tuple(sequences))


def _parse_pli(_count: int, body: bytes) -> Pli:
    return Pli(*_TWO.unpack_from(body))


def _parse_fir(_count: int, body: bytes) -> Fir:
    sender, _ = _TWO.unpack_from(body)
    entries = (_TWO.unpack_from(body, at) for at in range(8, len(body) - 7, 8))
    return Fir(sender, tuple((ssrc, second >> 24) for ssrc, second in entries))


def _parse_afb(count: int, body: bytes) -> Packet:
    """Application layer feedback; only REMB is known."""
    if body[8:12] != b"REMB":
        return Unknown(_PSFB, count, body)
    (sender,) = _SSRC.unpack_from(body)
    exponent, mantissa = body[13] >> 2, (body[13] & 3) << 16 | body[14] << 8 | body[15]
    ssrcs = tuple(_SSRC.unpack_from(body, 16 + 4 * n)[0] for n in range(body[12]))
    return Remb(sender, mantissa << exponent, ssrcs)


_PARSERS: dict[tuple[int, int | None], Callable[[int, bytes], Packet]] = {
    (_SR, None): _parse_sr,
    (_RR, None): _parse_rr,
    (_SDES, None): _parse_sdes,
    (_BYE, None): _parse_bye,
    (_RTPFB, _NACK): _parse_nack,
    (_PSFB, _PLI): _parse_pli,
    (_PSFB, _FIR): _parse_fir,
    (_PSFB, _AFB): _parse_afb,
}


def sender_report(
    ssrc: int,
    *,
    unix_ns: int,
    rtp_time: int,
    packets: int,
    octets: int,
    reports: Iterable[ReportBlock] = (),
) -> bytes:
    """An SR; ``unix_ns`` is the wall clock at which ``rtp_time`` was captured."""
    blocks = [_pack_block(block) for block in reports]
    info = _SENDER_INFO.pack(
        unix_ns_to_ntp(unix_ns), rtp_time & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF
    )
    return _packet(_SR, len(blocks), _SSRC.pack(ssrc) + info + b"".join(blocks))


def receiver_report(ssrc: int, reports: Iterable[ReportBlock] = ()) -> bytes:
    """An RR."""
    blocks = [_pack_block(block) for block in reports]
    return _packet(_RR, len(blocks), _SSRC.pack(ssrc) + b"".join(blocks))


def source_description(ssrc: int, cname: str) -> bytes:
    """An SDES with a CNAME (cut at 255 bytes), which every compound packet needs."""
    text = cname.encode()[:255]
    chunk = _SSRC.pack(ssrc) + bytes([1, len(text)]) + text
    return _packet(_SDES, 1, chunk + bytes(4 - len(chunk) % 4))


def bye(ssrcs: Iterable[int]) -> bytes:
    """A BYE without a reason."""
    packed = [_SSRC.pack(ssrc) for ssrc in ssrcs]
    return _packet(_BYE, len(packed), b"".join(packed))


def nack(sender_ssrc: int, media_ssrc: int, sequences: Iterable[int]) -> bytes:
    """A generic NACK.  ``sequences`` in sending order; neighbours share an entry."""
    entries: list[list[int]] = []
    for seq in sequences:
        distance = (seq - entries[-1][0]) & 0xFFFF if entries else 0x10000
        if distance == 0:
            continue
        if distance <= 16:
            entries[-1][1] |= 1 << (distance - 1)
        else:
            entries.append([seq & 0xFFFF, 0])
    fci = b"".join(_FCI.pack(first, mask) for first, mask in entries)
    return _packet(_RTPFB, _NACK, _TWO.pack(sender_ssrc, media_ssrc) + fci)


def pli(sender_ssrc: int, media_ssrc: int) -> bytes:
    """A picture loss indication: please send a key frame."""
    return _packet(_PSFB, _PLI, _TWO.pack(sender_ssrc, media_ssrc))


def fir(sender_ssrc: int, media_ssrc: int, command: int) -> bytes:
    """A full intra request; ``command`` grows with each new request."""
    entry = _TWO.pack(media_ssrc, (command & 0xFF) << 24)
    return _packet(_PSFB, _FIR, _TWO.pack(sender_ssrc, 0) + entry)


def remb(sender_ssrc: int, bitrate: int, ssrcs: Iterable[int]) -> bytes:
    """Tell the sender how many bit/s may be sent on these SSRCs together."""
    exponent = max(0, bitrate.bit_length() - 18)
    number = exponent << 18 | bitrate >> exponent
    packed = [_SSRC.pack(ssrc) for ssrc in ssrcs]
    fci = b"REMB" + bytes([len(packed)]) + number.to_bytes(3, "big") + b"".join(packed)
    return _packet(_PSFB, _AFB, _TWO.pack(sender_ssrc, 0) + fci)


def unix_ns_to_ntp(unix_ns: int) -> int:
    """64-bit NTP time (RFC 3550 section 4) of Unix nanoseconds; wraps in 2036."""
    seconds, ns = divmod(unix_ns, _NS)
    return (seconds + _NTP_TO_UNIX_S & 0xFFFFFFFF) << 32 | (ns << 32) // _NS


def ntp_to_unix_ns(ntp: int) -> int:
    """Unix nanoseconds of a 64-bit NTP time; times before 1968 are taken to be after 2036."""
    seconds = ntp >> 32
    seconds += 0 if seconds & 0x80000000 else 1 << 32
    return (seconds - _NTP_TO_UNIX_S) * _NS + ((ntp & 0xFFFFFFFF) * _NS + (1 << 31) >> 32)


def _pack_block(block: ReportBlock) -> bytes:
    lost = max(-0x800000, min(block.lost, 0x7FFFFF)) & 0xFFFFFF
    return _BLOCK.pack(
        block.ssrc,
        block.fraction_lost << 24 | lost,
        block.highest_seq & 0xFFFFFFFF,
        block.jitter & 0xFFFFFFFF,
        block.last_sr,
        block.delay_since_sr & 0xFFFFFFFF,
    )


def _packet(packet_type: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, packet_type, len(body) // 4) + body
