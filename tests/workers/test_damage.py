"""Pieces of an MP4 that the spool's disk spoils: made once more, or done without."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from media.judge import decode
from media.tape.model import NS
from tests.media.cut.scene import ORIGIN_NS
from tests.workers.buckets import S3Server
from tests.workers.grown import FARM_KEY, MadeUpMix
from tests.workers.test_growing import APPS, SID, mp4, notices
from tests.workers.test_growing_killed import _tape
from workers.addresses import Border
from workers.apps import Apps
from workers.callbacks.outbox import Outbox
from workers.cutter.cutter import Cutter
from workers.cutter.images import Images
from workers.engine import CUT, Queues, make
from workers.job.errors import StoreUnavailable
from workers.job.sealed import seal
from workers.job.spec import Canvas, RecordingSpec
from workers.job.state import State
from workers.metrics.metrics import Metrics
from workers.reconciler.reconciler import Reconciler
from workers.spool.damage import DamagedPieces, Harm
from workers.spool.spool import Closed, Folder, Spool
from workers.store.store import Store
from workers.uploader import spans
from workers.uploader.growing import _note
from workers.uploader.uploader import Uploader

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]
Make = Callable[..., RecordingSpec]
Harmful = Callable[[Path], object]


def shorter(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def wrong(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-10] + bytes(10 * [data[-10] ^ 1]))


def gone(path: Path) -> None:
    path.unlink()


HARMS = [shorter, wrong, gone]
ENDINGS = ["payload", "index"]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "PART_BYTES", 64 * 1024)


class Farm:
    """An uploader, a cutter and a reconciler, each asked by hand."""

    def __init__(self, store: Store, spool: Spool, redis_url: str) -> None:
        self.store, self.spool = store, spool
        queues, outbox = Queues(make(redis_url)), Outbox(store.client, Apps(APPS))
        images = Images.behind(Border(allow_private=False, timeout_s=1))
        self.uploader = Uploader(store, spool, outbox, Metrics())
        self.cutter = Cutter(store, spool, queues, outbox, Metrics(), images)
        self.reconciler = Reconciler(store, spool, queues, outbox, Metrics())

    @property
    def folder(self) -> Folder:
        return self.spool.folder(SID)

    def harms(self) -> dict[str, Harm]:
        return DamagedPieces(self.folder).all()

    def state(self) -> State:
        row = self.store.row(SID)
        assert row is not None
        return row.state


@pytest.fixture
def farm(store: Store, tmp_path: Path, redis_url: str) -> Farm:
    return Farm(store, Spool(tmp_path / "spool"), redis_url)


@pytest.fixture
def mix(farm: Farm, s3: S3Server, make_spec: Make, tmp_path: Path) -> MadeUpMix:
    """Made up: there is no tape that it could be cut from once more."""
    spec = make_spec(SID, storage=s3.storage, mp4=True)
    return MadeUpMix(spec, farm.store, farm.spool, tmp_path / "scratch")


def piece(folder: Folder, number: int, ending: str) -> Path:
    return folder.path / "pieces" / f"{number:06d}-0.{ending}"


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("harm", HARMS)
def test_without_a_tape_the_file_goes_without_it_and_that_is_told(
    farm: Farm, mix: MadeUpMix, s3: S3Server, harm: Harmful, ending: str
) -> None:
    for number in range(6):
        mix.cut(number, 50_000, final=number == 5)
        farm.uploader.upload(SID, "")
        if number == 3:
            harm(piece(mix.folder, 3, ending))
    mix.close(6)
    farm.uploader.upload(SID, "")
    assert farm.harms() == {"000003-0": Harm.FOUND}
    assert farm.state() is State.DELIVERING
    assert mp4() not in s3.names()  # never with wrong bytes
    farm.reconciler.look(full=True)
    assert farm.store.queue_depth(CUT) == 1
    farm.cutter.cut(SID, 3)
    assert farm.harms() == {"000003-0": Harm.LOST}
    farm.uploader.upload(SID, "")
    assert farm.state() is State.ENDED
    assert s3.content(mp4()) == mix.whole([0, 1, 2, 4, 5])
    lack = {
        "name": mp4(),
        "from_ms": (mix.spec.accepted_ns + 45 * NS) // 1_000_000,
        "duration_s": 15.0,
    }
    report = json.loads(farm.store.report(SID) or "")
    assert report["files_lack"] == [lack]
    (error,) = [row["payload"]["details"] for row in notices(farm.store) if row["eventType"] == 1]
    assert (error["module"], error["errorCode"]) == (1, 51)
    assert str(lack["from_ms"]) in error["errorMsg"]


def test_of_nothing_but_damaged_pieces_there_is_no_file(
    farm: Farm, mix: MadeUpMix, s3: S3Server
) -> None:
    for number in range(2):
        mix.cut(number, 50_000, final=number == 1)
        gone(piece(mix.folder, number, "payload"))
    mix.close(2)
    for _ in range(2):
        farm.uploader.upload(SID, "")
        for number in range(2):
            farm.cutter.cut(SID, number)
    farm.uploader.upload(SID, "")
    assert farm.state() is State.ENDED
    assert s3.names() == [f"a/b/{SID}_room-7.m3u8", f"a/b/{SID}_room-7_report.json"]
    assert s3.unfinished(mp4()) == []


def test_a_spool_that_is_away_is_no_damage(farm: Farm, mix: MadeUpMix, tmp_path: Path) -> None:
    for number in range(3):
        mix.cut(number, 70_000)
    farm.uploader._units.of(mix.folder)
    mix.folder.path.rename(tmp_path / "away")
    farm.uploader.upload(SID, "")
    (tmp_path / "away").rename(mix.folder.path)
    assert farm.harms() == {}


@pytest.fixture
def taped(farm: Farm, s3: S3Server, make_spec: Make) -> RecordingSpec:
    """A recording with a tape of three slices, all cut and not delivered."""
    canvas = Canvas(width=160, height=120, fps=15, bitrate=100)
    spec = make_spec(SID, storage=s3.storage, mp4=True, canvas=canvas)
    farm.folder.make(seal(spec, FARM_KEY))
    _tape(farm.folder.tape)
    closed = Closed(origin_ns=ORIGIN_NS, end_ns=ORIGIN_NS + 40 * NS, units=3, reason="stopped")
    farm.store.heartbeat("recorder-a", 1, ttl_s=600)
    farm.store.start(spec, "nonce")
    claim = farm.store.claim(SID, "recorder-a", 600)
    assert claim is not None
    farm.folder.close(closed)
    fields = {"origin_ns": ORIGIN_NS, "end_ns": closed.end_ns, "units_sealed": 3}
    farm.store.tape_closed(claim, spec, **fields)
    for number in range(3):
        farm.cutter.cut(SID, number)
    return spec


def finish(farm: Farm, *, more: int = 1) -> None:
    for name in farm.folder.waiting():
        farm.uploader.upload(SID, name)
    for _ in range(more):
        for number in range(3):
            farm.cutter.cut(SID, number)
        farm.uploader.upload(SID, "")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("harm", HARMS)
def test_it_is_cut_once_more_from_its_tape(
    farm: Farm,
    taped: RecordingSpec,
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    harm: Harmful,
    ending: str,
) -> None:
    monkeypatch.setattr("workers.uploader.tapes.Tapes.trim", lambda *_: None)
    good = {path.name: path.read_bytes() for path in (farm.folder.path / "pieces").iterdir()}
    harm(piece(farm.folder, 1, ending))
    noted: list[tuple[str, Any]] = []
    note = DamagedPieces.note

    def noting(self: DamagedPieces, name: str, harm: Harm) -> None:
        noted.append((name, harm))
        note(self, name, harm)
        if harm is Harm.MENDED:
            now = (farm.folder.path / "pieces").iterdir()
            assert {path.name: path.read_bytes() for path in now} == good

    monkeypatch.setattr(DamagedPieces, "note", noting)
    finish(farm)
    assert noted == [("000001-0", Harm.FOUND), ("000001-0", Harm.MENDED)]
    assert farm.state() is State.ENDED
    assert len(list(decode.pictures(s3.content(mp4())))) == 40 * 15
    assert json.loads(farm.store.report(SID) or "")["files_lack"] == []


def test_once_and_no_more(
    farm: Farm, taped: RecordingSpec, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk spoils it each time."""
    monkeypatch.setattr("workers.uploader.tapes.Tapes.trim", lambda *_: None)
    adopt = Folder.adopt_piece

    def spoiling(self: Folder, payload: Path, index: Path, name: str) -> None:
        adopt(self, payload, index, name)
        wrong(self.piece_payload(name))

    wrong(piece(farm.folder, 1, "payload"))
    monkeypatch.setattr(Folder, "adopt_piece", spoiling)
    finish(farm, more=2)
    assert farm.state() is State.ENDED
    report = json.loads(farm.store.report(SID) or "")
    assert [row["duration_s"] for row in report["files_lack"]] == [15.0]
    pictures = list(decode.pictures(s3.content(mp4())))
    assert len(pictures) == 25 * 15
    assert pictures[-1].time_s - pictures[0].time_s > 39.9 - 1 / 15


