"""How long to wait before trying again."""

import random
from collections.abc import Iterator


def pauses(first_s: float = 0.25, most_s: float = 2.0) -> Iterator[float]:
    """Growing pauses without end, spread so that many who wait do not come back together.

    Seconds.  Short at most: while we wait, what a server that is back again sends is lost.
    """
    pause_s = first_s
    while True:
        yield pause_s * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        pause_s = min(most_s, pause_s * 2)
