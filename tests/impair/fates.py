"""What a bad network does to each packet, drawn from a seed.  Pure."""

import random
from dataclasses import dataclass

MOST_OVERTAKEN = 3  # packets that go before one that was reordered


@dataclass(frozen=True, slots=True)
class Impairment:
    """One direction of a network path."""

    loss: float = 0.0  # share of packets
    burst: float = 1.0  # mean length of a run of lost packets; 1: each is lost on its own
    delay_s: float = 0.0
    jitter_s: float = 0.0  # 0 to so much on top of the delay; nobody overtakes anybody by it
    reorder: float = 0.0  # share of packets that one to three of their stream overtake
    duplicate: float = 0.0  # share of packets that come twice
    rate_bps: int | None = None  # what the bottleneck passes
    queue_s: float = 0.3  # what waits before the bottleneck; more is dropped


CLEAN = Impairment()


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one packet."""

    lost: bool
    jitter_s: float
    overtaken_by: int  # packets
    doubled: bool


class Fates:
    """One fate after the other; the n-th depends on the seed and the impairment alone.

    Runs of lost packets are Gilbert's model: in the bad state all is lost, in the good one
    nothing is.
    """

    def __init__(self, impairment: Impairment, seed: str) -> None:
        self._random = random.Random(seed)
        self._of = impairment
        self._bad = False
        loss, burst = impairment.loss, max(impairment.burst, 1.0)
        self._single = burst == 1.0 or loss >= 1
        self._leave = 1 / burst  # the bad state
        self._enter = 1.0 if self._single else loss / (1 - loss) / burst

    def next(self) -> Fate:
        """The fate of the next packet; always the same number of draws."""
        loss, jitter, reorder, duplicate = (self._random.random() for _ in range(4))
        distance = self._random.randint(1, MOST_OVERTAKEN)
        of = self._of
        return Fate(
            lost=self._lost(loss),
            jitter_s=jitter * of.jitter_s,
            overtaken_by=distance if reorder < of.reorder else 0,
            doubled=duplicate < of.duplicate,
        )

    def _lost(self, drawn: float) -> bool:
        if self._single:
            return drawn < self._of.loss
        self._bad = drawn >= self._leave if self._bad else drawn < self._enter
        return self._bad
