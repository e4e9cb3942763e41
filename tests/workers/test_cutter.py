"""The cutter against a real Redis: what it must not cut."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from media.cut.look import Look
from media.tape.model import NS
from workers.addresses import Border
from workers.apps import Apps
from workers.callbacks.outbox import Outbox
from workers.cutter.cutter import Cutter
from workers.cutter.fetch import Fetcher
from workers.cutter.images import Images
from workers.engine import Queues, make
from workers.job.errors import StoreUnavailable
from workers.job.spec import Mode, RecordingSpec
from workers.job.state import Event
from workers.metrics.metrics import Metrics
from workers.spool.spool import Spool
from workers.store.store import Store

Make = Callable[..., RecordingSpec]
SID = "0" * 32


@pytest.mark.server
@pytest.mark.parametrize("mode", Mode)
def test_a_message_that_comes_after_the_end_cuts_nothing(
    store: Store, redis_url: str, make_spec: Make, tmp_path: Path, mode: Mode
) -> None:
    spec = make_spec(mode=mode)
    store.heartbeat("recorder-a", 1, ttl_s=60)
    store.start(spec, "nonce")
    claim = store.claim(SID, "recorder-a", 5)
    assert claim is not None
    store.tape_closed(claim, spec, origin_ns=spec.accepted_ns, end_ns=9 * NS, units_sealed=1)
    store.finish(SID, Event.DELIVERED, 9 * NS)
    queues, outbox = Queues(make(redis_url)), Outbox(store.client, Apps(()))
    images = Images.behind(Border(allow_private=False, timeout_s=1))
    Cutter(store, Spool(tmp_path / "spool"), queues, outbox, Metrics(), images).cut(SID, 0)
    assert not (tmp_path / "spool").exists()
    assert store.queue_depth("upload") == 0


def test_a_queue_out_of_reach_is_an_error_of_the_farm() -> None:
    with pytest.raises(StoreUnavailable):
        Queues(make("redis://127.0.0.1:1/0")).cut(SID, 0)


@pytest.mark.server
def test_the_images_of_a_slice_to_come_are_fetched_ahead(
    store: Store, redis_url: str, make_spec: Make, tmp_path: Path
) -> None:
    asked: list[str] = []

    class Known(Images):
        def have(self, folder: Path, urls: Iterable[str], settled: object) -> dict[str, Path]:
            asked.extend(sorted(urls))
            return {}

    spec = make_spec(look=Look(background_image="http://img.test/a"))
    store.heartbeat("recorder-a", 1, ttl_s=60)
    store.start(spec, "nonce")
    spool = Spool(tmp_path / "spool")
    queues, outbox = Queues(make(redis_url)), Outbox(store.client, Apps(()))
    images = Known(
        Fetcher(Border(allow_private=False, timeout_s=1), most_bytes=1, connect_s=1, total_s=1)
    )
    cutter = Cutter(store, spool, queues, outbox, Metrics(), images)
    cutter.cut(SID, 0)
    assert asked == []  # nobody records yet
    spool.folder(SID).make("{}")
    cutter.cut(SID, 0)
    assert asked == ["http://img.test/a"]
    for name in ("b", "c"):
        store.orders.add(SID, Look(default_user_image=f"http://img.test/{name}"), NS)
    cutter.cut(SID, 0)
    assert asked[1:] == ["http://img.test/a", "http://img.test/c"]
    assert store.queue_depth("upload") == 0
