import asyncio
import os
import socket
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import aioice.stun
import psutil
import pytest
from OpenSSL import SSL

from media.errors import ConnectFailed
from media.rtc import consent
from media.rtc.drain import Drain
from media.rtc.dtls import Pipe
from media.rtc.network import Network
from media.rtc.sdp import Candidate, Description, Fingerprint, parse
from media.rtp import packet, rtcp
from tests.media.rtc.sides import Pair, Side, connected, run, until

SAMPLES = Path(__file__).parent / "samples"


def rtp(seq: int, *, ssrc: int = 1, size: int = 100) -> bytes:
    return packet.build(pt=96, seq=seq, timestamp=seq * 960, ssrc=ssrc, payload=os.urandom(size))


def port_of(side: Side) -> int:
    return side.peer.describe([]).candidates[0].port


def test_packets_go_both_ways_as_they_are():
    async def scenario(pair: Pair) -> None:
        there, back = [rtp(n) for n in range(200)], [rtp(n, ssrc=2) for n in range(200)]
        report = rtcp.receiver_report(1) + rtcp.pli(1, 2)
        before_ns = time.time_ns()
        for one, other in zip(there, back, strict=True):
            pair.offering.peer.send_rtp(one)
            pair.answering.peer.send_rtp(other)
        pair.offering.peer.send_rtcp(report)
        pair.answering.peer.send_rtcp(report)
        await until(lambda: pair.offering.rtcp and pair.answering.rtcp)
        assert pair.answering.rtp == there
        assert pair.offering.rtp == back
        assert pair.answering.rtcp == pair.offering.rtcp == [report]
        assert before_ns <= min(pair.answering.arrivals_ns) <= time.time_ns()
        assert pair.offering.peer.counters.rtp_sent == 200

    run(partial(connected, then=scenario))


def test_the_largest_packets_of_an_ethernet_pass():
    async def scenario(pair: Pair) -> None:
        large = rtp(1, size=1440)
        pair.offering.peer.send_rtp(large)
        await until(lambda: pair.answering.rtp)
        assert pair.answering.rtp == [large]
        pair.offering.peer.send_rtp(rtp(2, size=5000))
        assert pair.offering.peer.counters.send_dropped == 1

    run(partial(connected, then=scenario))


def test_what_comes_before_the_keys_are_ready_is_not_lost():
    async def scenario(drain: Drain) -> None:
        async with Pair(drain) as pair:
            offer, answer = pair.descriptions()
            slow = asyncio.create_task(pair.answering.peer.connect(offer))
            handshake = pair.answering.peer._dtls.handshake

            async def late(remote: Description) -> bool:
                done = await handshake(remote)
                await asyncio.sleep(0.05)
                return done

            pair.answering.peer._dtls.handshake = late
            await pair.offering.peer.connect(answer)
            sent = [rtp(seq) for seq in range(20)]
            for each in sent:
                pair.offering.peer.send_rtp(each)
            await slow
            await until(lambda: len(pair.answering.rtp) == 20)
            assert pair.answering.rtp == sent

    run(scenario)


def test_what_nobody_heard_of_a_handshake_is_said_again_before_openssl_would(monkeypatch):
    monkeypatch.setattr(SSL.Connection, "DTLSv1_get_timeout", lambda self: None)
    said: list[bytes] = []
    put = Pipe.put

    def deaf(pipe: Pipe, datagram: bytes) -> None:
        said.append(datagram)
        if len(said) > 2:  # as a server does that is not ready yet
            put(pipe, datagram)

    monkeypatch.setattr(Pipe, "put", deaf)

    async def scenario(pair: Pair) -> None:
        assert said[0] == said[1] == said[2]
        before = len(said)
        await asyncio.sleep(0.5)
        assert len(said) == before  # nothing is repeated when it is over

    run(partial(connected, then=scenario))


def test_an_end_is_told_once_to_each_side():
    async def scenario(pair: Pair) -> None:
        await pair.offering.peer.close()
        await until(lambda: pair.answering.closed)
        await pair.answering.peer.close()
        await pair.offering.peer.close()
        assert pair.offering.closed == ["closed"]
        assert pair.answering.closed == ["dtls closed"]
        pair.offering.peer.send_rtp(rtp(1))
        assert pair.offering.peer.counters.send_dropped == 1

    run(partial(connected, then=scenario))


