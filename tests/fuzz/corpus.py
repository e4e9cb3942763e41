"""Real packets to begin with: every codec a recorder takes, and every RTCP packet it may meet."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np

from media.capture.offers import CODECS, EXTENSIONS
from media.publish.encoders import OpusEncoder, VideoEncoder
from media.publish.open_encoder import open_encoder
from media.publish.packetize import H264Packetizer, Vp8Packetizer, Vp9Packetizer
from media.rtp import rtcp, rtx
from media.rtp.codec import RTX, Codec
from media.rtp.packet import build
from media.tape.model import Kind
from tests.elsewhere import elsewhere

SIZE = (320, 180)
_PICTURES = 24
_FPS = 30
_AUDIO_PACKETS = 50
_RTX = {codec.apt: codec.payload_type for kind in Kind for codec in CODECS[kind] if codec.apt}
_EXTENSION_SIZES = (1, 1, 2, 3, 16)


def codecs(kind: Kind) -> list[Codec]:
    """What a recorder offers for this kind, one of each name."""
    media = [codec for codec in CODECS[kind] if codec.key != RTX]
    return list({codec.key: codec for codec in reversed(media)}.values())


@lru_cache
def payloads(name: str) -> tuple[tuple[bytes, ...], ...]:
    """Real media of a codec: the payloads of each frame; the first one is a key frame."""
    if name == "opus":
        return tuple((packet,) for packet in _opus())
    if name in ("pcmu", "pcma", "g722"):
        noise = random.Random(name)
        return tuple((noise.randbytes(160),) for _ in range(_AUDIO_PACKETS))
    if name == "av1":
        return tuple(_av1_payloads(unit) for unit in elsewhere(_av1))
    packetizer = {"vp8": Vp8Packetizer, "vp9": Vp9Packetizer, "h264": H264Packetizer}[name]()
    return tuple(
        tuple(packetizer.payloads(data, keyframe=keyframe)) for data, keyframe in _pictures(name)
    )


def _noise() -> Iterator[np.ndarray]:
    dice = np.random.default_rng(3)
    for _ in range(_PICTURES):
        frame = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
        frame[40:120, 60:200] = dice.integers(0, 255, (80, 140), np.uint8)
        yield frame


def _pictures(name: str) -> Iterator[tuple[bytes, bool]]:
    encoder = VideoEncoder(
        name, width=SIZE[0], height=SIZE[1], fps=_FPS, bitrate=900_000, keyframe_s=1
    )
    for i, picture in enumerate(_noise()):
        yield encoder.encode(picture, i * 90_000 // _FPS, force_key=i == 0)


def _opus() -> Iterator[bytes]:
    encoder = OpusEncoder()
    for i in range(_AUDIO_PACKETS):
        at = np.arange(i * 960, (i + 1) * 960)
        yield encoder.encode((8000 * np.sin(at / 12)).astype(np.int16), i * 960)


def _av1() -> list[bytes]:
    units = []
    encoder = av.CodecContext.create("libsvtav1", "w")
    encoder.width, encoder.height, encoder.pix_fmt = *SIZE, "yuv420p"
    encoder.time_base = encoder.framerate = Fraction(1, _FPS)
    encoder.framerate = Fraction(_FPS)
    encoder.options = {"preset": "12", "svtav1-params": "pred-struct=1:lp=1"}
    open_encoder(encoder)
    for i, picture in enumerate(_noise()):
        frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
        frame.pts = i
        units += map(bytes, encoder.encode(frame))
    return units + [bytes(packet) for packet in encoder.encode(None)]


def _leb128(number: int) -> bytes:
    out = bytearray()
    while True:
        out.append(number & 0x7F | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return bytes(out)


def _obus(unit: bytes) -> Iterator[bytes]:
    """The OBUs of a temporal unit without their size fields, and without delimiters (type 2)."""
    at = 0
    while at < len(unit):
        header, at = unit[at : at + 1], at + 1
        if header[0] & 4:  # obu_extension_flag
            header, at = header + unit[at : at + 1], at + 1
        size = shift = 0
        while True:
            byte, at = unit[at], at + 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        if header[0] >> 3 & 15 != 2:
            yield bytes([header[0] & ~2]) + header[1:] + unit[at : at + size]
        at += size


def _av1_payloads(unit: bytes, most: int = 1100) -> tuple[bytes, ...]:
    """RTP payload format for AV1, section 4: every element behind its length (W is zero)."""
    stream = list(_obus(unit))
    new = 0x08 if any(obu[0] >> 3 & 15 == 1 for obu in stream) else 0  # N: a sequence header
    made: list[bytes] = []
    for number, obu in enumerate(stream):
        pieces = [obu[a : a + most] for a in range(0, len(obu), most)]
        for i, piece in enumerate(pieces):
            flags = (0x80 if i else 0) | (0x40 if i < len(pieces) - 1 else 0)
            flags |= new if not number and not i else 0
            made.append(bytes([flags]) + _leb128(len(piece)) + piece)
    return tuple(made)


@dataclass
class Sender:
    """An endless, flawless stream of one codec."""

    kind: Kind
    codec: Codec
    dice: random.Random
    ssrc: int = 0
    seq: int = 0
    timestamp: int = 0
    _queue: list[bytes] = field(default_factory=list)
    _frame: int = 0
    _again: int = 0
    _latest: bytes = b""

    def __post_init__(self) -> None:
        self.ssrc = self.ssrc or self.dice.randrange(1, 1 << 32)
        self.seq, self.timestamp = self.dice.randrange(1 << 16), self.dice.randrange(1 << 32)

    def next(self) -> bytes:
        """One more packet."""
        if not self._queue:
            self._queue = self._packets()[::-1]
        self._latest = self._queue.pop()
        return self._latest

    def again(self) -> bytes:
        """The packet before as a retransmission, in a stream of its own where there is one."""
        if not self._latest:
            return self.next()
        self._again += 1
        payload_type = _RTX.get(self.codec.payload_type)
        if payload_type is None:
            return self._latest
        return rtx.wrap(
            self._latest, ssrc=self.ssrc ^ 1, payload_type=payload_type, sequence=self._again
        )

    def report(self, unix_ns: int) -> bytes:
        """A compound packet with a sender report of now."""
        report = rtcp.sender_report(
            self.ssrc, unix_ns=unix_ns, rtp_time=self.timestamp, packets=self.seq, octets=9
        )
        return report + rtcp.source_description(self.ssrc, "somebody")

    def _packets(self) -> list[bytes]:
        frames = payloads(self.codec.key)
        frame = frames[self._frame % len(frames)]
        self._frame += 1
        step = self.codec.clock_rate // (50 if self.kind is Kind.AUDIO else _FPS)
        self.timestamp = self.timestamp + step & 0xFFFFFFFF
        made = []
        for i, payload in enumerate(frame):
            self.seq = self.seq + 1 & 0xFFFF
            last = i == len(frame) - 1
            made.append(
                build(
                    pt=self.codec.payload_type,
                    seq=self.seq,
                    timestamp=self.timestamp,
                    ssrc=self.ssrc,
                    payload=payload,
                    marker=last and self.kind is Kind.VIDEO,
                    extensions=self._extensions(),
                )
            )
        return made

    def _extensions(self) -> dict[int, bytes]:
        dice = self.dice
        if dice.random() < 0.4:
            return {}
        numbers = dice.sample([*EXTENSIONS[self.kind], 5], k=2)  # 5: a transport-wide number
        return {number: dice.randbytes(dice.choice(_EXTENSION_SIZES)) for number in numbers}


def rtcp_packets(ssrcs: list[int], dice: random.Random, unix_ns: int) -> bytes:
    """A compound packet with a little of everything."""
    ssrc, other = dice.choice(ssrcs), dice.randrange(1 << 32)
    block = rtcp.ReportBlock(ssrc, 3, -5, dice.randrange(1 << 32), 77)
    one_of = (
        lambda: rtcp.sender_report(
            ssrc,
            unix_ns=unix_ns,
            rtp_time=dice.randrange(1 << 32),
            packets=7,
            octets=8,
            reports=[block] * dice.randrange(4),
        ),
        lambda: rtcp.receiver_report(other, [block] * dice.randrange(4)),
        lambda: rtcp.source_description(ssrc, "name" * dice.randrange(9)),
        lambda: rtcp.bye([ssrc]),
        lambda: rtcp.nack(other, ssrc, sorted(dice.sample(range(1 << 16), 5))),
        lambda: rtcp.pli(other, ssrc),
        lambda: rtcp.fir(other, ssrc, 3),
        lambda: rtcp.remb(other, 1_000_000, [ssrc]),
        # An extended report (RFC 3611) and transport-wide feedback, read by nobody or by few.
        lambda: b"\x80\xcf\x00\x04" + dice.randbytes(16),
        lambda: b"\x8f\xcd\x00\x05" + dice.randbytes(20),
    )
    return b"".join(dice.choice(one_of)() for _ in range(dice.randint(1, 4)))
