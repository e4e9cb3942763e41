"""What is settled early must come to the same figures, and stay small."""

import random
from dataclasses import dataclass, field

import pytest

from media.quality.book import MOST_RANGES, Book, book
from media.quality.line_book import MOST_GAPS
from media.quality.measure import measure
from media.quality.model import SliceQuality
from media.quality.report import document, report
from media.rtp.codec import Codec
from media.tape.model import (
    NS,
    EventType,
    Frame,
    Kind,
    PartManifest,
    Source,
    TapeEvent,
    Track,
)
from media.tape.roster import roster

T0 = 1_790_000_000 * NS
SLICE_NS = 4 * NS
CODECS = {Kind.AUDIO: Codec("opus", 111, 48_000, 2), Kind.VIDEO: Codec("VP8", 96, 90_000)}
EVERY_NS = {Kind.AUDIO: NS // 10, Kind.VIDEO: NS // 5}
KINDS = {Source.MICROPHONE: Kind.AUDIO, Source.CAMERA: Kind.VIDEO, Source.SCREEN: Kind.VIDEO}


@dataclass
class Told:
    """As much of a tape as is measured, made up instead of recorded."""

    end_ns: int
    outages: list[tuple[int, int]] = field(default_factory=list)
    tracks: dict[str, Track] = field(default_factory=dict)
    happened: list[TapeEvent] = field(default_factory=list)
    media: dict[str, list[Frame]] = field(default_factory=dict)

    def around(self, from_ns, until_ns):
        return self

    def manifests(self):
        limits = [T0, *(at for outage in self.outages for at in outage), self.end_ns]
        return [
            PartManifest(f"{n}", n, 1, a, b, 0, 0, tuple(self.tracks.values()), ())
            for n, (a, b) in enumerate(zip(limits[::2], limits[1::2], strict=True))
        ]

    def events(self, from_ns, until_ns):
        return [event for event in self.happened if from_ns <= event.at_ns < until_ns]

    def roster(self, at_ns):
        return roster(self.happened, self.tracks, at_ns)

    def slices(self):
        for start in range(T0, self.end_ns, SLICE_NS):
            end = min(start + SLICE_NS, self.end_ns)
            text = measure(self, start, end, frames=self.media).model_dump_json()
            yield SliceQuality.model_validate_json(text)


class Story:
    """Invents a recording: everybody comes, goes, mutes, stands still and is lost at random."""

    def __init__(self, seed, seconds=200):
        self.rng = random.Random(seed)
        self.end_ns = T0 + seconds * NS
        self.tape = Told(self.end_ns)
        if self.rng.random() < 0.5:
            begin = T0 + int(self.rng.uniform(20, 120) * NS)
            self.tape.outages.append((begin, begin + int(self.rng.uniform(2, 40) * NS)))
        for uid in ("1", "2"):
            self.publisher(uid)
        self.tape.happened.sort(key=lambda event: event.at_ns)

    def spell(self, at_ns, shortest, longest):
        return min(at_ns + int(self.rng.uniform(shortest, longest) * NS), self.end_ns)

    def tell(self, type_, at_ns, **more):
        if at_ns < self.end_ns:
            self.tape.happened.append(TapeEvent(type_, at_ns, **more))

    def publisher(self, uid):
        at_ns, stay = self.spell(T0, 0, 5), 0
        while at_ns < self.end_ns:
            self.tell(EventType.JOINED, at_ns, uid=uid)
            gone_ns = self.spell(at_ns, 1, 120)
            sources = [Source.MICROPHONE, Source.CAMERA, Source.SCREEN]
            for source in self.rng.sample(sources, self.rng.randint(1, 3)):
                self.line(uid, source, f"{uid}-{stay}", at_ns, gone_ns)
            self.tell(EventType.LEFT, gone_ns, uid=uid)
            at_ns, stay = self.spell(gone_ns, 0.5, 40), stay + 1

    def line(self, uid, source, connection, at_ns, gone_ns):
        while at_ns < gone_ns:
            off_ns = min(self.spell(at_ns, 1, 100), gone_ns)
            name = f"{uid}.{source}.{at_ns}"
            kind = KINDS[source]
            track = Track(name, uid, kind, source, 1, (CODECS[kind],), connection)
            self.tape.tracks[name] = track
            self.tell(EventType.TRACK_ADDED, at_ns, track=name)
            frames = self.frames(track, at_ns, off_ns)
            if frames:
                self.tape.media[name] = frames
            self.counts(track, at_ns, off_ns)
            self.tell(EventType.TRACK_REMOVED, off_ns, track=name)
            at_ns = self.spell(off_ns, 0.5, 30)

    def counts(self, track, at_ns, off_ns):
        count = 0
        for tallied_ns in (*range(at_ns + NS, off_ns, 5 * NS), off_ns - 1):
            count += self.rng.randrange(100)
            skew = ("skew_us", self.rng.randint(-200_000, 200_000))
            counts = (("drift_ppb", count * 10), ("lost", count), ("received", 2 * count), skew)
            self.tell(EventType.TALLY, tallied_ns, track=track.id, counts=counts)

    def frames(self, track, at_ns, off_ns):
        made, follows = [], False
        while at_ns < off_ns:
            until_ns = min(self.spell(at_ns, 0.2, 30), off_ns)
            match self.rng.choice(("sent", "sent", "patchy", "still", "lost", "muted")):
                case "sent":
                    self.send(made, track, at_ns, until_ns, follows, 0.0)
                    follows = True
                case "patchy":
                    self.send(made, track, at_ns, until_ns, follows, 0.1)
                case "lost":
                    follows = False
                case "muted":
                    kept = {"uid": track.uid, "source": track.source}
                    self.tell(EventType.MUTED, at_ns, **kept)
                    self.tell(EventType.UNMUTED, until_ns, **kept)
            at_ns = until_ns
        return made

    def send(self, made, track, at_ns, until_ns, follows, loss):
        video = track.kind is Kind.VIDEO
        for n, time_ns in enumerate(range(at_ns, until_ns, EVERY_NS[track.kind])):
            if self.rng.random() < loss or any(a <= time_ns < b for a, b in self.tape.outages):
                follows = False
                continue
            key = not video or n % 10 == 0
            size = (160, 120) if video and key else (0, 0)
            made.append(Frame(track, track.codecs[0], time_ns, 0, b"", key, follows, *size))
            follows = True


def kept(slices, every):
    """The book of these slices, settled and stored whenever so many more are in it."""
    of = Book()
    for number, one in enumerate(slices):
        of.add(number, one)
        if number % every == 0:
            of.settle()
            of = Book.model_validate_json(of.model_dump_json())
    return of


# The last ones are recordings in which a camera's being off shows only much later.
@pytest.mark.parametrize("seed", [*range(30), 1070, 1158, 1177, 1213, 1243])
def test_what_is_settled_early_comes_to_the_same(seed):
    slices = list(Story(seed).tape.slices())
    whole = report(slices)
    for every in (1, 3, 7):
        assert document(kept(slices, every)) == whole


def test_most_of_it_is_settled():
    settled = []
    for seed in range(20):
        of = kept(Story(seed, 400).tape.slices(), 3)
        settled += [line.settled_ns > line.began_ns for line in of.lines if line.frames > 100]
    assert sum(settled) > 0.8 * len(settled)


def test_a_slice_that_comes_twice_counts_once():
    slices = list(Story(1).tape.slices())
    of = book(slices)
    of.add(0, slices[0])
    of.add(len(slices) - 1, slices[-1])
    assert document(of) == report(slices)
    with pytest.raises(ValueError):
        Book().add(1, slices[1])


def lossy(slices):
    """Somebody of whom a packet is lost five times a second, and 200 ms once a slice."""
    track = Track("1.1", "1", Kind.AUDIO, Source.MICROPHONE, 1, (CODECS[Kind.AUDIO],), "c")
    told = Told(T0 + slices * SLICE_NS, tracks={track.id: track})
    told.happened += [
        TapeEvent(EventType.JOINED, T0, uid="1"),
        TapeEvent(EventType.TRACK_ADDED, T0, track=track.id),
    ]
    told.media[track.id] = [
        Frame(track, track.codecs[0], T0 + n * NS // 50, 0, b"", True, n % 10 != 1)
        for n in range(slices * 200)
        if n % 10 and not 100 <= n % 200 < 110
    ]
    return told.slices()


def test_a_book_does_not_grow_with_the_recording():
    sizes, of = [], Book()
    for number, one in enumerate(lossy(MOST_GAPS + 200)):
        of.add(number, one)
        of.settle()
        sizes.append(len(of.model_dump_json()))
    (row,) = document(of)["publishers"][0]["tracks"]
    assert (len(row["gaps"]), row["gaps_not_listed"]) == (MOST_GAPS, 200)
    assert max(sizes[-100:]) - min(sizes[-100:]) < 2000
    assert sizes[-1] < 50_000


def test_only_so_many_stays_are_listed():
    of = Book()
    for number in range(MOST_RANGES + 50):
        start = T0 + number * SLICE_NS
        empty = SliceQuality(
            start_ns=start,
            end_ns=start + SLICE_NS,
            joined={"1": ((start, start + NS),)},
            muted=(),
            failovers=(),
            lines=(),
            tracks=(),
            skews_us={},
        )
        of.add(number, empty)
        of.settle()
    (row,) = document(of)["publishers"]
    assert (len(row["joined"]), row["joined_not_listed"]) == (MOST_RANGES, 50)
    assert row["joined"][0]["from_ms"] == T0 // 1_000_000
