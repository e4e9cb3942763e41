"""One track of a publisher on its way to the subscribers, and what they ask for on the way back."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from media.room.forward import History, KeyframeRequests, LossRequests, Outlets, Send
from media.room.reception import Reception
from media.rtp import rtcp
from media.rtp.codec import Codec
from media.rtp.packet import with_payload_type
from media.tape.model import Kind

HISTORY = {Kind.AUDIO: 128, Kind.VIDEO: 512}  # packets: some 2.5 s of each
_NS = 1_000_000_000
_SILENT_NS = _NS // 2  # after so long without a packet, another SSRC may take the track's place


class Relay:
    """Forwards one track as it is; all that changes is the payload type number."""

    def __init__(self, kind: Kind, codec: Codec, our_ssrc: int, send_rtcp: Send) -> None:
        self.kind = kind
        self.codec = codec
        self.ssrc: int | None = None
        self.muted = False
        self._our_ssrc = our_ssrc
        self._to_publisher = send_rtcp
        self._outlets = Outlets(codec.payload_type)
        self._reports_to: list[Send] = []
        self._report = b""
        self._heard_ns = 0
        self._history = History(HISTORY[kind])
        self._losses = LossRequests()
        self._keyframes = KeyframeRequests()
        self._reception = Reception(0, codec.clock_rate)

    def bind(self, ssrc: int) -> None:
        """Learn the SSRC from the offer, the first packet, or a later one if it was changed."""
        if self.ssrc is not None:
            self._history = History(HISTORY[self.kind])
        self.ssrc = ssrc
        self._reception = Reception(ssrc, self.codec.clock_rate)

    def describe(self) -> dict[str, Any]:
        """The track for presence events."""
        return {"kind": self.kind.value, "ssrc": self.ssrc, "codec": self.codec.name}

    def free(self, now_ns: int) -> bool:
        """Whether packets of an SSRC unknown so far may be this track's."""
        return self.ssrc is None or now_ns - self._heard_ns > _SILENT_NS

    def rtp(self, packet: bytes, sequence: int, timestamp: int, arrival_ns: int) -> None:
        """A packet of this track came from the publisher."""
        self._heard_ns = arrival_ns
        self._reception.count(sequence, timestamp, arrival_ns)
        if self.muted:
            self._history.withhold(sequence)
            return
        self._history.keep(sequence, packet)
        self._outlets.send(packet)

    def report(self, report: bytes, arrival_ns: int) -> None:
        """A sender report came; it goes on even while muted, for clocks run on.

        Raises BadPacket.
        """
        for packet in rtcp.parse(report):
            if isinstance(packet, rtcp.SenderReport):
                self._reception.reported(packet, arrival_ns)
        self._report = report
        for send in self._reports_to:
            send(report)

    def report_block(self, now_ns: int) -> rtcp.ReportBlock | None:
        """What to tell the publisher about this track."""
        return self._reception.block(now_ns)

    def subscribe(self, payload_type: int, send_rtp: Send, send_rtcp: Send) -> None:
        """One more subscriber; it gets the clock and a key frame as soon as possible."""
        if self._report:
            send_rtcp(self._report)
        self._outlets.add(payload_type, send_rtp)
        self._reports_to.append(send_rtcp)
        self.ask_keyframe()

    def unsubscribe(self, payload_type: int, send_rtp: Send, send_rtcp: Send) -> None:
        """The inverse of :meth:`subscribe`; harmless when not there."""
        self._outlets.remove(payload_type, send_rtp)
        if send_rtcp in self._reports_to:
            self._reports_to.remove(send_rtcp)

    def lost(self, sequences: Sequence[int], payload_type: int, send_rtp: Send) -> None:
        """A subscriber misses packets: from the history, or the publisher sends them again."""
        unknown: list[int] = []
        for sequence in sequences:
            packet = self._history.find(sequence)
            if packet is None:
                unknown.append(sequence)
            elif packet and payload_type == self.codec.payload_type:
                send_rtp(packet)
            elif packet:
                send_rtp(with_payload_type(packet, payload_type))
        due = self._losses.due(unknown, time.monotonic_ns())
        if due and self.ssrc is not None and not self.muted:
            self._to_publisher(rtcp.nack(self._our_ssrc, self.ssrc, due))

    def mute(self, muted: bool) -> bool:
        """Stop or resume forwarding; False if nothing changed."""
        if muted == self.muted:
            return False
        self.muted = muted
        if not muted:
            self.ask_keyframe()
        return True

    def ask_keyframe(self) -> None:
        """Ask the publisher for a key frame, now or when the last request is old enough."""
        if self.kind is not Kind.VIDEO:
            return
        wait_ns = self._keyframes.wait_ns(time.monotonic_ns())
        if wait_ns == 0:
            self._send_pli()
        elif wait_ns is not None:
            asyncio.get_running_loop().call_later(wait_ns / _NS, self._send_pli)

    def _send_pli(self) -> None:
        if self.ssrc is not None:
            self._to_publisher(rtcp.pli(self._our_ssrc, self.ssrc))
