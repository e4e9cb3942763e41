"""Taking recuts in: what they follow, who keeps the tape, and until when."""

import errno
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from media.tape.model import NS, PartManifest
from workers.apps import Apps
from workers.callbacks.outbox import Outbox
from workers.engine import RECUT, UPLOAD_RECUT, Queues, make
from workers.job.errors import (
    NoTape,
    NoTapeYet,
    NotFound,
    SpoolUnseen,
    StorageRefused,
    TooManyRecuts,
)
from workers.job.recut import Recut
from workers.job.sealed import seal
from workers.job.spec import Mode, RecordingSpec
from workers.job.state import Event, State
from workers.job.status import FileEntry
from workers.metrics.metrics import Metrics
from workers.reconciler.housekeeping import Housekeeping
from workers.reconciler.reconciler import Reconciler
from workers.recut_control import RecutControl
from workers.settings import App
from workers.spool.kept import TapeFolder, first_slice
from workers.spool.spool import Closed, Delivery, SegmentFile, Spool, Unit
from workers.store import keys
from workers.store.store import Store
from workers.uploader.cut_units import CutUnits
from workers.uploader.tapes import Tapes

pytestmark = pytest.mark.server

Make = Callable[..., RecordingSpec]
KEY = SecretStr("a farm key for tests")
APPS = (App(app_id="app", customer_key="k", customer_secret=KEY, callback_url="http://x"),)
GONE = "the tape that it is made from is gone"
PARENT, CUT, OTHER = "0" * 32, "1" * 32, "2" * 32
SLICE_NS = 15 * NS
ORIGIN_NS = 1_700_000_000 * NS


def part(number: int, *, fence: int = 1, from_s: float = 0) -> PartManifest:
    name, from_ns = f"{fence:04d}-{number:06d}", ORIGIN_NS + int(from_s * NS)
    return PartManifest(name, fence, number, from_ns, from_ns + 5 * NS, 1, 1, (), ())


