"""What a tap sends: requests for packets and keyframes, reports, how much may be sent."""

import secrets
from collections.abc import Callable, Iterable, Sequence

from media.capture.stream import Stream
from media.rtp import rtcp
from media.rtp.keyframe import is_known
from media.tape.model import Kind

BITRATE = 50_000_000  # bit/s: more than any sender has, so that none holds back
CNAME = "tapefarm"
NACK_MOST = 250  # packets in one request: it fits a datagram however they are scattered
BLOCKS_MOST = 31  # RFC 3550 §6.4.2: no more in one report


class Feedback:
    """Makes RTCP of one connection; the caller knows when."""

    def __init__(self, send: Callable[[bytes], None], hurry: Callable[[], None]) -> None:
        """``hurry`` is called when an answer in time is worth more than a cheap one."""
        self.ssrc = secrets.randbits(32)  # ours
        self._description = rtcp.source_description(self.ssrc, CNAME)
        self._send = send
        self._hurry = hurry
        self._asked_ns: dict[int, int] = {}  # keyframes of SSRCs without a packet yet

    def nack(self, stream: Stream, sequences: Sequence[int], now_ns: int) -> None:
        """Ask for packets again."""
        self._hurry()
        for at in range(0, len(sequences), NACK_MOST):
            part = sequences[at : at + NACK_MOST]
            self._about(stream, rtcp.nack(self.ssrc, stream.track.ssrc, part), now_ns)

    def first_keyframes(self, ssrcs: Iterable[int], now_ns: int) -> None:
        """Ask at once, without waiting for a first packet."""
        for ssrc in ssrcs:
            self._asked_ns[ssrc] = now_ns
            report = rtcp.receiver_report(self.ssrc, [rtcp.ReportBlock(ssrc, 0, 0, 0, 0)])
            self._send(report + rtcp.pli(self.ssrc, ssrc))

    def begin(self, stream: Stream, now_ns: int) -> None:
        """A stream's first packet came.

        libwebrtc believes an estimate at once only in its first two seconds, so it gets one now.
        """
        asked_ns = self._asked_ns.pop(stream.track.ssrc, None)
        if asked_ns is not None:
            stream.keyframe_asked_ns = asked_ns
            stream.plis += 1
        if stream.track.kind is Kind.VIDEO:
            self._about(stream, rtcp.remb(self.ssrc, BITRATE, [stream.track.ssrc]), now_ns)
        self.keyframe(stream, now_ns)

    def keyframe(self, stream: Stream, now_ns: int) -> None:
        """Ask for a keyframe of a video stream, now or when the last request is a second old.

        It stays wanted until it is seen, as requests get lost; of codecs whose keyframes cannot be
        told from other frames, until it was asked for.
        """
        if stream.track.kind is not Kind.VIDEO:
            return
        stream.keyframe_wanted = True
        if not stream.may_ask_keyframe(now_ns):
            return
        stream.keyframe_wanted = is_known(stream.codec.key)
        ssrc, known = stream.track.ssrc, stream.codec.feedback
        if "ccm fir" in known and "nack pli" not in known:
            stream.command += 1
            self._about(stream, rtcp.fir(self.ssrc, ssrc, stream.command), now_ns)
        else:
            stream.plis += 1
            self._about(stream, rtcp.pli(self.ssrc, ssrc), now_ns)

    def report(self, blocks: Sequence[rtcp.ReportBlock], video: Sequence[int]) -> None:
        """Receiver reports, and the estimate for the SSRCs of video."""
        for at in range(0, len(blocks), BLOCKS_MOST):
            packet = rtcp.receiver_report(self.ssrc, blocks[at : at + BLOCKS_MOST])
            if at == 0:
                packet += self._description
                packet += rtcp.remb(self.ssrc, BITRATE, video) if video else b""
            self._send(packet)

    def send(self, packet: bytes) -> None:
        """Send feedback that is not of one stream; a report comes first (RFC 3550 §6.1)."""
        self._send(rtcp.receiver_report(self.ssrc) + packet)

    def _about(self, stream: Stream, packet: bytes, now_ns: int) -> None:
        """Send feedback on a stream.

        The report before it speaks of the stream: Janus knows by nothing else whom it is for.
        """
        report = rtcp.receiver_report(self.ssrc, [stream.last_report(now_ns)])
        self._send(report + packet)
