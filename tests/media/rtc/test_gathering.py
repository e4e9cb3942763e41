"""Which candidates a peer has, and what its sockets cost and lose."""

import asyncio
import socket
from functools import partial

import aioice.stun
import psutil
import pytest
import structlog

from media.errors import ConnectFailed
from media.rtc import peer, receive_buffer
from media.rtc.drain import Drain
from media.rtc.network import Network, ice_server
from media.rtc.sdp import Candidate, parse
from tests.media.rtc.sides import AUDIO, Pair, Side, connected, run, until
from tests.media.rtc.test_peer import port_of, rtp

SEEN_AS = ("203.0.113.7", 4000)  # RFC 5737: nobody's


class Mirror(asyncio.DatagramProtocol):
    """A STUN server to whom everybody seems to come from elsewhere."""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr) -> None:
        request = aioice.stun.parse_message(data)
        answer = aioice.stun.Message(
            aioice.stun.Method.BINDING, aioice.stun.Class.RESPONSE, request.transaction_id
        )
        answer.attributes["XOR-MAPPED-ADDRESS"] = SEEN_AS
        self.transport.sendto(bytes(answer), addr)


def candidates(side: Side) -> tuple[Candidate, ...]:
    return parse(side.peer.describe([AUDIO]).to_sdp()).candidates


def test_what_a_stun_server_sees_is_offered_with_what_it_was_made_from():
    async def scenario(drain: Drain) -> None:
        loop = asyncio.get_running_loop()
        server, _ = await loop.create_datagram_endpoint(Mirror, local_addr=("127.0.0.1", 0))
        port = server.get_extra_info("sockname")[1]
        network = Network(ice_servers=(ice_server(f"stun:127.0.0.1:{port}"),))
        try:
            async with Side(drain, controlling=True, network=network) as side:
                host, mirrored = candidates(side)
                assert (mirrored.type, mirrored.host, mirrored.port) == ("srflx", *SEEN_AS)
                assert mirrored.related == (host.host, host.port)
                assert mirrored.priority < host.priority
        finally:
            server.close()

    run(scenario)


def test_a_stun_server_of_the_other_family_is_not_waited_for():
    async def scenario(drain: Drain) -> None:
        network = Network(ice_servers=(ice_server("stun:[::1]:9"),), gather_s=60)
        async with asyncio.timeout(5), Side(drain, controlling=True, network=network) as side:
            assert [each.type for each in candidates(side)] == ["host"]

    run(scenario)


def test_an_advertised_address_is_in_the_description_with_the_same_port():
    async def scenario(drain: Drain) -> None:
        network = Network(addresses=("127.0.0.1", "::1"), advertise=("198.51.100.4", "2001:db8::4"))
        async with Side(drain, controlling=True, network=network) as side:
            four, six, public_four, public_six = candidates(side)
            assert (public_four.host, public_four.port) == ("198.51.100.4", four.port)
            assert (public_six.host, public_six.port) == ("2001:db8::4", six.port)
            assert public_four.type == public_six.type == "srflx"
            assert len({each.foundation for each in candidates(side)}) == 4

    run(scenario)


def test_two_peers_meet_over_ipv6():
    async def scenario(pair: Pair) -> None:
        (candidate,) = candidates(pair.offering)
        assert candidate.host == "::1"
        pair.offering.peer.send_rtp(rtp(1))
        pair.answering.peer.send_rtp(rtp(2))
        await until(lambda: pair.answering.rtp and pair.offering.rtp)

    run(partial(connected, then=scenario, network=Network(addresses=("::1",))))


def test_with_both_families_the_first_one_is_preferred():
    async def scenario(pair: Pair) -> None:
        assert pair.offering.peer._ice.selected.local_candidate.host == "::1"

    run(partial(connected, then=scenario, network=Network(addresses=("::1", "127.0.0.1"))))


