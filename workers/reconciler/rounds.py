"""Work that one process of the farm does, again and again."""

import threading
from collections.abc import Callable

import structlog

from workers.job.errors import StoreUnavailable
from workers.store.store import Store

_LOCK_S = 5.0
_AWAY_S = 1.0

log = structlog.get_logger(__name__)


def rounds(
    store: Store,
    name: str,
    work: Callable[[], None],
    *,
    every_s: float,
    stop: threading.Event,
    away: Callable[[], None] = lambda: None,
) -> None:
    """Do ``work`` until stopped, ``every_s`` after it was done; it may raise StoreUnavailable.

    Others do not while we do, and go on soon after we die.  ``away`` is called when Redis did not
    answer.
    """
    while not stop.wait(every_s):
        try:
            with store.locked(name, ttl_s=_LOCK_S, wait_s=0) as held:
                if held:
                    work()
        except StoreUnavailable:
            log.warning("redis out of reach")
            stop.wait(_AWAY_S)
            away()
        except Exception:
            # Whatever is wrong with this round, the farm needs the next one.
            log.exception("a round was not finished", of=name)
