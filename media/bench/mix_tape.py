"""The publishers of a mix on a tape, in the middle of a recording."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from pathlib import Path

from media.bench.mix_media import FPS, PACKETS_PER_S, Media
from media.publish.encoders import AUDIO_RATE, VIDEO_RATE
from media.publish.packetize import H264Packetizer, SoundPacketizer, Vp8Packetizer
from media.rtp.codec import Codec
from media.rtp.packet import build
from media.tape.model import NS, EventType, Kind, Source, TapeEvent, Track
from media.tape.writer import TapeWriter

_CODECS = {
    "vp8": Codec("VP8", 96, VIDEO_RATE),
    "h264": Codec("H264", 102, VIDEO_RATE, fmtp="packetization-mode=1;profile-level-id=42e01f"),
}
_OPUS = Codec("opus", 111, AUDIO_RATE, 2)
_PACKETIZERS = {"vp8": Vp8Packetizer, "h264": H264Packetizer, "opus": SoundPacketizer}

_ORIGIN_NS = 1_790_000_000 * NS
_BEFORE_S, _AFTER_S = 6, 1  # more than a cut reads around its slice
_PART_S = 5
_ARRIVAL_NS = 8_000_000  # after capture


@dataclass(frozen=True, slots=True)
class Recorded:
    """A tape that holds some whole slices."""

    directory: Path
    slices: int
    seconds: int  # of each
    origin_ns: int = _ORIGIN_NS  # where the first begins

    def begin_ns(self, number: int) -> int:
        """Where a slice begins."""
        return self.origin_ns + number * self.seconds * NS


async def record(
    directory: Path, publishers: Sequence[Media], *, seconds: int, slices: int = 1
) -> Recorded:
    """Put the publishers on a tape; their ``seconds`` begin anew with each slice.

    There is as much before the first slice and after the last as if the recording went on.
    """
    lines = [
        _Line(number, media, kind, seconds)
        for number, media in enumerate(publishers, 1)
        for kind in Kind
    ]
    await _write(directory, lines, range(-_BEFORE_S, slices * seconds + _AFTER_S))
    return Recorded(directory, slices, seconds)


class _Line:
    """One track, without end to either side."""

    def __init__(self, number: int, media: Media, kind: Kind, seconds: int) -> None:
        video = kind is Kind.VIDEO
        self._codec = _CODECS[media.codec] if video else _OPUS
        source = Source.CAMERA if video else Source.MICROPHONE
        self._rate = FPS if video else PACKETS_PER_S
        self._units = (media.pictures if video else media.packets)[: seconds * self._rate]
        self._packetizer = _PACKETIZERS[self._codec.key]()
        self._sequence = 0
        ssrc, uid = 2 * number + video, str(number)
        self.track = Track(f"1.{ssrc}", uid, kind, source, ssrc, (self._codec,), uid)

    def clock(self, second: int) -> TapeEvent:
        """A sender report."""
        at_ns = _ORIGIN_NS + second * NS
        rtp = self._rtp_time(second * self._rate) & 0xFFFFFFFF
        return TapeEvent(EventType.CLOCK, at_ns, track=self.track.id, rtp=rtp, wall_ns=at_ns)

    def packets(self, second: int) -> Iterator[tuple[int, str, bytes]]:
        """What arrives of a second: when, of which track, RTP."""
        for n in range(second * self._rate, (second + 1) * self._rate):
            i = n % len(self._units)
            payloads = self._packetizer.payloads(self._units[i], keyframe=i == 0)
            at_ns = _ORIGIN_NS + n * NS // self._rate + _ARRIVAL_NS
            for left, payload in zip(range(len(payloads) - 1, -1, -1), payloads, strict=True):
                packet = build(
                    pt=self._codec.payload_type,
                    seq=self._sequence,
                    timestamp=self._rtp_time(n),
                    ssrc=self.track.ssrc,
                    payload=payload,
                    marker=left == 0,
                )
                self._sequence += 1
                yield at_ns, self.track.id, packet

    def _rtp_time(self, number: int) -> int:
        ticks = self._codec.clock_rate // self._rate
        return (_BEFORE_S * self._rate + number) * ticks


async def _write(directory: Path, lines: Sequence[_Line], seconds: range) -> None:
    begin_ns = _ORIGIN_NS + seconds.start * NS
    writer = TapeWriter(
        directory, fence=1, first_number=0, on_sealed=lambda _: None, from_ns=begin_ns
    )
    for line in lines:
        if line.track.kind is Kind.AUDIO:
            writer.event(TapeEvent(EventType.JOINED, begin_ns, uid=line.track.uid))
        writer.add_track(line.track, begin_ns)
    for second in seconds:
        if second % _PART_S == 0:
            writer.rotate(_ORIGIN_NS + second * NS)
        for line in lines:
            writer.event(line.clock(second))
        for at_ns, track, packet in merge(*(line.packets(second) for line in lines)):
            writer.rtp(track, packet, at_ns)
    await writer.close(_ORIGIN_NS + seconds.stop * NS)