def test_ways_that_nobody_uses_are_given_back(monkeypatch):
    monkeypatch.setattr(peer, "SETTLED_S", 0.05)
    monkeypatch.setattr(peer, "WATCH_S", 0.3)
    process = psutil.Process()

    async def scenario(pair: Pair) -> None:
        both = process.num_fds()
        chosen = pair.offering.peer._ice.selected.local_candidate.host
        until_s = asyncio.get_running_loop().time() + 5
        sent = 0
        while process.num_fds() > both - 2:  # one of each side
            assert asyncio.get_running_loop().time() < until_s
            sent += 1
            pair.offering.peer.send_rtp(rtp(sent))
            await asyncio.sleep(0.02)
        for _ in range(10):
            sent += 1
            pair.offering.peer.send_rtp(rtp(sent))
            await asyncio.sleep(0.02)
        await until(lambda: len(pair.answering.rtp) == sent)
        assert process.num_fds() == both - 2
        (left,) = pair.offering.peer._ice.links
        assert left.get_extra_info("sockname")[0] == chosen
        assert pair.offering.closed == pair.answering.closed == []

    run(partial(connected, then=scenario, network=Network(addresses=("127.0.0.1", "::1"))))


def free_range(count: int) -> range:
    """Ports in a row that nobody has."""
    for start in range(42000, 50000, count):
        taken = []
        try:
            for port in range(start, start + count):
                probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                taken.append(probe)
                probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        finally:
            for probe in taken:
                probe.close()
        return range(start, start + count)
    raise AssertionError("no free ports")


def test_ports_come_from_the_range_and_go_back_to_it():
    ports = free_range(3)

    async def scenario(drain: Drain) -> None:
        network = Network(ports=ports)
        for _ in range(3):
            async with (
                Side(drain, controlling=True, network=network) as one,
                Side(drain, controlling=True, network=network) as two,
                Side(drain, controlling=True, network=network) as three,
            ):
                assert sorted(map(port_of, (one, two, three))) == list(ports)
                fourth = Side(drain, controlling=True, network=network)
                with pytest.raises(ConnectFailed, match=f"no free port from {ports[0]} to"):
                    await fourth.peer.gather()

    run(scenario)


def test_two_peers_connect_within_a_port_range():
    ports = free_range(2)
    run(partial(connected, then=lambda pair: asyncio.sleep(0), network=Network(ports=ports)))


def test_what_the_kernel_drops_at_a_full_socket_is_counted():
    async def scenario(pair: Pair) -> None:
        counters = pair.answering.peer.counters
        pair.answering.peer.count_drops()
        assert counters.kernel_drops == 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
            for _ in range(2000):  # the loop does not run meanwhile, so nobody reads
                flood.sendto(bytes(1200), ("127.0.0.1", port_of(pair.answering)))
        pair.answering.peer.count_drops()
        first = counters.kernel_drops
        assert 0 < first < 2000
        pair.answering.peer.count_drops()
        assert counters.kernel_drops == first
        await pair.answering.peer.close()
        assert counters.kernel_drops >= first

    run(partial(connected, then=scenario, receive_buffer_bytes=65536))


def test_a_socket_has_room_for_a_large_keyframe():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        before = plain.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        receive_buffer.widen(plain, receive_buffer.RECEIVE_BUFFER_BYTES)
        assert plain.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > before


def test_a_kernel_that_caps_buffers_is_told_of_once(monkeypatch):
    class Capped:
        def setsockopt(self, level: int, option: int, value: int) -> None:
            if option == receive_buffer._SO_RCVBUFFORCE:
                raise PermissionError

        def getsockopt(self, *_: int) -> int:
            return 212_992

    monkeypatch.setattr(receive_buffer, "_told", False)
    with structlog.testing.capture_logs() as logs:
        receive_buffer.widen(Capped(), 4 << 20)
        receive_buffer.widen(Capped(), 4 << 20)
    assert [(each["bytes"], each["wanted"]) for each in logs] == [(106_496, 4 << 20)]


def test_a_kernel_that_does_not_count_drops_has_none():
    class Mute:
        def getsockopt(self, *_: int) -> bytes:
            raise OSError

    assert receive_buffer.drops(Mute()) == 0
