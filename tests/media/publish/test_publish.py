"""The whole publisher against the real room, heard by a real subscriber."""

import asyncio
import hashlib
import json
import socket
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import av
import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor

from media.errors import ChannelError, ChannelRefused
from media.judge.decode import luma
from media.publish.encoders import CannotEncode
from media.publish.frame_code import uid_code
from media.publish.options import Audio, PublishOptions, Video
from media.publish.publisher import Leave, Mute, publish
from media.publish.read_pattern import read_frame_number
from media.room.server import serve
from media.rtc.drain import Drain
from media.rtc.peer import Peer
from media.rtc.sdp import MediaSection, parse
from media.rtp import rtcp
from media.rtp.codec import Codec
from media.rtp.packet import parse_header
from media.tape.model import Kind

VP8 = Codec("VP8", 96, 90_000, feedback=("nack", "nack pli"))
H264 = Codec("H264", 102, 90_000, fmtp="packetization-mode=1", feedback=("nack", "nack pli"))
OPUS = Codec("opus", 111, 48_000, 2, feedback=("nack",))


class Scene:
    """A room, one publisher in it, and one subscriber who keeps every packet."""

    def __init__(self, **options):
        self.options = options
        self.rtp, self.rtcp = [], []
        self.changed = asyncio.Event()
        self.stop = asyncio.Event()
        self.commands = asyncio.Queue()
        self.ready = asyncio.get_running_loop().create_future()

    async def until(self, condition):
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def of(self, kind):
        ssrc = self.ready.result().ssrc[kind]
        return [(h, h.payload(p)) for p in self.rtp if (h := parse_header(p)).ssrc == ssrc]

    def take(self, to):
        def take(packet, _arrival_ns):
            to.append(bytes(packet))
            self.changed.set()

        return take

    async def snapshot_when(self, holds):
        """What the room says about the channel, as soon as it says so."""
        async with asyncio.timeout(10), aiohttp.ClientSession() as http:
            while True:
                async with http.get(f"{self.room}/channels/c/events") as events:
                    await events.content.readline()
                    row = json.loads((await events.content.readline()).removeprefix(b"data: "))
                    if holds(row):
                        return row
                    await events.content.readuntil(b"data: ")  # wait for a change


@asynccontextmanager
async def scene(listen=True, **options):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    it = Scene()
    it.room = f"http://127.0.0.1:{port}"
    closing = asyncio.Event()
    room = asyncio.create_task(serve("127.0.0.1", port, stop=closing))
    await _listening(port)
    it.publishing = asyncio.create_task(
        publish(
            PublishOptions(channel=f"room+{it.room}", cname="c", uid="77", **options),
            it.stop,
            on_ready=it.ready.set_result,
            commands=it.commands,
        )
    )
    drain = Drain()
    peer = None
    try:
        done, _ = await asyncio.wait(
            {it.ready, it.publishing}, timeout=20, return_when=asyncio.FIRST_COMPLETED
        )
        if it.publishing in done:
            it.publishing.result()
        await it.snapshot_when(lambda row: row["publishers"])
        if listen:
            it.peer = peer = await _subscribe(it, drain)
        yield it
    finally:
        it.stop.set()
        await asyncio.wait({it.publishing}, timeout=20)
        if peer is not None:
            await peer.close()
        drain.close()
        closing.set()
        await room


async def _listening(port):
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return


async def _subscribe(it, drain):
    peer = Peer(
        controlling=True,
        on_rtp=it.take(it.rtp),
        on_rtcp=it.take(it.rtcp),
        on_closed=lambda _: None,
        drain=drain,
    )
    await peer.gather()
    wanted = [MediaSection("audio", "0", "recvonly", (OPUS,))]
    if it.ready.result().video is not None:
        wanted.append(MediaSection("video", "1", "recvonly", (VP8, H264)))
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{it.room}/whep/c/77",
            data=peer.describe(wanted).to_sdp(),
            headers={"Content-Type": "application/sdp"},
        ) as answer,
    ):
        assert answer.status == 201, await answer.text()
        await peer.connect(parse(await answer.text()))
    return peer


def vp8_frames(packets):
    """Whole frames, from the first key frame on."""
    frame = b""
    for header, payload in packets:
        descriptor, rest = VpxPayloadDescriptor.parse(payload)
        frame = rest if descriptor.partition_start else frame + rest
        if header.marker:
            yield header.timestamp, frame


def numbers(packets):
    """The frame numbers in the pictures, decoded from the first key frame on."""
    decoder, started, found = av.CodecContext.create("vp8", "r"), False, []
    for _, data in vp8_frames(packets):
        started = started or data[0] & 1 == 0
        if started:
            found += [read_frame_number(luma(f)) for f in decoder.decode(av.Packet(data))]
    return found


