"""What the slices of a recording say together, kept so that it stays small however many they are.

Slices are added in order, each once.  From time to time what is settled becomes figures
(:meth:`Book.settle`); that changes no figure of the report.
"""

from collections.abc import Iterable

from pydantic import BaseModel, Field

from media.quality.line_book import CALM_NS, Around, Figures, LineBook
from media.quality.model import SliceQuality
from media.quality.spans import Spans, joined
from media.tape.model import Source

MOST_RANGES = 500  # listed of each publisher's stays, and of failovers
_FINE_US = 100_000  # skews are known to 10 us up to here, beyond by three digits


class Ranges(BaseModel):
    """Ranges of which the first ones are listed."""

    listed: Spans = ()  # at most MOST_RANGES, over long ago
    not_listed: int = 0
    recent: Spans = ()

    def add(self, spans: Spans) -> None:
        """Some more, of the next slice."""
        self.recent = joined((*self.recent, *spans))

    def forget(self, before_ns: int) -> None:
        """Keep those that end before only to be listed."""
        old = [span for span in self.recent if span[1] <= before_ns]
        free = MOST_RANGES - len(self.listed)
        self.listed = (*self.listed, *old[:free])
        self.not_listed += len(old[free:])
        self.recent = self.recent[len(old) :]

    def told(self) -> tuple[Spans, int]:
        """What is listed of all, and how many are not."""
        spans = (*self.listed, *self.recent)
        return spans[:MOST_RANGES], self.not_listed + len(spans[MOST_RANGES:])


class PublisherBook(BaseModel):
    """When somebody was there, and how far picture and sound were apart."""

    joined: Ranges = Field(default_factory=Ranges)
    skews: dict[int, int] = Field(default_factory=dict)  # how often, by microseconds either way

    def skewed(self, samples_us: Iterable[int]) -> None:
        """Some more samples."""
        for sample_us in samples_us:
            size_us = _rounded(abs(sample_us))
            self.skews[size_us] = self.skews.get(size_us, 0) + 1


def _rounded(size_us: int) -> int:
    return round(size_us, -1 if size_us <= _FINE_US else 3 - len(str(size_us)))


class Book(BaseModel):
    """A recording up to some slice."""

    until: int = 0  # the number of the first slice that was not looked at
    measured: int = 0  # of those before
    from_ns: int = 0
    end_ns: int = 0
    duration_ns: int = 0
    failovers: Ranges = Field(default_factory=Ranges)
    publishers: dict[str, PublisherBook] = Field(default_factory=dict)
    connected: dict[str, tuple[int, int]] = Field(default_factory=dict)
    lines: list[LineBook] = Field(default_factory=list)

    def add(self, number: int, slice_: SliceQuality | None) -> None:
        """Take the next slice in; None when it was not measured.

        A slice that was taken in already changes nothing.  Raises ValueError for one that is too
        early.
        """
        if number < self.until:
            return
        if number > self.until:
            raise ValueError(f"slice {number} came before slice {self.until}")
        self.until += 1
        if slice_ is not None:
            self._add(slice_)

    def _add(self, one: SliceQuality) -> None:
        self.from_ns = min(self.from_ns, one.start_ns) if self.measured else one.start_ns
        self.measured += 1
        self.end_ns = max(self.end_ns, one.end_ns)
        self.duration_ns += one.end_ns - one.start_ns
        self.failovers.add(one.failovers)
        for uid, spans in one.joined.items():
            self._publisher(uid).joined.add(spans)
        for uid, samples_us in one.skews_us.items():
            self._publisher(uid).skewed(samples_us)
        for track in one.tracks:
            for begin_ns, end_ns in track.alive:
                first_ns, last_ns = self.connected.get(track.connection, (begin_ns, end_ns))
                span = min(first_ns, begin_ns), max(last_ns, end_ns)
                self.connected[track.connection] = span
        self._add_lines(one)

    def _add_lines(self, one: SliceQuality) -> None:
        known = {(line.uid, line.source): line for line in self.lines}

        def line(uid: str, source: Source) -> LineBook:
            return known.setdefault((uid, source), LineBook(uid=uid, source=source))

        for uid, source, spans in one.muted:
            of = line(uid, source)
            of.muted = joined((*of.muted, *spans))
        for track in one.tracks:
            line(track.uid, track.source).track(track)
        for row in one.lines:
            line(row.uid, row.source).hear(row)
        self.lines = [known[key] for key in sorted(known)]

    def _publisher(self, uid: str) -> PublisherBook:
        return self.publishers.setdefault(uid, PublisherBook())

    def settle(self) -> None:
        """Make figures of what no later slice can change."""
        for line in self.lines:
            line.settle(self._around(line))
        settled_ns: dict[str, int] = {}
        for line in self.lines:
            before_ns = (line.settled_ns or line.began_ns) - CALM_NS
            settled_ns[line.uid] = min(settled_ns.get(line.uid, before_ns), before_ns)
        recent_ns = self.end_ns - CALM_NS
        for uid, publisher in self.publishers.items():
            publisher.joined.forget(settled_ns.get(uid, recent_ns))
        self.failovers.forget(min(settled_ns.values(), default=recent_ns))
        known = {name for line in self.lines for name in line.connections}
        self.connected = {
            name: span
            for name, span in self.connected.items()
            if name in known or span[1] > recent_ns
        }

    def _around(self, line: LineBook) -> Around:
        publisher = self.publishers.get(line.uid)
        return Around(
            end_ns=self.end_ns,
            failovers=self.failovers.recent,
            present=publisher.joined.recent if publisher else (),
            connected=self.connected,
        )

    def told(self) -> list[tuple[LineBook, Figures]]:
        """Every line that ever had a track, and what it comes to; by uid and source."""
        return [
            (line, line.figures(self._around(line)))
            for line in self.lines
            if line.tracks or line.counts or line.began_ns
        ]


def book(slices: Iterable[SliceQuality]) -> Book:
    """Of all slices of a recording, in order."""
    made = Book()
    for number, one in enumerate(slices):
        made.add(number, one)
    return made
