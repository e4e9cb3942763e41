"""The rig itself: it must do what it says before anything can be concluded from it."""

import asyncio
import itertools
import socket
import statistics
from collections import Counter

import pytest

from media.rtp.packet import build, peek
from tests.impair.fates import Fates, Impairment
from tests.impair.proxy import rewrite
from tests.impair.relay import Relay, Sort


def fates(seed: str = "1", count: int = 20_000, **of):
    drawn = Fates(Impairment(**of), seed)
    return [drawn.next() for _ in range(count)]


def test_a_seed_makes_the_same_network_again():
    of = {"loss": 0.1, "burst": 3, "jitter_s": 0.01, "reorder": 0.1, "duplicate": 0.1}
    assert fates("a", **of) == fates("a", **of)
    assert fates("a", **of) != fates("b", **of)


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.05, 0.2, 1.0])
@pytest.mark.parametrize("burst", [1.0, 4.0])
def test_so_much_is_lost_as_was_asked_for(loss, burst):
    lost = [fate.lost for fate in fates(loss=loss, burst=burst, count=50_000)]
    assert sum(lost) / len(lost) == pytest.approx(loss, rel=0.15, abs=0.0005)
    if 0 < loss < 1:
        runs = [sum(1 for _ in run) for bad, run in itertools.groupby(lost) if bad]
        assert statistics.mean(runs) == pytest.approx(max(burst, 1 / (1 - loss)), rel=0.15)


def test_datagrams_are_known_by_their_first_bytes():
    rtp = build(pt=111, seq=1, timestamp=2, ssrc=3, payload=b"x")
    assert Sort.of(rtp) is Sort.RTP
    assert Sort.of(b"\x80\xc8" + bytes(20)) is Sort.RTCP
    assert Sort.of(b"\x00\x01" + bytes(18)) is Sort.STUN
    assert Sort.of(b"\x16\xfe\xfd") is Sort.DTLS
    assert Sort.of(b"") is Sort.OTHER


def test_only_the_relay_is_left_of_the_candidates():
    text = (
        "v=0\r\n"
        "a=candidate:1 1 udp 99 0f1e.local 5000 typ host generation 0\r\n"
        "a=candidate:2 1 udp 98 127.0.0.1 6000 typ host\r\n"
        "a=candidate:3 1 tcp 97 127.0.0.1 9 typ host tcptype active\r\n"
        "a=mid:0\r\n"
    )
    rewritten, real = rewrite(text, ("127.0.0.1", 7000))
    assert real == ("127.0.0.1", 6000)
    assert rewritten.splitlines() == [
        "v=0",
        "a=candidate:1 1 udp 99 127.0.0.1 7000 typ host",
        "a=mid:0",
    ]


def through(
    impairment: Impairment, *, count: int = 300, gap_s: float = 0.001, outage: int = -1
) -> tuple[list[int], Relay]:
    """Send numbered packets from a client through a relay; what the server gets, in order.

    The server is silent until then: it must be enough that it was announced.
    """

    async def main() -> tuple[list[int], Relay]:
        got: list[int] = []
        loop = asyncio.get_running_loop()
        with (
            socket.socket(type=socket.SOCK_DGRAM) as server,
            socket.socket(type=socket.SOCK_DGRAM) as client,
        ):
            for each in (server, client):
                each.bind(("127.0.0.1", 0))
                each.setblocking(False)
            loop.add_reader(server, lambda: got.append(peek(server.recv(2048))[1]))
            relay = Relay(up=impairment, seed="1")
            relay.expect_server(server.getsockname())
            for seq in range(count):
                if seq == outage:
                    relay.up.outage(60)
                packet = build(pt=111, seq=seq, timestamp=0, ssrc=7, payload=bytes(100))
                client.sendto(packet, relay.for_client)
                await asyncio.sleep(gap_s)
            expected = sum(relay.up.log.passed.values()) * (2 if impairment.duplicate else 1)
            async with asyncio.timeout(10):
                while len(got) < expected:
                    await asyncio.sleep(0.01)
            loop.remove_reader(server)
            relay.close()
        return got, relay

    return asyncio.run(main())


def test_what_the_log_says_was_lost_never_arrives_and_all_else_does():
    got, relay = through(Impairment(loss=0.1, delay_s=0.005, jitter_s=0.005))
    lost = relay.up.log.never_passed(7)
    assert 10 < len(lost) < 60
    assert got == [seq for seq in range(300) if seq not in lost]


def test_a_reordered_packet_is_overtaken_by_one_to_three():
    got, _ = through(Impairment(reorder=0.05))
    assert sorted(got) == list(range(300))
    late = [sum(other > seq for other in got[:at]) for at, seq in enumerate(got)]
    # Two that wait at the same time count each other, too.
    assert sum(1 for by in late if by) >= 5
    assert max(late) <= 6


def test_a_doubled_packet_comes_twice():
    got, _ = through(Impairment(duplicate=1.0), count=50)
    assert Counter(got) == dict.fromkeys(range(50), 2)


def test_a_bottleneck_drops_what_its_queue_cannot_hold():
    _, relay = through(Impairment(rate_bps=100_000, queue_s=0.1), count=100, gap_s=0)
    dropped = sum(relay.up.log.dropped.values())
    assert 100 - dropped == pytest.approx(0.1 * 100_000 / 8 / 112, abs=4)


def test_nothing_passes_in_an_outage():
    got, _ = through(Impairment(), count=50, outage=20)
    assert got == list(range(20))


def test_the_handshake_is_spared_and_consent_too_if_asked():
    async def main() -> None:
        relay = Relay(up=Impairment(loss=1.0), seed="1")
        stun, rtp = b"\x00\x01" + bytes(18), b"\x80\x6f" + bytes(20)
        for datagram in (stun, b"\x16\xfe\xfd", rtp, stun):
            relay.up.take(datagram)
        assert relay.up.log.lost == {Sort.RTP: 1}
        relay.up._spare.consent = False
        relay.up.take(stun)
        assert relay.up.log.lost == {Sort.RTP: 1, Sort.STUN: 1}
        relay.close()

    asyncio.run(main())