def key_frames(packets):
    return [time for time, data in vp8_frames(packets) if data[0] & 1 == 0]


def test_a_subscriber_sees_every_frame_and_hears_every_payload(tmp_path):
    async def play():
        async with scene(log_payloads=tmp_path / "log") as it:
            await it.until(lambda: len(it.of(Kind.VIDEO)) > 60 and len(it.rtcp) > 2)
        return it, it.publishing.result()

    it, report = asyncio.run(play())
    seen = numbers(it.of(Kind.VIDEO))
    first = seen[0][1]
    assert seen == [(uid_code("77"), first + n) for n in range(len(seen))]
    assert len(seen) > 20
    logged = set((tmp_path / "log").read_text().splitlines())
    heard = {
        f"{header.timestamp} {hashlib.sha256(payload).hexdigest()}"
        for header, payload in it.of(Kind.AUDIO)
    }
    assert len(heard) > 20
    assert heard <= logged
    assert report.reason == "stopped"
    assert report.packets[Kind.AUDIO] == len(logged)
    reports = [p for data in it.rtcp for p in rtcp.parse(data)]
    clocks = {p.ssrc for p in reports if isinstance(p, rtcp.SenderReport)}
    assert clocks == set(it.ready.result().ssrc.values())


def test_a_picture_loss_of_a_subscriber_brings_a_key_frame():
    async def play():
        async with scene() as it:
            await it.until(lambda: len(key_frames(it.of(Kind.VIDEO))) > 0)
            before = len(key_frames(it.of(Kind.VIDEO)))
            it.peer.send_rtcp(
                rtcp.receiver_report(1) + rtcp.pli(1, it.ready.result().ssrc[Kind.VIDEO])
            )
            await it.until(lambda: len(key_frames(it.of(Kind.VIDEO))) > before)
        return len(it.of(Kind.VIDEO))

    assert asyncio.run(play()) < 60


def test_commands_mute_tell_the_room_and_leave():
    async def play():
        async with scene() as it:
            await it.until(lambda: len(it.of(Kind.AUDIO)) > 3)
            it.commands.put_nowait(Mute(Kind.AUDIO, muted=True))
            muted = await it.snapshot_when(
                lambda row: row["publishers"] and row["publishers"][0]["muted"]["audio"]
            )
            quiet = len(it.of(Kind.AUDIO))
            pictures = len(it.of(Kind.VIDEO))
            await it.until(lambda: len(it.of(Kind.VIDEO)) > pictures + 5)
            still = len(it.of(Kind.AUDIO))
            it.commands.put_nowait(Mute(Kind.AUDIO, muted=False))
            await it.until(lambda: len(it.of(Kind.AUDIO)) > still)
            it.commands.put_nowait(Leave())
            report = await asyncio.wait_for(asyncio.shield(it.publishing), 20)
            return report, muted, quiet, still, await it.snapshot_when(lambda _: True)

    report, muted, quiet, still, after = asyncio.run(play())
    assert report.reason == "left"
    assert muted["publishers"][0]["muted"] == {"audio": True, "video": False}
    assert still - quiet <= 1
    assert after["publishers"] == []


@pytest.mark.parametrize("video", [Video.H264, Video.NONE])
def test_other_kinds_of_publishers_are_heard_until_their_time_is_up(video):
    async def play():
        async with scene(video=video, seconds=1.5) as it:
            await it.publishing
        return it

    it = asyncio.run(play())
    assert it.publishing.result().reason == "time is up"
    assert len(it.of(Kind.AUDIO)) > 20
    assert set(it.ready.result().ssrc) == (
        {Kind.AUDIO} if video is Video.NONE else {Kind.AUDIO, Kind.VIDEO}
    )


def test_what_cannot_be_published_is_said_clearly():
    async def attempt(channel="room+http://127.0.0.1:9", **options):
        options = PublishOptions(channel=channel, cname="c", uid="1", **options)
        await publish(options, asyncio.Event(), on_ready=lambda _: None)

    with pytest.raises(ChannelError, match="cannot be reached"):
        asyncio.run(attempt())
    with pytest.raises(ChannelRefused, match="room"):
        asyncio.run(attempt(channel="livekit+ws://127.0.0.1:9"))
    with pytest.raises(CannotEncode, match="g722"):
        asyncio.run(attempt(audio=Audio.G722, media=Path("sound.wav")))
    with pytest.raises(ChannelRefused, match="nothing"):
        asyncio.run(attempt(video=Video.NONE, audio=Audio.NONE))