class Scene:
    """A recording with a tape, and everybody who looks after it."""

    def __init__(self, store: Store, spool: Spool, spec: RecordingSpec, redis_url: str) -> None:
        self.store, self.spool, self.spec = store, spool, spec
        self.folder = spool.folder(spec.sid)
        self.tape = TapeFolder(self.folder)
        self.cutting = RecutControl(store, spool, KEY)
        queues = Queues(make(redis_url))
        self.reconciler = Reconciler(
            store, spool, queues, Outbox(store.client, Apps(APPS)), Metrics()
        )
        self.housekeeping = Housekeeping(store, spool, Metrics(), KEY)
        store.heartbeat("a", 5, ttl_s=600)
        store.start(spec, spec.sid)
        self.claim = store.claim(spec.sid, "a", 600)

    def taped(self, *, from_s: float = 0, until_s: float = 60, first: int = 0) -> None:
        self.folder.make(seal(self.spec, KEY))
        for number in range(int(from_s // 5), int(until_s // 5)):
            one = part(number + first, from_s=number * 5)
            text = json.dumps(one.to_json())
            (self.folder.tape / f"{one.name}.pcapng").write_bytes(b"")
            (self.folder.tape / f"{one.name}.json").write_text(text)
        units = int((until_s - 2) // 15)
        assert self.claim is not None
        self.store.write(self.claim, origin_ns=ORIGIN_NS, units_sealed=units)

    def close(self, units: int = 4) -> None:
        closed = Closed(
            origin_ns=ORIGIN_NS, end_ns=ORIGIN_NS + units * SLICE_NS, units=units, reason="stopped"
        )
        self.folder.close(closed)
        assert self.claim is not None
        self.store.tape_closed(
            self.claim,
            self.spec,
            origin_ns=ORIGIN_NS,
            end_ns=closed.end_ns,
            units_sealed=units,
        )

    def end(self, *, retention_s: int = 0, files: tuple[FileEntry, ...] = ()) -> None:
        """As the uploader does."""
        tapes = Tapes(self.spool, CutUnits(), retention_s)
        closed = self.folder.closed()
        assert closed is not None
        with self.store.locked(f"deliver:{self.spec.sid}", ttl_s=5, wait_s=5) as held:
            assert held
            at_ns = time.time_ns()
            tapes.keep(self.spec, self.folder, closed, files, at_ns)
            assert self.store.finish(self.spec.sid, Event.DELIVERED, at_ns, tape_s=retention_s)
            tapes.leave(self.spec, self.folder)

    def cut(self, sid: str = CUT, of: str = PARENT, asked: Recut = Recut()) -> RecordingSpec:  # noqa: B008
        return self.cutting.take_in(of, asked, sid, lambda _: None)

    def look(self) -> None:
        """One round of the reconciler, and of who keeps house."""
        self.reconciler.look(full=True)
        self.housekeeping.look()

    def row(self, sid: str = CUT):
        row = self.store.row(sid)
        assert row is not None
        return row


@pytest.fixture
def scene(store: Store, redis_url: str, make_spec: Make, tmp_path: Path) -> Scene:
    root = tmp_path / "spool"
    root.mkdir()
    return Scene(store, Spool(root), make_spec(accepted_ns=ORIGIN_NS), redis_url)


def test_it_needs_no_recorder_and_no_uid(scene: Scene) -> None:
    scene.taped()
    spec = scene.cut()
    row = scene.row()
    assert (row.state, row.tape_of, row.origin_ns) == (State.DELIVERING, PARENT, ORIGIN_NS)
    assert scene.store.taken() == 1
    assert scene.store.claim(CUT, "b", 5) is None
    assert scene.store.spec(CUT) == spec
    assert scene.tape.recuts() == [CUT]
    assert scene.store.recuts.of(PARENT) == [CUT]
    text = scene.spool.folder(CUT).spec() or ""
    assert "SECRETEXAMPLE" not in text + str(scene.store.client.hgetall(keys.recording(CUT)))


def test_it_follows_the_tape_of_a_recording_that_runs(scene: Scene) -> None:
    scene.taped(until_s=34)
    scene.cut()
    scene.look()
    assert scene.row().units_sealed == 2
    assert scene.store.queue_depth(RECUT) == 2
    scene.taped(until_s=50)
    scene.look()
    assert scene.row().units_sealed == 3
    assert scene.spool.folder(CUT).closed() is None
    scene.close(units=4)
    scene.look()
    closed = scene.spool.folder(CUT).closed()
    assert closed == scene.folder.closed()
    assert (scene.row().units_sealed, scene.row().end_ns) == (4, closed.end_ns if closed else 0)
    assert scene.store.queue_depth(RECUT) == 4
    assert scene.store.queue_depth(UPLOAD_RECUT) == 1


def test_of_a_trimmed_tape_what_is_left(scene: Scene) -> None:
    scene.taped(from_s=25, until_s=60)
    assert scene.cutting.tape(PARENT).from_ns == ORIGIN_NS + 2 * SLICE_NS
    spec = scene.cut()
    assert spec.tape_from_ns == ORIGIN_NS + 2 * SLICE_NS
    scene.look()
    assert scene.row().units_sealed == 3 - 2
    scene.close(units=5)
    scene.look()
    closed = scene.spool.folder(CUT).closed()
    assert closed is not None
    assert (closed.origin_ns, closed.units) == (spec.tape_from_ns, 3)
    assert closed.end_ns == ORIGIN_NS + 5 * SLICE_NS
    again = scene.cut(OTHER, of=CUT)
    assert (again.tape_of, again.tape_from_ns) == (PARENT, spec.tape_from_ns)


@pytest.mark.parametrize(
    ("first", "slice_"),
    [
        (part(0, from_s=3), 0),  # a recorder takes its time
        (part(1, from_s=5), 1),
        (part(5, from_s=15), 1),
        (part(5, from_s=15.1), 2),
        (part(5, from_s=-1), 0),
        (part(0, fence=2, from_s=31), 3),  # nothing is left of the recorder before
        (part(0, fence=2, from_s=6), 0),
    ],
)
def test_the_first_slice_that_is_whole(first: PartManifest, slice_: int) -> None:
    assert first_slice(ORIGIN_NS, first) == slice_


def test_an_individual_cut_is_asked_for_slice_by_slice(scene: Scene) -> None:
    scene.taped()
    scene.cut(asked=Recut(mode=Mode.INDIVIDUAL))
    scene.look()
    assert (scene.row().units_sealed, scene.store.queue_depth(RECUT)) == (3, 1)


def test_a_queue_that_nobody_serves_does_not_grow_for_ever(scene: Scene) -> None:
    scene.taped(until_s=15 * 300)
    for number in range(10):
        scene.cut(f"{number + 1:032x}")
    for _ in range(5):
        scene.look()
    assert 64 <= scene.store.queue_depth(RECUT) <= 64 * 10


def test_without_media_there_is_nothing_to_cut(scene: Scene) -> None:
    with pytest.raises(NoTapeYet):
        scene.cut()
    with pytest.raises(NotFound):
        scene.cut(of=OTHER)
    assert scene.spool.sids() == []


def test_what_ended_without_retention_is_gone(scene: Scene) -> None:
    scene.taped()
    scene.close()
    scene.end()
    assert not scene.folder.path.exists()
    with pytest.raises(NoTape):
        scene.cut()
    assert scene.spool.sids() == []
    assert scene.cutting.tape(PARENT).from_ns == 0


@pytest.mark.parametrize("elsewhere", ["missing", "empty"])
@pytest.mark.parametrize("ended", [False, True])
def test_an_api_that_does_not_see_the_spool_says_so(
    scene: Scene, tmp_path: Path, elsewhere: str, ended: bool
) -> None:
    scene.taped()
    if ended:
        scene.close()
        scene.end(retention_s=3600)
    if elsewhere == "empty":
        (tmp_path / elsewhere).mkdir()
    blind = RecutControl(scene.store, Spool(tmp_path / elsewhere), KEY)
    with pytest.raises(SpoolUnseen, match="TAPEFARM_SPOOL"):
        blind.take_in(PARENT, Recut(), CUT, lambda _: None)
    assert blind.tape(PARENT).from_ns == 0
    assert scene.store.row(CUT) is None


def test_a_spool_that_may_only_be_read_is_not_enough(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "no")

    scene.taped()
    monkeypatch.setattr(TapeFolder, "begin_recut", refuse)
    with pytest.raises(SpoolUnseen, match="write"):
        scene.cut()
    assert scene.store.row(CUT) is None


def test_a_bucket_that_refuses_is_asked_first(scene: Scene) -> None:
    def check(_: object) -> None:
        raise StorageRefused("no")

    scene.taped()
    with pytest.raises(StorageRefused):
        scene.cutting.take_in(PARENT, Recut(), CUT, check)
    assert (scene.tape.recuts(), scene.store.row(CUT)) == ([], None)


def test_so_many_and_no_more(scene: Scene) -> None:
    scene.taped()
    for number in range(16):
        scene.cut(f"{number + 1:032x}")
    with pytest.raises(TooManyRecuts):
        scene.cut("f" * 32)
    assert len(scene.tape.recuts()) == 16


def test_a_cut_keeps_the_tape_of_a_recording_that_ends(scene: Scene) -> None:
    scene.taped()
    scene.close()
    scene.cut()
    scene.end()
    scene.look()
    assert scene.tape.first_part() is not None
    assert not (scene.folder.path / "units").exists()
    cut = Scene.__new__(Scene)
    cut.__dict__.update(scene.__dict__, spec=scene.store.spec(CUT), folder=scene.spool.folder(CUT))
    cut.end()
    assert not cut.folder.path.exists()
    assert scene.tape.recuts() == []
    scene.look()
    assert not scene.folder.path.exists()


def test_a_cut_and_the_end_at_the_same_time(scene: Scene) -> None:
    """Either the cut is first and the tape stays, or the end is and nothing is taken in."""
    for round_ in range(12):
        sid, cut = f"{round_ + 16:032x}", f"{round_ + 64:032x}"
        spec = scene.spec.model_copy(update={"sid": sid, "recorder_uid": str(round_ + 1)})
        one = Scene(scene.store, scene.spool, spec, "redis://127.0.0.1:1/0")
        one.taped()
        one.close()
        ending = threading.Thread(target=one.end)
        ending.start()
        time.sleep(round_ * 0.001)
        try:
            one.cut(cut, of=sid)
            taken = True
        except NoTape:
            taken = False
        ending.join()
        assert (one.tape.first_part() is not None) == taken
        assert scene.spool.folder(cut).path.exists() == taken
        assert (scene.store.row(cut) is not None) == taken


def test_nothing_is_deleted_that_a_cut_needs(scene: Scene) -> None:
    scene.taped()
    scene.close()
    units = [_unit(number) for number in range(3)]
    for unit in units:
        scene.folder.save_unit(unit)
        scene.folder.deliver(unit.segments[0].name, Delivery(size=1, etag=""))
    Tapes(scene.spool, CutUnits(), 60).trim(scene.spec, scene.folder, units)
    assert _parts(scene) == 12, "with retention"
    spec, tapes = scene.cut(), Tapes(scene.spool, CutUnits(), 0)
    tapes.trim(scene.spec, scene.folder, units)
    assert _parts(scene) == 12, "nothing of the other one is cut"
    folder = scene.spool.folder(CUT)
    folder.save_unit(units[0])
    folder.deliver(units[0].segments[0].name, Delivery(size=1, etag=""))
    tapes.trim(spec, folder, units[:1])
    assert _parts(scene) == 12
    tapes.trim(scene.spec, scene.folder, units)
    assert _parts(scene) == 9
    scene.tape.end_recut(CUT)
    tapes.trim(scene.spec, scene.folder, units)
    assert _parts(scene) == 3


def _unit(number: int) -> Unit:
    start_ns = ORIGIN_NS + number * SLICE_NS
    segment = SegmentFile(
        name=f"{number}.ts",
        playlist="a.m3u8",
        uid="0",
        kind="audio",
        source=None,
        container="ts",
        codec="aac",
        start_ns=start_ns,
        duration_s=15,
        discontinuity=False,
    )
    end_ns = start_ns + SLICE_NS
    fields = {"number": number, "start_ns": start_ns, "end_ns": end_ns, "keep_from_ns": end_ns}
    return Unit(**fields, final=False, segments=(segment,), cursor={})


def _parts(scene: Scene) -> int:
    return len(list(scene.folder.tape.glob("*.json")))


def test_the_spool_knows_its_size(scene: Scene) -> None:
    def held() -> int:
        return sum(path.stat().st_size for path in tmp.rglob("*") if path.is_file())

    tmp = scene.folder.path.parent
    scene.taped()
    assert scene.spool.bytes() == held() > 0
    scene.close()
    scene.cut()
    scene.end(retention_s=3600)
    for _ in range(2):
        assert scene.spool.bytes() == held() > 0
    scene.spool.folder(CUT).remove()
    scene.folder.remove()
    assert scene.spool.bytes() == 0


def test_redis_forgets_recuts_and_what_is_kept(scene: Scene) -> None:
    file = FileEntry("a.m3u8", "audio", "0", True, True, 5)
    scene.taped()
    scene.close()
    spec = scene.cut()
    scene.look()
    scene.end(retention_s=3600, files=(file,))
    before = scene.row(PARENT)
    scene.store.client.flushall()
    for _ in range(2):
        assert scene.store.row(CUT) is None
        scene.look()
    after = scene.row(PARENT)
    assert (after.state, after.origin_ns, after.units_sealed, after.end_ns) == (
        before.state,
        before.origin_ns,
        before.units_sealed,
        before.end_ns,
    )
    assert scene.store.files(PARENT) == [file]
    assert scene.store.active() == [CUT]
    assert scene.store.spec(CUT) == spec
    scene.look()
    assert (scene.row().units_sealed, scene.row().state) == (4, State.DELIVERING)
    assert scene.store.queue_depth(RECUT) == 4
    assert scene.store.recuts.of(PARENT) == [CUT]


def test_a_recut_that_ends_at_this_moment_did_not_fail(scene: Scene) -> None:
    scene.taped()
    scene.cut()
    stale = scene.row()
    scene.store.finish(CUT, Event.DELIVERED, 5)
    scene.spool.folder(CUT).remove()
    scene.reconciler.look(full=False)
    scene.reconciler._recuts.see(stale, full=True, waiting=0)
    assert (scene.row().state, scene.row().reason) == (State.ENDED, "")
    assert scene.store.client.keys("*:callback:*") == []


@pytest.mark.parametrize("forgotten", [False, True])
def test_files_and_recuts_are_known_as_long_as_the_tape_is_kept(
    scene: Scene, forgotten: bool
) -> None:
    file, kept_s = FileEntry("a.m3u8", "audio", "0", True, True, 5), 60 * 86400
    scene.taped()
    scene.cut()
    scene.store.save_file(PARENT, file)
    names = [make(PARENT) for make in (keys.recording, keys.files, keys.recuts)]
    assert [scene.store.client.ttl(name) for name in names] == [-1] * 3, "it runs"
    scene.close()
    scene.end(retention_s=kept_s, files=(file,))
    if forgotten:
        scene.store.client.flushall()
        for _ in range(2):
            scene.look()
    scene.cut(OTHER)
    assert scene.store.files(PARENT) == [file]
    assert scene.store.recuts.of(PARENT) == [CUT, OTHER]
    assert all(scene.store.client.ttl(name) > kept_s for name in names)


def test_notes_of_cuts_that_were_never_taken_in_are_removed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.taped()
    scene.tape.begin_recut(CUT)
    scene.look()
    assert scene.tape.recuts() == [CUT]
    monkeypatch.setattr("workers.reconciler.housekeeping._STALE_S", 0.0)
    scene.look()
    assert scene.tape.recuts() == []


def test_a_cut_whose_tape_vanished_fails(scene: Scene) -> None:
    scene.taped()
    scene.cut()
    scene.folder.remove()
    for _ in range(2):
        scene.look()
    assert (scene.row().state, scene.row().reason) == (State.FAILED, GONE)
    assert scene.store.active() == [PARENT]
    everybody = scene.store.client.keys("*:notices:*")
    rows = [json.loads(text) for key in everybody for text in scene.store.client.hvals(key)]
    # How far the upload of the running one is, is told as well.
    told = {note["eventType"]: note for note in rows if note["eventType"] != 33}
    assert {note["sid"] for note in told.values()} == {CUT}
    assert sorted(told) == [1, 11]
    assert told[1]["payload"]["details"]["errorMsg"] == GONE
    assert told[11]["payload"]["details"]["exitStatus"] == 1
