"""Who is wanted changes while a recording runs: what is on the tape, and what is left alone."""

import asyncio
import time
from typing import Any

import pytest
from recorder import Recording, heard, settled, taped, until
from whip import Publisher

from media.capture.cast import Cast
from media.channels.base import EVERYBODY, Wants
from media.rtp.packet import parse_header
from media.tape.model import EventType, Kind, Source, Track

NOT_ALICE = Wants(not_audio_uids=frozenset({"alice"}), not_video_uids=frozenset({"alice"}))
NO_PICTURES = Wants(video_uids=frozenset())


def want(rec: Recording, wants: Wants) -> int:
    assert rec.capture is not None
    at_ns = time.time_ns()
    rec.capture.want(wants, at_ns)
    return at_ns


def whole(rec: Recording, track: Track) -> bool:
    """No packet is missing between the first and the last."""
    sequence = [parse_header(packet).seq for packet in rec.packets[track.id]]
    return sorted(sequence) == list(range(min(sequence), max(sequence) + 1))


async def joined(rec: Recording, *uids: str) -> list[Publisher]:
    found = [Publisher(rec.address, "c", uid, rec.drain, seed=n) for n, uid in enumerate(uids)]
    for publisher in found:
        await publisher.join()
        await heard(rec, publisher)
    await settled(rec)
    return found


async def send(rec: Recording, *publishers: Publisher, count: int = 50) -> None:
    for _ in range(count):
        for publisher in publishers:
            await publisher.send(1)
    await settled(rec)


def test_who_is_not_wanted_any_more_is_gone_at_once_and_comes_back(go) -> None:
    kept: dict[str, Any] = {}

    async def story(rec: Recording) -> None:
        alice, bob = await joined(rec, "alice", "bob")
        want(rec, NOT_ALICE)
        kept["unwanted"] = [list(alice.lines[kind.value].sent)[-1] for kind in Kind]
        await send(rec, alice, bob)
        kept["until"] = [list(alice.lines[kind.value].sent)[-1] for kind in Kind]
        asked = alice.lines["video"].keyframes_asked
        want(rec, EVERYBODY)
        await heard(rec, alice)
        await until(lambda: alice.lines["video"].keyframes_asked > asked)
        await send(rec, alice, bob)
        for publisher in (alice, bob):
            await publisher.leave()

    rec = go(story)
    for kind, last, first in zip(Kind, kept["unwanted"], kept["until"], strict=True):
        before, after = (rec.track("alice", kind, n) for n in (0, 1))
        assert max(taped(rec, before)) <= last
        assert min(taped(rec, after)) > first
        assert whole(rec, rec.track("bob", kind))
        assert len(rec.packets[rec.track("bob", kind).id]) > 100
    told = [event.uid for event in rec.told(EventType.JOINED)]
    assert told == ["alice", "bob"]  # she was there all the time, in the first place
    assert sorted(event.uid for event in rec.told(EventType.LEFT)) == ["alice", "bob"]
    removed = [event.track for event in rec.told(EventType.TRACK_REMOVED)]
    assert {rec.track("alice", kind).id for kind in Kind} <= set(removed[:2])
    assert rec.seen.missing == 0


def test_sound_goes_on_untouched_while_pictures_go_and_come(go) -> None:
    async def story(rec: Recording) -> None:
        [alice] = await joined(rec, "alice")
        want(rec, NO_PICTURES)
        await send(rec, alice)
        asked = alice.lines["video"].keyframes_asked
        want(rec, EVERYBODY)
        await until(lambda: alice.lines["video"].keyframes_asked > asked)
        await send(rec, alice)
        await alice.leave()

    rec = go(story)
    [sound] = [track for track in rec.tracks if track.kind is Kind.AUDIO]
    assert whole(rec, sound)
    before, after = (rec.track("alice", Kind.VIDEO, n) for n in (0, 1))
    assert before.connection == after.connection == sound.connection
    assert whole(rec, before)
    assert min(taped(rec, after)) >= max(taped(rec, before)) + 50


def test_pictures_that_nobody_wanted_at_first_come_by_another_connection(go) -> None:
    async def story(rec: Recording) -> None:
        alice = Publisher(rec.address, "c", "alice", rec.drain)
        await alice.join()
        for _ in range(300):
            await alice.send(1)
            if rec.seen.count > 20:
                break
        want(rec, EVERYBODY)
        while not any(line.keyframes_asked for line in alice.lines.values()):
            await alice.send(1)
        await send(rec, alice, count=100)
        await alice.leave()

    rec = go(story, wants=NO_PICTURES)
    sound, pictures = rec.track("alice", Kind.AUDIO), rec.track("alice", Kind.VIDEO)
    assert sound.connection != pictures.connection
    assert whole(rec, sound)
    assert len(rec.packets[pictures.id]) > 50
    assert [event.uid for event in rec.told(EventType.JOINED)] == ["alice"]


