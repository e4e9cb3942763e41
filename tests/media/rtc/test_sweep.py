"""How many datagrams are read of a socket, and when they are said to have come."""

import asyncio
import socket
import time

import pytest

from media.rtc.batch import Batch
from media.rtc.counters import Counters
from media.rtc.landing import MAX_DATAGRAM, SLOTS, landing
from media.rtc.sweep import FAIR, MANY, Now, sweep
from media.rtc.wire import Wire

NS = 1_000_000_000
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


class FakeInbound:
    """Takes what comes as if it had been encrypted, and looks the same in the clear."""

    srtp = None

    def __init__(self, on_packet=lambda packet: None):
        self.packets = []
        self.arrivals_ns = []
        self._on_packet = on_packet

    def on_rtp(self, packet, arrival_ns):
        self.packets.append(packet)
        self.arrivals_ns.append(arrival_ns)
        self._on_packet(packet)

    def take(self, size, arrival_ns):
        self.on_rtp(landing().bytes[0:size], arrival_ns)


class Stage:
    """A wire that is read by sweeps, and somebody who sends to it."""

    def __init__(self, family=socket.AF_INET):
        self.counters = Counters()
        self.wire = Wire(
            LOOPBACK[family],
            receive_buffer_bytes=1 << 20,
            counters=self.counters,
            on_dtls=lambda _: None,
        )
        self.number = self.wire.fileno()
        self.wires = {self.number: self.wire}
        self.wire.leave_loop(Batch(landing(), family), before_close=self.wires.clear)
        self.inbound = self.wire.inbound = FakeInbound()
        self._sender = socket.socket(family, socket.SOCK_DGRAM)
        self._sender.bind((LOOPBACK[family], 0))
        self.sender = self._sender.getsockname()[:2]

    def send(self, *datagrams):
        for datagram in datagrams:
            self._sender.sendto(datagram, self.wire.get_extra_info("sockname"))

    def sweep(self, since_ns=0, at_ns=1 << 62, ahead_ns=0, calls=FAIR):
        now = Now(since_ns, at_ns, ahead_ns)
        return sweep(self.wires, [self.number], landing(), now, calls=calls)

    def close(self):
        self._sender.close()
        self.wire.close()


@pytest.fixture
def staged(monkeypatch):
    """Run something with a stage, on a loop."""
    monkeypatch.setattr("media.rtc.sweep._unprotect", lambda *_: 0)

    def run(act, **settings):
        async def whole():
            stage = Stage(**settings)
            try:
                act(stage)
            finally:
                stage.close()
                await asyncio.sleep(0)

        asyncio.run(whole())

    return run


def media(number, size=100):
    return bytes([0x80, number]) + bytes(size - 2)


def test_all_that_waits_is_read_as_it_was_sent(staged):
    def act(stage):
        sent = [media(n % 100, 12 + 13 * n) for n in range(MANY)]
        stage.send(*sent)
        assert stage.sweep() == []
        assert stage.inbound.packets == sent
        assert stage.sweep() == []
        assert len(stage.inbound.packets) == MANY

    staged(act)


def test_more_than_one_call_brings_is_read_and_told(staged):
    def act(stage):
        sent = [media(n % 100) for n in range(2 * SLOTS + 3)]
        stage.send(*sent)
        assert set(stage.sweep()) == {stage.number}
        assert stage.inbound.packets == sent

    staged(act)


def test_a_flood_waits_for_its_turn(staged):
    def act(stage):
        stage.send(*[media(1)] * (3 * SLOTS))
        stage.sweep(calls=2)
        assert len(stage.inbound.packets) == 2 * SLOTS
        stage.sweep(calls=2)
        assert len(stage.inbound.packets) == 3 * SLOTS

    staged(act)


def test_a_packet_is_stamped_with_when_it_came_not_when_it_was_read(staged):
    def act(stage):
        stamps = []
        for _ in range(3):
            before_ns = time.time_ns()
            stage.send(media(1))
            stamps.append((before_ns, time.time_ns()))
            time.sleep(0.02)
        stage.sweep(ahead_ns=7 * NS)
        assert len(stage.inbound.arrivals_ns) == 3
        for arrival_ns, (before_ns, after_ns) in zip(
            stage.inbound.arrivals_ns, stamps, strict=True
        ):
            assert before_ns <= arrival_ns - 7 * NS <= after_ns

    staged(act)


@pytest.mark.parametrize("ahead_s", [-3600, 3600])
def test_who_sets_the_clock_moves_no_packet_out_of_its_round(staged, ahead_s):
    def act(stage):
        since_ns, now_ns = time.time_ns() - NS, time.time_ns() + NS
        stage.send(media(1))
        stage.sweep(since_ns=since_ns, at_ns=now_ns, ahead_ns=ahead_s * NS)
        assert stage.inbound.arrivals_ns == [since_ns if ahead_s < 0 else now_ns]

    staged(act)


def test_what_is_too_long_is_cut(staged):
    def act(stage):
        stage.send(media(1, MAX_DATAGRAM + 500), media(2))
        stage.sweep()
        assert [len(packet) for packet in stage.inbound.packets] == [MAX_DATAGRAM, 100]

    staged(act)


@pytest.mark.parametrize("family", LOOPBACK)
def test_who_asks_is_known_by_its_address(staged, family):
    def act(stage):
        heard = []
        stage.wire._stun = type(
            "Stun", (), {"datagram_received": lambda self, data, sender: heard.append(sender)}
        )()
        stage.wire._stun.connection_lost = lambda exc: None
        stage.send(media(1), bytes(20), media(2))
        stage.sweep()
        assert heard == [stage.sender]
        assert len(stage.inbound.packets) == 2

    staged(act, family=family)


def test_media_on_a_wire_that_is_watched_is_noticed_and_loses_nothing(staged):
    def act(stage):
        stage.wire.open_media(stage.inbound)
        stage.wire.watch()
        assert stage.wire.silent
        stage.send(media(1), media(2), media(3))
        stage.sweep()
        assert not stage.wire.silent
        assert stage.inbound.packets == [media(1), media(2), media(3)]
        stage.send(media(4))
        stage.sweep()
        assert stage.inbound.packets[3:] == [media(4)]

    staged(act)


def test_a_wire_that_a_callback_closes_is_left(staged):
    def act(stage):
        stage.inbound = stage.wire.inbound = FakeInbound(lambda _: stage.wire.close())
        stage.send(*[media(1)] * (SLOTS + 5))
        stage.sweep()
        assert len(stage.inbound.packets) <= SLOTS
        stage.sweep()
        assert stage.counters.socket_errors == 0

    staged(act)


def test_an_unreachable_other_side_is_counted_and_hinders_nothing(staged):
    def act(stage):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.bind(("127.0.0.1", 0))
            nobody = gone.getsockname()
        stage.wire._socket.connect(nobody)
        stage.wire._socket.send(b"anybody there?")
        time.sleep(0.05)
        stage.sweep()
        assert stage.counters.socket_errors == 1

    staged(act)


def test_what_reading_a_batch_takes_is_where_the_kernel_puts_it():
    here = landing()
    batch = Batch(here, socket.AF_INET)
    assert len(batch._lengths) == SLOTS * 64  # bytes of a struct mmsghdr with 64-bit pointers
    with pytest.raises(OSError, match="Bad file descriptor"):
        batch.receive(-1)