def test_a_peer_gives_back_all_its_sockets():
    process = psutil.Process()

    async def scenario(drain: Drain) -> None:
        before = process.num_fds()
        for _ in range(3):
            await connected(drain, idle)
        assert process.num_fds() == before

    async def idle(_: Pair) -> None:
        pass

    run(scenario)


def test_a_side_that_falls_silent_loses_consent(monkeypatch):
    monkeypatch.setattr(consent, "EVERY_S", 0.01)
    monkeypatch.setattr(consent, "UNANSWERED", 2)

    async def scenario(pair: Pair) -> None:
        for wire in pair.answering.peer._ice.links:
            wire.close()
        await until(lambda: pair.offering.closed)
        assert pair.offering.closed == ["consent lost"]

    run(partial(connected, then=scenario))


def test_nobody_there_is_an_error_within_the_time_given():
    async def scenario(drain: Drain) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            port = silent.getsockname()[1]
            async with Pair(drain, connect_timeout_s=0.2) as pair:
                _, answer = pair.descriptions()
                nobody = Candidate("1", 1, "udp", 1, "127.0.0.1", port, "host")
                with pytest.raises(ConnectFailed, match="ICE did not come up"):
                    await pair.offering.peer.connect(replace(answer, candidates=(nobody,)))
                assert pair.offering.closed == ["ICE did not come up in 0.2 s"]

    run(scenario)


def test_a_certificate_that_was_not_announced_is_refused():
    async def scenario(drain: Drain) -> None:
        async with Pair(drain, connect_timeout_s=3) as pair:
            offer, answer = pair.descriptions()
            forged = (Fingerprint("sha-256", ":".join(["AB"] * 32)),)
            results = await asyncio.gather(
                pair.offering.peer.connect(replace(answer, fingerprints=forged)),
                pair.answering.peer.connect(offer),
                return_exceptions=True,
            )
            assert isinstance(results[0], ConnectFailed)
            assert "DTLS" in str(results[0])
            assert len(pair.offering.closed) == 1

    run(scenario)


def test_closing_ends_a_connect_that_is_under_way():
    async def scenario(drain: Drain) -> None:
        async with Pair(drain) as pair:
            offer, _ = pair.descriptions()
            connecting = asyncio.create_task(pair.answering.peer.connect(offer))
            await asyncio.sleep(0.05)
            await pair.answering.peer.close()
            with pytest.raises(ConnectFailed, match="closed while connecting"):
                await connecting
            assert pair.answering.closed == ["closed"]

    run(scenario)


def test_a_cancelled_connect_closes_the_peer():
    async def scenario(drain: Drain) -> None:
        async with Pair(drain) as pair:
            offer, _ = pair.descriptions()
            connecting = asyncio.create_task(pair.answering.peer.connect(offer))
            await asyncio.sleep(0.05)
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            assert pair.answering.closed == ["closed"]

    run(scenario)


def test_an_answerer_waits_for_one_who_hides_its_address():
    hidden = parse((SAMPLES / "chromium_receive_mdns.sdp").read_text()).candidates

    async def scenario(drain: Drain) -> None:
        async with Pair(drain) as pair:
            offer, answer = pair.descriptions()
            waiting = asyncio.create_task(
                pair.answering.peer.connect(replace(offer, candidates=hidden))
            )
            await asyncio.sleep(0.1)
            await pair.offering.peer.connect(answer)
            await waiting
            pair.answering.peer.send_rtp(rtp(1))
            await until(lambda: pair.offering.rtp)

    run(scenario)


def test_checks_that_come_before_the_answer_are_not_lost():
    async def scenario(drain: Drain) -> None:
        async with Pair(drain) as pair:
            offer, answer = pair.descriptions()
            early = asyncio.create_task(pair.answering.peer.connect(offer))
            await asyncio.sleep(0.1)
            await pair.offering.peer.connect(answer)
            await early

    run(scenario)


