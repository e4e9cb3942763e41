"""The loss table, as Markdown: ``python -m tests.impair.table [SECONDS]``."""

import asyncio
import logging
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from media.tape.model import Kind
from tests.impair.fates import Impairment
from tests.impair.take import Judged, Network, Take, record

SECONDS = 20.0
DELAY_S = 0.020  # each way
JITTER_S = 0.005
BURST = 4.0
LOSSES = (0.0, 0.01, 0.05, 0.10, 0.20)

_HEAD = (
    "path",
    "loss",
    "burst",
    "frames missing",
    "concealed audio",
    "A/V p95",
    "PLIs",
    "NACKed",
    "packets lost / recovered",
)


@dataclass(frozen=True, slots=True)
class Case:
    """One row: how bad which part of the way is, in both directions."""

    loss: float
    burst: float = 1.0
    before_room: bool = False  # between publisher and room, not between room and recorder

    @property
    def network(self) -> Network:
        """Of this row's part of the way."""
        return Network.both(Impairment(self.loss, self.burst, delay_s=DELAY_S, jitter_s=JITTER_S))


CASES = (
    *(Case(loss) for loss in LOSSES),
    *(Case(loss, BURST) for loss in LOSSES[1:]),
    Case(0.05, before_room=True),
    Case(0.05, BURST, before_room=True),
)


async def play(case: Case, directory: Path, *, seconds: float, seed: int = 1) -> Take:
    """Record one row."""
    clean = Network.both(Impairment(delay_s=DELAY_S, jitter_s=JITTER_S))
    return await record(
        directory,
        clean if case.before_room else case.network,
        uplink=case.network if case.before_room else None,
        seconds=seconds,
        seed=seed,
    )


def row(case: Case, take: Take, judged: Judged, seconds: float) -> str:
    """One line of the table."""
    seen, concealed_ms = judged.seen, take.concealed_ms()
    lost = sum(len(take.missing(kind)) for kind in Kind)
    return _line(
        "publisher → room" if case.before_room else "room → recorder",
        f"{case.loss:.0%}",
        f"{case.burst:g}" if case.burst > 1 else "-",
        f"{seen.missing} ({seen.missing_share:.2%})",
        f"{concealed_ms:.0f} ms ({concealed_ms / seconds / 10:.2f}%)",
        f"{1000 * judged.av_p95_s:.0f} ms",
        str(take.tally("plis")),
        str(take.tally("nacks")),
        f"{lost} / {take.tally('recovered')}",
    )


def lines(seconds: float) -> Iterator[str]:
    """The table, line by line as it is made."""
    yield _line(*_HEAD)
    yield _line(*("---",) * len(_HEAD))
    for case in CASES:
        with tempfile.TemporaryDirectory() as directory:
            take = asyncio.run(play(case, Path(directory), seconds=seconds))
            yield row(case, take, take.judged(), seconds)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    for line in lines(float(sys.argv[1]) if sys.argv[1:] else SECONDS):
        print(line, flush=True)
