"""Against the stock aiortc stack, which here does decode: it plays the browser."""

import asyncio

import aioice.ice
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

from media.rtc.drain import Drain
from media.rtc.peer import Peer
from media.rtc.sdp import MediaSection, parse
from media.rtp import packet, rtcp
from tests.media.rtc.sides import OPUS, Side, run, until


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch):
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])


def echo(peer: Peer, heard: list[bytes]) -> None:
    """Send back what was heard, under another SSRC."""
    for sent in heard:
        header = packet.parse_header(sent)
        peer.send_rtp(
            packet.build(
                pt=OPUS.payload_type,
                seq=header.seq,
                timestamp=header.timestamp,
                ssrc=4711,
                payload=header.payload(sent),
            )
        )
    heard.clear()


async def talk(connection: RTCPeerConnection, side: Side) -> None:
    """Until a decoded frame came back from aiortc's own track, and a report of it."""
    incoming = connection.getTransceivers()[0].receiver.track
    frame = asyncio.ensure_future(incoming.recv())
    while not frame.done():
        echo(side.peer, side.rtp)
        await asyncio.sleep(0.01)
    assert frame.result().sample_rate == 48000
    await until(lambda: side.rtcp)
    kinds = [type(each) for compound in side.rtcp for each in rtcp.parse(compound)]
    assert rtcp.SenderReport in kinds or rtcp.ReceiverReport in kinds


def test_a_stock_peer_connection_offers_and_we_answer():
    async def scenario(drain: Drain) -> None:
        connection = RTCPeerConnection()
        connection.addTrack(AudioStreamTrack())
        async with Side(drain, controlling=False) as side:
            await connection.setLocalDescription(await connection.createOffer())
            offer = parse(connection.localDescription.sdp)
            sections = [section.answer(codecs={"opus"}) for section in offer.media]
            answer = side.peer.describe(sections, to=offer)
            await asyncio.gather(
                side.peer.connect(offer),
                connection.setRemoteDescription(RTCSessionDescription(answer.to_sdp(), "answer")),
            )
            await talk(connection, side)
            await connection.close()
            await until(lambda: side.closed)
            assert side.closed == ["dtls closed"]

    run(scenario)


def test_we_offer_and_a_stock_peer_connection_answers():
    async def scenario(drain: Drain) -> None:
        connection = RTCPeerConnection()
        connection.addTrack(AudioStreamTrack())
        async with Side(drain, controlling=True) as side:
            offer = side.peer.describe([MediaSection("audio", "a", codecs=(OPUS,), ssrcs=(4711,))])
            await connection.setRemoteDescription(RTCSessionDescription(offer.to_sdp(), "offer"))
            await connection.setLocalDescription(await connection.createAnswer())
            answer = parse(connection.localDescription.sdp)
            assert answer.type == "answer"
            await side.peer.connect(answer)
            await talk(connection, side)
            await connection.close()

    run(scenario)