def test_the_offering_side_may_be_the_dtls_client():
    async def scenario(drain: Drain) -> None:
        async with Pair(drain) as pair:
            offer, _ = pair.descriptions()
            active = replace(offer, setup="active")
            answer = pair.answering.peer.describe(active.media, to=active)
            assert answer.setup == "passive"
            await asyncio.gather(
                pair.offering.peer.connect(answer), pair.answering.peer.connect(active)
            )

    run(scenario)


def test_a_broken_callback_is_counted_and_stops_nobody():
    def broken(_packet: bytes, _arrival_ns: int) -> None:
        raise RuntimeError("a bug")

    async def scenario(pair: Pair) -> None:
        async with Pair(pair.drain) as other:
            other.answering.peer._on_rtp = broken
            await other.connect()
            for seq in range(20):
                other.offering.peer.send_rtp(rtp(seq))
                pair.offering.peer.send_rtp(rtp(seq))
            await until(lambda: len(pair.answering.rtp) == 20)
            await until(lambda: other.answering.peer.counters.callback_errors == 20)

    run(partial(connected, then=scenario))


def test_a_broken_on_closed_still_releases_the_sockets():
    def broken(_reason: str) -> None:
        raise RuntimeError("a bug")

    async def scenario(pair: Pair) -> None:
        pair.answering.peer._on_closed = broken
        await pair.answering.peer.close()

    run(partial(connected, then=scenario))


def test_strangers_are_counted_and_do_not_disturb():
    stun = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
    unsigned = bytes(stun)
    # A username attribute of an impossible length, and an error code of two bytes.
    crooked = b"\x00\x01\x00\x08\x21\x12\xa4\x42" + bytes(12) + b"\x00\x09\x00\x02\x00\x00\x00\x00"

    async def scenario(pair: Pair) -> None:
        counters = pair.answering.peer.counters
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.connect(("127.0.0.1", port_of(pair.answering)))
            for datagram in (b"", b"x", b"\xff" * 40, b"\x50" * 40, unsigned, crooked):
                stranger.send(datagram)
            stranger.send(b"\x16" + os.urandom(50))  # DTLS of nobody
            stranger.send(rtp(1))  # not encrypted
            stranger.send(rtcp.receiver_report(1) + bytes(20))
        pair.offering.peer.send_rtp(rtp(7))
        await until(lambda: pair.answering.rtp)
        await until(lambda: counters.unauthentic == 2)
        assert counters.malformed >= 4
        assert len(pair.answering.rtp) == 1
        assert pair.answering.closed == []

    run(partial(connected, then=scenario))


def test_a_packet_that_comes_twice_is_taken_once():
    async def scenario(pair: Pair) -> None:
        same = rtp(5)
        for _ in range(3):  # SRTP makes the same bytes of it each time
            pair.offering.peer.send_rtp(same)
        await until(lambda: pair.answering.peer.counters.replayed == 2)
        assert pair.answering.rtp == [same]

    run(partial(connected, then=scenario))


def test_without_a_usable_local_address_there_is_no_peer():
    async def scenario(drain: Drain) -> None:
        side = Side(drain, controlling=True, network=Network(addresses=("192.0.2.1",)))
        with pytest.raises(ConnectFailed, match="no usable local address"):
            await side.peer.gather()
        assert "192.0.2.1" in side.closed[0]

    run(scenario)


def test_a_peer_is_connected_only_once():
    async def scenario(pair: Pair) -> None:
        offer, _ = pair.descriptions()
        with pytest.raises(ConnectFailed):
            await pair.answering.peer.connect(offer)
        assert pair.answering.peer.connected

    run(partial(connected, then=scenario))


def test_one_drain_serves_many():
    async def scenario(drain: Drain) -> None:
        pairs = [Pair(drain) for _ in range(5)]
        for pair in pairs:
            await pair.__aenter__()
            await pair.connect()
        for seq in range(100):
            for pair in pairs:
                pair.offering.peer.send_rtp(rtp(seq))
        await until(lambda: all(len(pair.answering.rtp) == 100 for pair in pairs))
        for pair in pairs:
            await pair.__aexit__()

    run(scenario)
