"""A sender over a wire of lists: what it sends, when it is asked and muted."""

import asyncio
import hashlib
from collections.abc import Callable
from itertools import pairwise

import pytest

from media.publish.clock import MediaClock
from media.publish.offer import codecs
from media.publish.payload_log import PayloadLog
from media.publish.sender import Sender
from media.publish.sources import PatternSource
from media.publish.track import OutgoingTrack
from media.rtp import rtcp
from media.rtp.packet import Unwrapper, parse_header
from media.tape.model import Kind


class Bench:
    """A pattern sender whose packets end in lists."""

    def __init__(self, video="vp8", log=None, bitrate=300_000):
        self.source = PatternSource(
            "7", video=video, audio="opus", size=(320, 180), fps=15, bitrate=bitrate
        )
        clock = MediaClock()
        self.tracks = {
            kind: OutgoingTrack(kind, codec, cname="cname")
            for kind, codec in codecs(self.source).items()
        }
        for track in self.tracks.values():
            track.start(clock)
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.changed = asyncio.Event()
        self.sender = Sender(
            self.source,
            self.tracks,
            clock,
            send_rtp=self._take(self.rtp),
            send_rtcp=self._take(self.rtcp),
            payload_log=log,
        )

    def _take(self, to: list[bytes]) -> Callable[[bytes], None]:
        def take(packet):
            to.append(packet)
            self.changed.set()

        return take

    def of(self, kind, packets=None):
        ssrc = self.tracks[kind].ssrc
        headers = [(parse_header(p), p) for p in (self.rtp if packets is None else packets)]
        return [(header, packet) for header, packet in headers if header.ssrc == ssrc]

    async def until(self, condition):
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def __aenter__(self):
        self.task = asyncio.create_task(self.sender.run())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def run(coroutine):
    return asyncio.run(coroutine)


def frames(bench):
    return bench.tracks[Kind.VIDEO].sent.frames


def keys(bench):
    return bench.tracks[Kind.VIDEO].sent.keyframes


@pytest.mark.parametrize("video", ["vp8", "h264"])
def test_packets_are_numbered_without_a_gap_and_timed_by_one_clock(video):
    async def scene():
        async with Bench(video) as bench:
            await bench.until(lambda: frames(bench) > 8)
        return bench

    bench = run(scene())
    for kind, step in ((Kind.AUDIO, 960), (Kind.VIDEO, 6000)):
        packets = [header for header, _ in bench.of(kind)]
        seqs = [header.seq for header in packets]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        unwrap = Unwrapper(32).unwrap
        times = sorted({unwrap(header.timestamp) for header in packets})
        assert {b - a for a, b in pairwise(times)} == {step}
    ends = [header.timestamp for header, _ in bench.of(Kind.VIDEO) if header.marker]
    assert len(ends) == len(set(ends)) >= 8


def test_the_first_thing_sent_is_a_report_of_each_track_on_one_clock():
    async def scene():
        async with Bench() as bench:
            await bench.until(lambda: bench.of(Kind.AUDIO) and bench.of(Kind.VIDEO))
        return bench

    bench = run(scene())
    reports = {}
    for packet in bench.rtcp[:2]:
        report, description = rtcp.parse(packet)
        reports[report.ssrc] = report
        assert description.cnames == ((report.ssrc, "cname"),)
    starts = {}
    for kind, rate in ((Kind.AUDIO, 48_000), (Kind.VIDEO, 90_000)):
        first = bench.of(kind)[0][0]
        report = reports[first.ssrc]
        since = (report.rtp_time - first.timestamp + 2**31) % 2**32 - 2**31
        starts[kind] = report.unix_ns - since * 1e9 / rate
    assert starts[Kind.AUDIO] == pytest.approx(starts[Kind.VIDEO], abs=1e6)