@pytest.fixture
def untrimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.uploader.tapes.Tapes.trim", lambda *_: None)


def without_crcs(folder: Folder) -> None:
    """As a version left it that knew none."""
    for unit in list(folder.units()):
        unknown = {"payload_crc": None, "index_crc": None}
        pieces = tuple(piece.model_copy(update=unknown) for piece in unit.pieces)
        folder.save_unit(unit.model_copy(update={"pieces": pieces}))


@pytest.mark.usefixtures("untrimmed")
def test_pieces_without_crcs_are_made_again(farm: Farm, taped: RecordingSpec, s3: S3Server) -> None:
    without_crcs(farm.folder)
    gone(piece(farm.folder, 1, "payload"))
    finish(farm)
    assert farm.state() is State.ENDED
    assert len(list(decode.pictures(s3.content(mp4())))) == 40 * 15


PASSING = [
    OSError(errno.ENOSPC, "No space left on device"),
    MemoryError(),
    StoreUnavailable("redis did not answer"),
]


def failing(monkeypatch: pytest.MonkeyPatch, exc: Exception) -> None:
    def fails(*_: object) -> None:
        raise exc

    monkeypatch.setattr("workers.cutter.cutter._cut_by_mode", fails)


@pytest.mark.usefixtures("untrimmed")
@pytest.mark.parametrize("exc", PASSING, ids=lambda exc: type(exc).__name__)
def test_what_passes_loses_nothing(
    farm: Farm, taped: RecordingSpec, s3: S3Server, exc: Exception
) -> None:
    gone(piece(farm.folder, 1, "payload"))
    for name in (*farm.folder.waiting(), ""):
        farm.uploader.upload(SID, name)
    with pytest.MonkeyPatch.context() as patch:
        failing(patch, exc)
        with pytest.raises(type(exc)):
            farm.cutter.cut(SID, 1)
    assert farm.harms() == {"000001-0": Harm.FOUND}
    farm.reconciler.look(full=True)
    assert farm.store.queue_depth(CUT) == 1
    finish(farm)
    assert farm.state() is State.ENDED
    assert len(list(decode.pictures(s3.content(mp4())))) == 40 * 15


