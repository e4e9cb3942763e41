"""One outgoing RTP stream: numbering, reports, a history for retransmission, muting."""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from media.publish.clock import MediaClock
from media.publish.packetize import (
    Av1Packetizer,
    H264Packetizer,
    Packetizer,
    SoundPacketizer,
    Vp8Packetizer,
    Vp9Packetizer,
)
from media.publish.sources import CLOCK_RATES, Unit
from media.rtp import packet, rtcp
from media.rtp.codec import Codec
from media.tape.model import Kind

_HISTORY = 1024  # packets: seconds of video, more than any receiver asks back for


@dataclass(slots=True)
class Sent:
    """What a track has sent so far; retransmissions are counted apart."""

    frames: int = 0
    keyframes: int = 0
    packets: int = 0
    octets: int = 0  # of payload, as sender reports count them
    resent: int = 0


class OutgoingTrack:
    """Makes packets of units.  While it is muted there are none, but RTP time goes on."""

    def __init__(self, kind: Kind, codec: Codec, *, cname: str) -> None:
        self.kind, self.codec, self.cname = kind, codec, cname
        self.ssrc = secrets.randbelow(0xFFFFFFFE) + 1
        self.sent = Sent()
        self.muted = False
        self._clock: MediaClock | None = None
        self._packetizer = _packetizer(codec)
        self._seq = secrets.randbelow(1 << 15)  # RFC 3550 §5.1; low, so it does not wrap at once
        self._first_time = secrets.randbits(32)
        self._history: OrderedDict[int, bytes] = OrderedDict()
        self._needs_key = kind is Kind.VIDEO

    def start(self, clock: MediaClock) -> None:
        """Media time zero is the clock's; before this there are no reports."""
        self._clock = clock

    def rtp_time(self, unit: Unit) -> int:
        """The RTP timestamp of a unit."""
        time = unit.time * self.codec.clock_rate // CLOCK_RATES[self.kind]
        return (self._first_time + time) & 0xFFFFFFFF

    def mute(self, *, muted: bool) -> None:
        """Stop or go on; a picture goes on with a key frame."""
        self.muted = muted
        self._needs_key = self._needs_key or (muted and self.kind is Kind.VIDEO)

    @property
    def waits_for_key(self) -> bool:
        """Whether nothing can be sent before the next key frame."""
        return self._needs_key and not self.muted

    def packets(self, unit: Unit) -> list[bytes]:
        """The unit's RTP packets, counted and remembered; none while muted."""
        if self.muted or not unit.data or (self._needs_key and not unit.keyframe):
            return []
        self._needs_key = False
        payloads = self._packetizer.payloads(unit.data, keyframe=unit.keyframe)
        last = len(payloads) - 1
        video = self.kind is Kind.VIDEO
        made = [
            self._packet(unit, payload, marker=video and index == last)
            for index, payload in enumerate(payloads)
        ]
        self.sent.frames += 1
        self.sent.keyframes += video and unit.keyframe
        return made

    def again(self, sequences: Iterable[int]) -> list[bytes]:
        """The packets that a receiver misses, as far as they are remembered (same SSRC)."""
        found = [self._history[seq] for seq in sequences if seq in self._history]
        self.sent.resent += len(found)
        return found

    def report(self) -> bytes:
        """A sender report for this moment, with the CNAME."""
        if self._clock is None:
            raise RuntimeError("a track reports after it was started")
        now_s = self._clock.now_s()
        report = rtcp.sender_report(
            self.ssrc,
            unix_ns=self._clock.wall_ns(now_s),
            rtp_time=self._first_time + round(now_s * self.codec.clock_rate),
            packets=self.sent.packets,
            octets=self.sent.octets,
        )
        return report + rtcp.source_description(self.ssrc, self.cname)

    def bye(self) -> bytes:
        """The last packet; a compound one begins with a report (RFC 3550 §6.1)."""
        return self.report() + rtcp.bye([self.ssrc])

    def _packet(self, unit: Unit, payload: bytes, *, marker: bool) -> bytes:
        made = packet.build(
            pt=self.codec.payload_type,
            seq=self._seq,
            timestamp=self.rtp_time(unit),
            ssrc=self.ssrc,
            payload=payload,
            marker=marker,
        )
        self._history[self._seq] = made
        if len(self._history) > _HISTORY:
            self._history.popitem(last=False)
        self._seq = (self._seq + 1) & 0xFFFF
        self.sent.packets += 1
        self.sent.octets += len(payload)
        return made


def _packetizer(codec: Codec) -> Packetizer:
    makers: dict[str, Callable[[], Packetizer]] = {
        "opus": SoundPacketizer,
        "pcmu": SoundPacketizer,
        "pcma": SoundPacketizer,
        "g722": SoundPacketizer,
        "vp8": lambda: Vp8Packetizer(secrets.randbits(15)),
        "vp9": lambda: Vp9Packetizer(secrets.randbits(15)),
        "h264": H264Packetizer,
        "av1": Av1Packetizer,
    }
    return makers[codec.key]()
