"""Peers that reach each other through Debian's coturn."""

import asyncio
import socket
import ssl
from collections.abc import Iterator

import pytest
import structlog

from media.errors import ConnectFailed
from media.rtc import relay
from media.rtc.drain import Drain
from media.rtc.network import Network, ice_server
from media.rtp import rtcp
from tests.media.rtc.sides import Pair, Side, run, until
from tests.media.rtc.test_peer import rtp
from tests.turn import Turn, turn_server

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def turn(tmp_path_factory, need, free_port) -> Iterator[Turn]:
    with turn_server(tmp_path_factory.mktemp("turn"), need("turnserver"), free_port) as server:
        yield server


def through(turn: Turn, way: str, *, credential: str = "", trusted: bool = True) -> Network:
    return Network(
        ice_servers=(ice_server(turn.url(way), turn.username, credential or turn.credential),),
        relay_only=True,
        tls=ssl.create_default_context(cafile=turn.ca_file if trusted else None),
    )


@pytest.mark.parametrize("way", ["udp", "tcp", "tls"])
def test_a_relay_carries_everything_both_ways(turn, way):
    async def scenario(drain: Drain) -> None:
        async with (
            Pair(drain) as pair,
            Side(drain, controlling=True, network=through(turn, way)) as far,
        ):
            pair.offering = far
            (candidate,) = far.peer.describe([]).candidates
            assert (candidate.type, candidate.related) == ("relay", ("0.0.0.0", 9))
            await pair.connect()
            there, back = [rtp(n) for n in range(200)], [rtp(n, ssrc=2) for n in range(200)]
            for one, other in zip(there, back, strict=True):
                far.peer.send_rtp(one)
                pair.answering.peer.send_rtp(other)
                await asyncio.sleep(0.001)  # its buffers are not ours
            report = rtcp.receiver_report(1) + rtcp.pli(1, 2)
            far.peer.send_rtcp(report)
            await until(lambda: len(pair.answering.rtp) == len(far.rtp) == 200)
            await until(lambda: pair.answering.rtcp)
            assert (pair.answering.rtp, far.rtp) == (there, back)
            assert pair.answering.rtcp == [report]
            assert far.peer.counters.malformed == far.peer.counters.unauthentic == 0

    run(scenario)


def test_a_wrong_password_is_a_clear_error_that_does_not_say_it(turn):
    async def scenario(drain: Drain) -> None:
        side = Side(
            drain, controlling=True, network=through(turn, "udp", credential="not-this-one")
        )
        refused = pytest.raises(ConnectFailed, match=r"turn:127\.0\.0\.1:.*401")
        with structlog.testing.capture_logs() as logs, refused as failed:
            await side.peer.gather()
        told = f"{failed.value} {side.closed} {logs} {side.peer!r}"
        assert "not-this-one" not in told
        assert turn.username not in told

    run(scenario)


def test_a_certificate_of_nobody_we_know_is_refused(turn):
    async def scenario(drain: Drain) -> None:
        side = Side(drain, controlling=True, network=through(turn, "tls", trusted=False))
        with pytest.raises(ConnectFailed, match="certificate"):
            await side.peer.gather()

    run(scenario)


def test_host_candidates_and_a_relay_go_together(turn):
    async def scenario(drain: Drain) -> None:
        network = Network(ice_servers=through(turn, "udp").ice_servers)
        async with Pair(drain) as pair, Side(drain, controlling=True, network=network) as both:
            pair.offering = both
            kinds = [each.type for each in both.peer.describe([]).candidates]
            assert kinds == ["host", "relay"]
            await pair.connect()
            assert both.peer._ice.selected.local_candidate.type == "host"

    run(scenario)


def test_an_allocation_is_given_back(turn):
    async def scenario(drain: Drain) -> None:
        async with Side(drain, controlling=True, network=through(turn, "udp")):
            before = turn.said().count("lifetime=0")
        await until(lambda: turn.said().count("lifetime=0") > before)

    run(scenario)


def test_a_turn_server_that_dies_is_the_end_of_the_connection(tmp_path, need, free_port):
    async def scenario(drain: Drain) -> None:
        with turn_server(tmp_path, need("turnserver"), free_port) as short_lived:
            network = through(short_lived, "tcp")
            async with Pair(drain) as pair, Side(drain, controlling=True, network=network) as far:
                pair.offering = far
                await pair.connect()
                short_lived.stop()
                await until(lambda: far.closed)
                assert far.closed == ["relay lost"]

    run(scenario)


def test_a_permission_is_renewed_before_it_lapses(turn, monkeypatch):
    monkeypatch.setattr(relay, "BIND_AGAIN_S", 0.02)

    async def scenario(drain: Drain) -> None:
        async with (
            Pair(drain) as pair,
            Side(drain, controlling=True, network=through(turn, "udp")) as far,
        ):
            pair.offering = far
            await pair.connect()
            before = turn.said().count("CHANNEL_BIND processed, success")
            sent = [rtp(n) for n in range(20)]
            for each in sent:
                far.peer.send_rtp(each)
                await asyncio.sleep(0.01)
            await until(lambda: len(pair.answering.rtp) == len(sent))
            await until(lambda: turn.said().count("CHANNEL_BIND processed, success") > before + 1)

    run(scenario)


def test_a_turn_server_that_is_silent_costs_no_more_than_the_time_given(free_port):
    async def scenario(drain: Drain) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            port = silent.getsockname()[1]
            servers = (
                ice_server(f"turn:127.0.0.1:{port}", "a", "b"),
                ice_server(f"stun:127.0.0.1:{port}"),
            )
            network = Network(ice_servers=servers, gather_s=0.3)
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            async with Pair(drain) as pair, Side(drain, controlling=True, network=network) as slow:
                assert 0.25 < loop.time() - began_s < 3
                pair.offering = slow
                assert [each.type for each in slow.peer.describe([]).candidates] == ["host"]
                await pair.connect()

    run(scenario)


def test_closing_while_servers_are_asked_ends_the_asking():
    async def scenario(drain: Drain) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            server = ice_server(f"turn:127.0.0.1:{silent.getsockname()[1]}", "a", "b")
            side = Side(
                drain, controlling=True, network=Network(ice_servers=(server,), gather_s=60)
            )
            gathering = asyncio.create_task(side.peer.gather())
            await asyncio.sleep(0.05)
            await side.peer.close()
            with pytest.raises(ConnectFailed, match="closed while gathering"):
                await gathering
            assert side.closed == ["closed"]

    run(scenario)
