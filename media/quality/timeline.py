"""Why there is no media at a time: arithmetic of the ranges that are known about one line."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from media.quality.spans import Span, Spans, common, joined, without

NEWS_NS = 1_500_000_000  # events and packets of the same moment lie this close together
_SILENT_NS = 500_000_000  # frames so far apart around a mute: nothing was sent in it


class Reason(StrEnum):
    """Why there is no media."""

    MUTE = "mute"
    LEAVE = "leave"
    LOSS = "loss"
    FAILOVER = "failover"


class Gap(NamedTuple):
    """A stretch without media.  Unix nanoseconds."""

    from_ns: int
    until_ns: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Causes:
    """What explains that nothing of a line is heard; each as ranges."""

    failovers: Spans  # nobody taped
    present: Spans  # the publisher was in the channel
    muted: Spans
    stopped: Spans  # the publisher sent nothing from this source, though it was connected

    def gaps(self, missing: Spans) -> Iterator[Gap]:
        """What is missing, in pieces that have one reason each; in time order."""
        if not missing:
            return
        causes = {
            Reason.FAILOVER: self.failovers,
            Reason.LEAVE: without(((missing[0][0], missing[-1][1]),), self.present),
            Reason.MUTE: joined((*self.muted, *self.stopped)),
        }
        known = joined(span for spans in causes.values() for span in spans)
        for hole in missing:
            if common((hole,), known):
                yield from sorted(_explained(hole, causes), key=lambda gap: gap.from_ns)
            else:
                yield Gap(*hole, Reason.LOSS)

    def turns(self) -> Iterator[int]:
        """When any of it changes."""
        for spans in (self.failovers, self.present, self.muted, self.stopped):
            for span in spans:
                yield from span


def _explained(hole: Span, causes: dict[Reason, Spans]) -> Iterator[Gap]:
    rest: Spans = (hole,)
    found: dict[Reason, Spans] = {}
    for reason, cause in causes.items():
        found[reason] = common(rest, cause)
        rest = without(rest, found[reason])
    # What has a cause takes the seams beside it, too: the news of a mute comes another way than
    # the packets.
    for reason, spans in found.items():
        seams = common(rest, wide(spans))
        rest = without(rest, seams)
        yield from (Gap(a, b, reason) for a, b in joined((*spans, *seams)))
    yield from (Gap(a, b, Reason.LOSS) for a, b in rest)


def explained(gaps: Iterable[Gap]) -> Spans:
    """Where it is known why nothing came: nobody misses anything there."""
    return joined((gap.from_ns, gap.until_ns) for gap in gaps if gap.reason is not Reason.LOSS)


def wide(spans: Spans) -> Spans:
    """With the time around that news may be late."""
    return joined((begin - NEWS_NS, end + NEWS_NS) for begin, end in spans)


def was_silent(muted: Spans, begin_ns: int, until_ns: int) -> bool:
    """Whether two frames at these times have a mute between them in which nothing was sent."""
    return until_ns - begin_ns > _SILENT_NS and bool(common(((begin_ns, until_ns),), muted))