def test_a_picture_loss_brings_a_key_frame_and_a_flood_of_them_not_more_than_two_a_second():
    async def scene():
        async with Bench() as bench:
            await bench.until(lambda: frames(bench) > 2)
            before = keys(bench)
            ssrc = bench.tracks[Kind.VIDEO].ssrc
            bench.sender.on_rtcp(rtcp.pli(1, ssrc))
            await bench.until(lambda: keys(bench) > before)
            first_at = frames(bench)
            while frames(bench) < first_at + 16:
                bench.sender.on_rtcp(rtcp.fir(1, ssrc, 1))
                bench.sender.on_rtcp(rtcp.pli(1, ssrc))
                seen = frames(bench)
                await bench.until(lambda seen=seen: frames(bench) > seen)
        return before, keys(bench), first_at

    before, after, asked_at = run(scene())
    assert before == 1
    assert asked_at <= 8
    assert after - before in (2, 3, 4)


def test_a_key_frame_request_for_somebody_else_is_not_ours():
    async def scene():
        async with Bench() as bench:
            bench.sender.on_rtcp(rtcp.pli(1, 99))
            await bench.until(lambda: frames(bench) > 8)
        return keys(bench)

    assert run(scene()) == 1


def test_a_missing_packet_is_sent_again_unchanged():
    async def scene():
        async with Bench() as bench:
            await bench.until(lambda: len(bench.of(Kind.AUDIO)) > 5)
            lost = [packet for _, packet in bench.of(Kind.AUDIO)[1:4]]
            before = len(bench.rtp)
            numbers = [parse_header(packet).seq for packet in lost]
            bench.sender.on_rtcp(
                rtcp.nack(1, bench.tracks[Kind.AUDIO].ssrc, [*numbers, numbers[0] - 5000])
            )
        return lost, bench.rtp[before : before + 3], bench.tracks[Kind.AUDIO].sent.resent

    lost, again, resent = run(scene())
    assert again == lost
    assert resent == 3


def test_broken_feedback_does_no_harm():
    async def scene():
        async with Bench() as bench:
            for nonsense in (b"", b"\x80", b"\x81\xce\xff\xff", bytes(40)):
                bench.sender.on_rtcp(nonsense)
            await bench.until(lambda: frames(bench) > 2)

    run(scene())


def test_a_muted_track_is_silent_its_time_goes_on_and_a_picture_returns_with_a_key_frame():
    async def scene():
        async with Bench() as bench:
            await bench.until(lambda: frames(bench) > 2)
            bench.sender.mute(Kind.AUDIO, muted=True)
            bench.sender.mute(Kind.VIDEO, muted=True)
            quiet_from = len(bench.rtp)
            await asyncio.sleep(0.3)
            quiet = len(bench.rtp) - quiet_from
            bench.sender.mute(Kind.AUDIO, muted=False)
            bench.sender.mute(Kind.VIDEO, muted=False)
            await bench.until(
                lambda: (
                    {parse_header(p).ssrc for p in bench.rtp[quiet_from:]}
                    == {track.ssrc for track in bench.tracks.values()}
                )
            )
        return bench, quiet_from, quiet

    bench, quiet_from, quiet = run(scene())
    assert quiet <= 1  # a packet of a large frame may have been on its way
    audio = bench.of(Kind.AUDIO)
    before = bench.of(Kind.AUDIO, bench.rtp[:quiet_from])[-1][0]
    after = bench.of(Kind.AUDIO, bench.rtp[quiet_from:])[0][0]
    assert after.seq == before.seq + 1
    gap = (after.timestamp - before.timestamp) % 2**32
    assert gap >= 0.28 * 48_000
    assert gap % 960 == 0
    assert audio
    assert keys(bench) == 2


def test_the_payload_log_names_every_payload_sent(tmp_path):
    log = PayloadLog(tmp_path / "log")

    async def scene():
        async with Bench(log=log) as bench:
            await bench.until(lambda: len(bench.of(Kind.AUDIO)) > 5)
        return bench

    bench = run(scene())
    log.close()
    assert (tmp_path / "log").read_text().splitlines() == [
        f"{header.timestamp} {hashlib.sha256(header.payload(packet)).hexdigest()}"
        for header, packet in bench.of(Kind.AUDIO)
    ]


def test_a_bye_is_the_last_word_of_each_track():
    async def scene():
        bench = Bench()
        bench.sender.bye()
        return bench

    bench = run(scene())
    byes = [rtcp.parse(packet)[-1] for packet in bench.rtcp]
    assert {bye.ssrcs[0] for bye in byes} == {track.ssrc for track in bench.tracks.values()}
