"""How a recorder reaches publishers, what it says when it cannot, and that it tries again."""

import re
import socket
import ssl
from collections.abc import Callable, Iterator

import pytest
import structlog
from recorder import Recording, heard, settled, taped, until
from whip import Publisher

from media.capture.troubles import AGAIN_S, MOST, Troubles
from media.room.subscriber import Subscriber
from media.rtc.network import Network, ice_server
from media.tape.model import Kind
from tests.turn import Turn, turn_server


@pytest.fixture(scope="module")
def turn(tmp_path_factory, need, free_port) -> Iterator[Turn]:
    with turn_server(tmp_path_factory.mktemp("turn"), need("turnserver"), free_port) as server:
        yield server


def everything_is_on_tape(go, **options) -> Recording:
    """A publisher is heard and sends; each packet of it is on the tape."""

    async def story(rec: Recording) -> None:
        nonlocal publisher
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await heard(rec, publisher)
        await publisher.send(150)
        await settled(rec)
        await publisher.leave()

    publisher: Publisher
    rec = go(story, **options)
    for kind in Kind:
        line, packets = publisher.lines[kind.value], taped(rec, rec.track("alice", kind))
        for seq in list(line.sent)[-150:]:
            assert packets[seq] == line.sent[seq]
    assert rec.seen.missing == 0
    assert rec.seen.troubles == []
    return rec


@pytest.mark.server
@pytest.mark.parametrize("way", ["udp", "tcp", "tls"])
def test_a_recorder_behind_a_firewall_tapes_everything_through_a_relay(go, turn, way) -> None:
    network = Network(
        ice_servers=(ice_server(turn.url(way), turn.username, turn.credential),),
        relay_only=True,
        tls=ssl.create_default_context(cafile=turn.ca_file),
    )
    before = turn.said().count("ALLOCATE processed, success")
    everything_is_on_tape(go, network=network)
    assert turn.said().count("ALLOCATE processed, success") > before


def test_a_recorder_tapes_everything_over_ipv6(go) -> None:
    everything_is_on_tape(
        go, network=Network(addresses=("::1",)), room_addresses=("127.0.0.1", "::1")
    )


@pytest.mark.server
def test_a_relay_that_refuses_us_is_a_trouble_of_which_no_secret_is_told(go, turn) -> None:
    async def story(rec: Recording) -> None:
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await until(lambda: rec.seen.troubles)
        await publisher.close()

    server = ice_server(turn.url("udp"), turn.username, "not-the-password")
    with structlog.testing.capture_logs() as logs:
        rec = go(story, network=Network(ice_servers=(server,), relay_only=True))
    ((uid, reason),) = rec.seen.troubles
    assert uid == "alice"
    assert "401" in reason
    assert "not-the-password" not in f"{logs}{rec.seen.troubles}"


class Forger:
    """Stands between the room and who listens in it, and spoils answers until told not to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[str], str]) -> None:
        self.at_work = True
        self.spoiled = 0
        answer = Subscriber.answer

        async def forged(subscriber: Subscriber) -> str:
            text = await answer(subscriber)
            self.spoiled += self.at_work
            return spoil(text) if self.at_work else text

        monkeypatch.setattr(Subscriber, "answer", forged)


def wrong_fingerprint(text: str) -> str:
    return re.sub(r"sha-256 (..:)+..", "sha-256 " + ":".join(["AB"] * 32), text)


def test_a_wrong_fingerprint_is_told_once_and_tried_until_it_is_right(go, monkeypatch) -> None:
    forger = Forger(monkeypatch, wrong_fingerprint)

    async def story(rec: Recording) -> None:
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await until(lambda: forger.spoiled >= 3)
        assert [uid for uid, _ in rec.seen.troubles] == ["alice"]
        assert "DTLS" in rec.seen.troubles[0][1]
        forger.at_work = False
        await heard(rec, publisher, lead=1500)
        await publisher.close()

    with structlog.testing.capture_logs() as logs:
        rec = go(story)
    assert len(rec.seen.troubles) == 1
    assert rec.tracks
    assert "a publisher can be heard again" in [each["event"] for each in logs]


def test_a_media_server_that_cannot_be_reached_is_told_of_in_time(go, monkeypatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]

        def elsewhere(text: str) -> str:
            # Without the other name the room's own checks would tell the recorder where it is.
            text = re.sub(r"(a=candidate:.* 127\.0\.0\.1) \d+", rf"\g<1> {port}", text)
            return re.sub(r"a=ice-ufrag:\S+", "a=ice-ufrag:elsewhere", text)

        forger = Forger(monkeypatch, elsewhere)

        async def story(rec: Recording) -> None:
            publisher = Publisher(rec.address, "c", "alice", rec.drain)
            await publisher.join()
            await until(lambda: rec.seen.troubles)  # 10 s, as was promised
            assert "ICE" in rec.seen.troubles[0][1]
            forger.at_work = False
            await heard(rec, publisher, lead=1500)
            await publisher.close()

        rec = go(story)
        assert len(rec.seen.troubles) == 1


def test_what_the_kernel_drops_is_told(go) -> None:
    async def story(rec: Recording) -> None:
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await heard(rec, publisher)
        (tap,) = rec.capture._rack._taps
        (candidate,) = tap._peer.describe([]).candidates
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
            for _ in range(8000):  # the loop does not run meanwhile, so nobody reads
                flood.sendto(bytes(1200), (candidate.host, candidate.port))
        await until(lambda: rec.seen.kernel_drops)
        await publisher.close()

    rec = go(story)
    assert 0 < rec.seen.kernel_drops < 8000


class Told:
    def __init__(self) -> None:
        self.troubles: list[tuple[str, str]] = []

    def trouble(self, uid: str, reason: str) -> None:
        self.troubles.append((uid, reason))


def test_a_flapping_connection_is_no_flood(monkeypatch) -> None:
    told, now_s = Told(), 1000.0
    monkeypatch.setattr("media.capture.troubles.time.monotonic", lambda: now_s)
    troubles = Troubles(told)
    for _ in range(20):
        troubles.failed("a", "ICE")
        troubles.heard("a")
    assert told.troubles == [("a", "ICE")]
    now_s += AGAIN_S + 1
    troubles.failed("a", "ICE")
    assert len(told.troubles) == 2
    for number in range(50):
        troubles.failed("a", f"reason {number}")
    assert len(told.troubles) == 1 + MOST
    troubles.left("a")
    troubles.failed("a", "ICE")
    troubles.failed("a", "ICE", screen=True)
    assert told.troubles[-2:] == [("a", "ICE")] * 2
