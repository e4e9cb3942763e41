"""The other side of ``bench``: publishers of Opus in a process of their own.

Writes a JSON list of offers to stdout, reads a JSON list of answers from stdin, then sends 50
packets per second and track until stdin ends.
"""

import asyncio
import json
import sys
import time
from fractions import Fraction

import av
import numpy as np

from media.capture.offers import CODECS
from media.rtc import sdp
from media.rtc.drain import Drain
from media.rtc.peer import Peer
from media.rtp import packet as rtp
from media.rtp import rtcp
from media.tape.model import Kind

FRAME = 960  # samples of 20 ms
REPORT_EVERY = 100  # packets


def opus_packets(count: int = 250) -> list[bytes]:
    """Some seconds of a tone with noise, 32 kbit/s."""
    encoder = av.CodecContext.create("libopus", "w")
    if not isinstance(encoder, av.AudioCodecContext):
        raise TypeError("libopus is not an audio codec")
    encoder.sample_rate, encoder.format, encoder.layout = 48_000, "s16", "mono"
    encoder.bit_rate, encoder.time_base = 32_000, Fraction(1, 48_000)
    noise, packets = np.random.default_rng(1), []
    for number in range(count):
        at = np.arange(number * FRAME, (number + 1) * FRAME)
        wave = 6000 * np.sin(at * 0.05) + noise.normal(0, 800, FRAME)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None, :], "s16", "mono")
        frame.sample_rate, frame.pts = 48_000, number * FRAME
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


class Publisher:
    """One connection with one audio track."""

    def __init__(self, number: int, drain: Drain) -> None:
        self.ssrc, self.sent = 1000 + number, 0
        self.peer = Peer(
            controlling=True,
            on_rtp=lambda packet, at_ns: None,
            on_rtcp=lambda packet, at_ns: None,
            on_closed=lambda reason: None,
            drain=drain,
        )

    async def offer(self) -> str:
        """What a browser with a microphone would offer."""
        await self.peer.gather()
        section = sdp.MediaSection(
            "audio", "0", "sendonly", codecs=CODECS[Kind.AUDIO][:1], ssrcs=(self.ssrc,), cname="b"
        )
        return self.peer.describe([section]).to_sdp()

    def send(self, payload: bytes) -> None:
        """The next packet, with a report now and then."""
        timestamp = self.sent * FRAME
        self.peer.send_rtp(
            rtp.build(pt=111, seq=self.sent, timestamp=timestamp, ssrc=self.ssrc, payload=payload)
        )
        if self.sent % REPORT_EVERY == 0:
            report = rtcp.sender_report(
                self.ssrc,
                unix_ns=time.time_ns(),
                rtp_time=timestamp,
                packets=self.sent,
                octets=self.sent * len(payload),
            )
            self.peer.send_rtcp(report + rtcp.source_description(self.ssrc, "b"))
        self.sent += 1


async def main(tracks: int) -> None:
    """Offer, connect, send."""
    loop, drain, payloads = asyncio.get_running_loop(), Drain(), opus_packets()
    publishers = [Publisher(number, drain) for number in range(tracks)]
    offers = [await publisher.offer() for publisher in publishers]
    sys.stdout.write(json.dumps(offers) + "\n")
    sys.stdout.flush()
    answers = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    await asyncio.gather(
        *(
            publisher.peer.connect(sdp.parse(answer))
            for publisher, answer in zip(publishers, answers, strict=True)
        )
    )
    ended = loop.run_in_executor(None, sys.stdin.read)
    due_s = loop.time()
    while not ended.done():
        for publisher in publishers:  # spread over the 20 ms, as strangers' clocks are
            publisher.send(payloads[publisher.sent % len(payloads)])
            due_s += 0.02 / tracks
            if due_s > loop.time():
                await asyncio.sleep(due_s - loop.time())
    await asyncio.gather(*(publisher.peer.close() for publisher in publishers))
    drain.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