def test_who_leaves_while_nobody_wants_them_has_left(go) -> None:
    async def story(rec: Recording) -> None:
        alice, bob = await joined(rec, "alice", "bob")
        want(rec, NOT_ALICE)
        await alice.leave()
        await send(rec, bob)
        want(rec, EVERYBODY)
        await settled(rec)
        await bob.leave()

    rec = go(story)
    assert [event.uid for event in rec.told(EventType.LEFT)] == ["alice", "bob"]
    assert len([track for track in rec.tracks if track.uid == "alice"]) == 2


class Deck:
    """What is said on a tape."""

    def __init__(self) -> None:
        self.said: list[tuple[str, ...]] = []

    def publisher(self, uid: str, *, there: bool, at_ns: int | None = None) -> None:
        self.said.append(("joined" if there else "left", uid, str(at_ns or "now")))

    def muted(self, uid: str, source: Source, *, muted: bool, at_ns: int | None = None) -> None:
        self.said.append(("muted" if muted else "unmuted", uid, source, str(at_ns or "now")))

    def take(self) -> list[tuple[str, ...]]:
        said, self.said = self.said, []
        return said


CAMERA, MICROPHONE = Source.CAMERA, Source.MICROPHONE


@pytest.fixture
def deck() -> Deck:
    return Deck()


def test_who_was_never_wanted_is_told_of_when_that_changes(deck: Any) -> None:
    cast = Cast(deck, Wants(video=False, not_audio_uids=frozenset({"a"})))
    for uid in ("a", "b"):
        cast.joined(uid)
    assert not cast.muted("a", MICROPHONE, muted=True)
    assert not cast.muted("b", CAMERA, muted=True)
    assert cast.muted("b", MICROPHONE, muted=True)
    assert deck.take() == [("joined", "b", "now"), ("muted", "b", MICROPHONE, "now")]
    cast.want(EVERYBODY, 7)
    assert sorted(deck.take()) == [
        ("joined", "a", "7"),
        ("muted", "a", MICROPHONE, "7"),
        ("muted", "b", CAMERA, "7"),
    ]
    assert cast.taped == {"a", "b"}
    cast.want(Wants(audio=False), 9)
    assert sorted(deck.take()) == [
        ("unmuted", "a", MICROPHONE, "9"),
        ("unmuted", "b", MICROPHONE, "9"),
    ]
    cast.left("a")
    cast.left("a")
    cast.left("nobody")
    assert deck.take() == [("left", "a", "now")]
    assert not cast.muted("a", CAMERA, muted=True)


def test_who_sends_again_is_no_news(deck: Any) -> None:
    cast = Cast(deck, EVERYBODY)
    cast.joined("a")
    cast.joined("a")
    assert deck.take() == [("joined", "a", "now")]
    assert cast.there == ("a",)


def test_who_sends_nothing_any_more_is_muted_until_they_send_again(deck: Any) -> None:
    cast = Cast(deck, Wants(audio=False))
    cast.joined("a")
    cast.muted("a", CAMERA, muted=True)
    deck.take()
    cast.stopped("a")
    cast.stopped("a")
    cast.stopped("nobody")
    cast.muted("a", CAMERA, muted=False)
    assert deck.take() == [("muted", "a", Source.SCREEN, "now")]
    cast.want(EVERYBODY, 5)
    assert deck.take() == [
        ("muted", "a", MICROPHONE, "5"),
        ("muted", "a", Source.SCREEN_AUDIO, "5"),
    ]
    cast.joined("a")
    cast.muted("a", CAMERA, muted=True)
    assert [row[:3] for row in deck.take()] == [
        *(("unmuted", "a", source) for source in sorted(Source)),
        ("muted", "a", CAMERA),
    ]
    cast.stopped("a")
    cast.left("a")
    assert deck.take()[-1] == ("left", "a", "now")
    cast.joined("a")
    assert deck.take() == [("joined", "a", "now")]


def test_one_who_comes_while_nobody_wants_them_is_not_told_of(deck: Any) -> None:
    cast = Cast(deck, NOT_ALICE)
    cast.joined("alice")
    cast.left("alice")
    assert deck.take() == []


@pytest.mark.parametrize("wants", [EVERYBODY, NO_PICTURES, NOT_ALICE])
def test_wants_may_change_before_the_channel_is_joined(go, wants: Wants) -> None:
    async def story(rec: Recording) -> None:
        await asyncio.sleep(0.1)
        want(rec, wants)

    assert go(story).reason == "stopped"