@pytest.mark.usefixtures("untrimmed")
def test_what_does_not_pass_ends(
    farm: Farm, taped: RecordingSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No recording waits for ever."""
    gone(piece(farm.folder, 1, "payload"))
    finish(farm, more=0)
    farm.uploader.upload(SID, "")
    monkeypatch.setattr("workers.cutter.cutter._TRIES", 3)
    failing(monkeypatch, MemoryError())
    for _ in range(2):
        with pytest.raises(MemoryError):
            farm.cutter.cut(SID, 1)
    farm.cutter.cut(SID, 1)
    assert farm.harms() == {"000001-0": Harm.LOST}
    farm.uploader.upload(SID, "")
    assert farm.state() is State.ENDED


@pytest.mark.usefixtures("untrimmed")
@pytest.mark.parametrize("code", [errno.EIO, errno.EUCLEAN, errno.EBADMSG])
def test_a_disk_that_says_that_it_is_damaged(
    farm: Farm, taped: RecordingSpec, s3: S3Server, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """It goes on saying so."""
    bad, opened = piece(farm.folder, 1, "payload"), Path.open

    def opening(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self == bad and args[:1] in ((), ("rb",)):
            raise OSError(code, os.strerror(code))
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", opening)
    finish(farm, more=3)
    assert farm.state() is State.ENDED
    assert len(list(decode.pictures(s3.content(mp4())))) == 25 * 15


@pytest.mark.usefixtures("untrimmed")
def test_two_who_complain_at_once_complain_once(farm: Farm, taped: RecordingSpec) -> None:
    for _ in range(2):
        _note(farm.folder, ("000001-0",))
    assert farm.harms() == {"000001-0": Harm.FOUND}
