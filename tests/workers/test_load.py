"""How much is asked of Redis, in commands: the design's figure is 5 a second and recording."""

from collections.abc import Callable
from pathlib import Path

import pytest

from workers.apps import Apps
from workers.callbacks.outbox import Outbox
from workers.engine import Queues, make
from workers.job.spec import RecordingSpec
from workers.metrics.metrics import Metrics
from workers.reconciler import failover, reconciler
from workers.reconciler.failover import Failover
from workers.reconciler.reconciler import Reconciler
from workers.settings import Settings
from workers.spool.spool import Spool
from workers.store.store import Store

pytestmark = pytest.mark.server
Make = Callable[..., RecordingSpec]
MANY, MOST = 50, 5.0
EACH_LOOK = 20  # commands, however many recordings


@pytest.fixture
def commands(
    store: Store, make_spec: Make, redis_url: str, tmp_path: Path
) -> dict[str, Callable[[], int]]:
    """How many commands each kind of look takes, of many recordings in a steady state."""
    store.heartbeat("a", MANY, ttl_s=600)
    claims = []
    for number in range(MANY):
        spec = make_spec(f"{number:032x}", recorder_uid=str(number + 1))
        store.start(spec, spec.sid)
        claims.append(store.claim(spec.sid, "a", 600))
    queues, outbox = Queues(make(redis_url)), Outbox(store.client, Apps(()))
    takes_over = Failover(store, queues)
    looks_after = Reconciler(store, Spool(tmp_path), queues, outbox, Metrics())

    def processed() -> int:
        return int(store.client.info("stats")["total_commands_processed"])

    def count(work: Callable[[], object]) -> Callable[[], int]:
        def counted() -> int:
            before = processed()
            work()
            return processed() - before - 1  # it counts itself

        return counted

    return {
        "failover": count(takes_over.look),
        "short": count(lambda: looks_after.look(full=False)),
        "full": count(lambda: looks_after.look(full=True)),
        "renew": count(lambda: [store.renew(claim, 4) for claim in claims if claim]),
    }


def test_what_is_done_often_does_not_grow_with_recordings(
    commands: dict[str, Callable[[], int]],
) -> None:
    assert commands["failover"]() <= EACH_LOOK
    assert commands["short"]() <= EACH_LOOK


def test_all_that_is_asked_in_a_second(commands: dict[str, Callable[[], int]]) -> None:
    ttl_s = Settings.model_fields["lease_ttl_s"].default
    full_s = reconciler._FULL_EVERY * reconciler._EVERY_S
    each_s = {
        "failover": failover._EVERY_S,
        "short": reconciler._EVERY_S,
        "full": full_s,
        "renew": ttl_s / 3,
    }
    a_second = sum(commands[name]() / every_s for name, every_s in each_s.items())
    assert a_second / MANY <= MOST
