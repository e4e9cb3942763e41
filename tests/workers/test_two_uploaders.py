"""Two uploaders at the same growing file: what one has done the other does not do again."""

from pathlib import Path

import pytest

from tests.workers.grown import MadeUpMix, MakeMix
from tests.workers.test_growing import APPS, SID, made, small_parts, spool, uploader
from workers.apps import Apps
from workers.callbacks.outbox import Outbox
from workers.job.spec import RecordingSpec
from workers.metrics.metrics import Metrics
from workers.spool.damage import DamagedPieces
from workers.spool.spool import Folder, Spool
from workers.store.store import Store
from workers.uploader.growing import Growth, Work
from workers.uploader.uploader import Uploader

__all__ = ["made", "small_parts", "spool", "uploader"]  # fixtures

pytestmark = pytest.mark.server


@pytest.fixture
def late(store: Store, spool: Spool) -> Uploader:
    """Another one, who looks before the first has finished."""
    return Uploader(store, spool, Outbox(store.client, Apps(APPS)), Metrics())


@pytest.fixture
def mix(made: MakeMix, monkeypatch: pytest.MonkeyPatch) -> MadeUpMix:
    """A file that is full, and another that grows."""
    monkeypatch.setattr("media.mux.file_numbers.LARGEST", 10_000_000 + 210_000)
    mix = made()
    for number in range(5):
        mix.cut(number, 60_000)
    return mix


def due(uploader: Uploader, mix: MadeUpMix) -> Work:
    work = uploader._growth.due(mix.spec, mix.folder)
    assert work is not None
    return work


def test_who_looked_too_early_sends_no_delivered_file_again(
    mix: MadeUpMix, uploader: Uploader, late: Uploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    while (stale := due(late, mix)).early:
        assert uploader._do(mix.spec, mix.folder, stale)
    assert stale.ends
    sent: list[Work] = []
    send = Growth._send

    def sending(self: Growth, spec: RecordingSpec, folder: Folder, work: Work) -> None:
        sent.append(work)
        send(self, spec, folder, work)

    monkeypatch.setattr(Growth, "_send", sending)
    assert uploader._do(mix.spec, mix.folder, stale)
    assert due(late, mix).over
    assert late._do(mix.spec, mix.folder, stale)
    assert sent == [stale]


def test_the_steps_of_an_ended_file_may_be_taken_at_once(mix: MadeUpMix, late: Uploader) -> None:
    early = due(late, mix)
    assert early.steps
    assert early.is_for(early)
    assert early.at_once().is_for(early)
    over = Work(early.file, over=True)
    assert over.is_for(over)
    assert not early.at_once().is_for(over)


def test_pieces_of_a_delivered_file_are_not_damaged(
    mix: MadeUpMix, uploader: Uploader, late: Uploader
) -> None:
    """Redis loses the lock: both are at work."""
    stale = due(late, mix)
    uploader.upload(SID, "")
    assert mix.folder.delivered(stale.file.name)
    assert not Path(mix.folder.piece_payload("000000-0")).exists()
    late._growth.do(mix.spec, mix.folder, stale)
    assert DamagedPieces(mix.folder).all() == {}
