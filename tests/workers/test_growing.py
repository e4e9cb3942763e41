"""Growing files on their way to a real bucket, whoever dies or lies."""

import hashlib
import json
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.workers.buckets import S3Server
from tests.workers.grown import MadeUpMix, MakeMix, left
from workers.apps import Apps
from workers.callbacks.outbox import Outbox
from workers.job.errors import PartsRefused, StorageRefused, StorageUnavailable
from workers.job.spec import RecordingSpec
from workers.job.state import State
from workers.metrics.metrics import Metrics
from workers.settings import App
from workers.spool.spool import Folder, Spool
from workers.storage.multipart import S3Multipart
from workers.storage.s3 import S3Bucket
from workers.store.store import Store
from workers.uploader import spans
from workers.uploader.patience import Patience
from workers.uploader.uploader import Uploader

pytestmark = pytest.mark.server
Make = Callable[..., RecordingSpec]
SID = "0" * 32
PART = 64 * 1024
APPS = (
    App(app_id="app", customer_key="k", customer_secret=SecretStr("s"), callback_url="http://x"),
)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "PART_BYTES", PART)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def made(s3: S3Server, store: Store, spool: Spool, make_spec: Make, tmp_path: Path) -> MakeMix:
    def make(sid: str = SID, **changes: Any) -> MadeUpMix:
        spec = make_spec(sid, storage=s3.storage, mp4=True, recorder_uid=sid, **changes)
        return MadeUpMix(spec, store, spool, tmp_path / f"scratch-{sid}")

    return make


@pytest.fixture
def uploader(store: Store, spool: Spool) -> Uploader:
    return Uploader(store, spool, Outbox(store.client, Apps(APPS)), Metrics())


def mp4(number: int = 0, sid: str = SID) -> str:
    return f"a/b/{sid}_room-7_{number}.mp4"


def ended(store: Store) -> bool:
    row = store.row(SID)
    return row is not None and row.state is State.ENDED


def notices(store: Store) -> list[dict[str, Any]]:
    rows = store.client.hgetall(f"tapefarm:notices:{SID}")
    return [json.loads(rows[number]) for number in sorted(rows, key=int)]


def test_parts_are_sent_while_it_grows_and_the_rest_at_the_end(
    s3: S3Server, store: Store, uploader: Uploader, made: MakeMix
) -> None:
    mix = made()
    sent = []
    for number in range(6):
        mix.cut(number, 50_000, final=number == 5)
        uploader.upload(SID, "")
        sent.append(len(mix.folder.growing(f"{SID}_room-7_0.mp4").parts))
        if number < 5:
            assert mp4() not in s3.names()
    # 50 kB at a time, in parts of 64 KiB: the second part is whole with the third piece.
    assert sent == [0, 0, 1, 2, 2, 5]
    assert s3.content(mp4()) == mix.whole(range(6))
    assert s3.unfinished(mp4()) == []
    assert not ended(store)
    mix.close(6)
    uploader.upload(SID, "")
    assert ended(store)


@pytest.mark.parametrize("size", [1, 1000, PART - 500, PART, PART + 1, 2 * PART, 3 * PART - 1])
def test_a_file_of_any_size_arrives_whole(
    s3: S3Server, store: Store, uploader: Uploader, made: MakeMix, size: int
) -> None:
    mix = made()
    mix.cut(0, size)
    uploader.upload(SID, "")
    mix.cut(1, 0, final=True)
    mix.close(2)
    uploader.upload(SID, "")
    assert s3.content(mp4()) == mix.whole([0])
    assert s3.unfinished(mp4()) == []
    assert ended(store)


def test_what_is_listed_told_and_reported(
    s3: S3Server, store: Store, uploader: Uploader, made: MakeMix
) -> None:
    mix = made()
    for number in range(3):
        mix.cut(number, 50_000, final=number == 2)
    assert [file.name for file in store.files(SID)] == []
    mix.close(3)
    uploader.upload(SID, "")
    files = {file.name: file for file in store.files(SID)}
    index = f"a/b/{SID}_room-7.m3u8"
    assert set(files) == {mp4(), index}
    file = files[mp4()]
    assert (file.uid, file.mixed, file.playable, file.track_type) == ("0", True, True, "audio")
    assert file.slice_start_ms == mix.spec.accepted_ns // 1_000_000
    told = notices(store)
    first = [row["payload"]["details"]["fileList"] for row in told if row["eventType"] == 4]
    assert sorted(first) == sorted([index, mp4()])
    (uploaded,) = [row["payload"]["details"] for row in told if row["eventType"] == 31]
    assert [row["fileName"] for row in uploaded["fileList"]] == [mp4(), index]
    report = json.loads(store.report(SID) or "")
    (row,) = [row for row in report["files"] if row["name"] == mp4()]
    whole = s3.content(mp4())
    assert row["size"] == len(whole)
    assert row["sha256"] == hashlib.sha256(whole).hexdigest()


def test_the_end_of_a_file_is_many_steps_that_let_others_pass(
    s3: S3Server, uploader: Uploader, made: MakeMix, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[list[int]] = []
    step, part = Uploader._step, S3Multipart.part

    def stepping(*args: Any) -> bool:
        sent.append([])
        return step(*args)

    def sending(self: S3Multipart, key: str, upload: str, number: int, data: bytes) -> Any:
        sent[-1].append(number)
        return part(self, key, upload, number, data)

    monkeypatch.setattr(Uploader, "_step", stepping)
    monkeypatch.setattr(S3Multipart, "part", sending)
    mix = made()
    for number in range(4):
        mix.cut(number, 70_000, final=number == 3)
    uploader.upload(SID, "")
    assert sent == [[2], [3], [4], [1, 5]]
    assert s3.content(mp4()) == mix.whole(range(4))


def test_a_bucket_that_takes_no_part_before_the_first_gets_all_at_the_end(
    s3: S3Server, uploader: Uploader, made: MakeMix, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, taken = S3Multipart.part, []

    def in_order(self: S3Multipart, key: str, upload: str, number: int, data: bytes) -> Any:
        if number != len(taken) + 1:
            raise StorageUnavailable("no room for what comes later")
        taken.append(number)
        return part(self, key, upload, number, data)

    monkeypatch.setattr(S3Multipart, "part", in_order)
    mix = made()
    for number in range(4):
        mix.cut(number, 70_000, final=number == 3)
        uploader.upload(SID, "")
    assert s3.content(mp4()) == mix.whole(range(4))


def test_slices_out_of_order_wait_for_those_before(
    s3: S3Server, uploader: Uploader, made: MakeMix
) -> None:
    mix = made()
    order = [3, 0, 2, 5, 1, 4, 7, 6]
    for number in order:
        mix.cut(number, 70_000, final=number == 7)
        uploader.upload(SID, "")
    assert s3.content(mp4()) == mix.whole(range(8))


def test_a_new_file_begins_at_a_slice_and_the_one_before_is_delivered(
    s3: S3Server, store: Store, uploader: Uploader, made: MakeMix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media.mux.file_numbers.LARGEST", 10_000_000 + 210_000)
    mix = made()
    for number in range(8):
        mix.cut(number, 70_000, final=number == 7)
        uploader.upload(SID, "")
        if number == 4:
            assert s3.content(mp4(0)) == mix.whole(range(3))
            assert len(left(mix.folder)) == 2 * 2 + 1  # of the second file
    mix.close(8)
    uploader.upload(SID, "")
    assert [s3.content(mp4(n)) for n in range(3)] == [
        mix.whole(range(3)),
        mix.whole(range(3, 6)),
        mix.whole(range(6, 8)),
    ]
    starts = [file.slice_start_ms for file in store.files(SID) if file.name.endswith("mp4")]
    assert [at - starts[0] for at in starts] == [0, 45_000, 90_000]
    assert ended(store)


class Killed(BaseException):
    """Nobody catches it, as nobody catches SIGKILL."""


STEPS = (
    *((S3Multipart, name) for name in ("unfinished", "begin", "part", "complete")),
    *((Folder, name) for name in ("save_growing", "deliver", "forget_growing")),
    (Store, "save_file"),
    (Outbox, "make"),
)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name"), STEPS, ids=[name for _, name in STEPS])
def test_dying_at_any_step_leaves_one_whole_file(
    s3: S3Server,
    store: Store,
    spool: Spool,
    made: MakeMix,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    name: str,
    after: bool,
) -> None:
    monkeypatch.setattr("media.mux.file_numbers.LARGEST", 10_000_000 + 210_000)
    mix, done = made(), getattr(owner, name)
    lives = [0, 1, 2, 4]  # how often the step is done before the next one dies at it

    def step(*args: Any, **named: Any) -> Any:
        if lives and lives[0] == 0:
            lives.pop(0)
            if after:
                done(*args, **named)
            raise Killed
        if lives:
            lives[0] -= 1
        return done(*args, **named)

    for number in range(5):
        mix.cut(number, 70_000, final=number == 4)
        _until_nobody_dies(monkeypatch, owner, name, step, store, spool)
    mix.close(5)
    _until_nobody_dies(monkeypatch, owner, name, step, store, spool)
    assert len(lives) < 4, "nobody died"
    assert s3.content(mp4(0)) == mix.whole(range(3))
    assert s3.content(mp4(1)) == mix.whole(range(3, 5))
    assert sorted(s3.names()) == sorted(
        [mp4(0), mp4(1), f"a/b/{SID}_room-7.m3u8", f"a/b/{SID}_room-7_report.json"]
    )
    assert s3.unfinished(mp4(0)) == s3.unfinished(mp4(1)) == []
    assert ended(store)
    assert left(mix.folder) == []
    told = [row["payload"]["details"].get("fileList") for row in notices(store)]
    assert told.count(mp4(0)) == told.count(mp4(1)) == 1


def _until_nobody_dies(
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    name: str,
    step: Callable[..., Any],
    store: Store,
    spool: Spool,
) -> None:
    with monkeypatch.context() as deadly:
        deadly.setattr(owner, name, step)
        while True:
            try:
                Uploader(store, spool, Outbox(store.client, Apps(APPS)), Metrics()).upload(SID, "")
            except Killed:
                continue
            return


def test_a_bucket_that_forgets_gets_everything_again(
    s3: S3Server, store: Store, spool: Spool, made: MakeMix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Patience, "may_try", lambda *_: True)
    uploader = Uploader(store, spool, Outbox(store.client, Apps(APPS)), Metrics())
    mix = made()
    for number in range(8):
        mix.cut(number, 70_000, final=number == 7)
        if number in (3, 5, 7):
            s3.stop()
            s3.start()
        uploader.upload(SID, "")
    mix.close(8)
    uploader.upload(SID, "")
    assert s3.content(mp4()) == mix.whole(range(8))
    assert s3.unfinished(mp4()) == []
    assert ended(store)


def test_a_bucket_that_is_away_holds_up_the_end_and_nothing_is_lost(
    s3: S3Server, store: Store, uploader: Uploader, made: MakeMix
) -> None:
    mix = made()
    for number in range(6):
        mix.cut(number, 70_000, final=number == 5)
        if number == 2:
            s3.stop()
        uploader.upload(SID, "")
    mix.close(6)
    uploader.upload(SID, "")
    assert not ended(store)
    s3.start()
    again = threading.Event()
    for _ in range(300):
        uploader.upload(SID, "")
        if ended(store) or again.wait(0.1):
            break
    assert s3.content(mp4()) == mix.whole(range(6))
    assert s3.unfinished(mp4()) == []
    assert ended(store)


def test_playlists_do_not_wait_for_what_grows(
    s3: S3Server, store: Store, uploader: Uploader, made: MakeMix, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StorageUnavailable("no parts today")

    mix = made()
    with monkeypatch.context() as broken:
        broken.setattr(S3Multipart, "part", away)
        for number in range(4):
            mix.cut(number, 70_000)
            uploader.upload(SID, "")
            text = s3.content(f"a/b/{SID}_room-7.m3u8").decode()
            assert text.count("#EXTINF") == number + 1


def test_a_bucket_that_wants_parts_of_one_size_gets_them(
    s3: S3Server, store: Store, uploader: Uploader, made: MakeMix, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = S3Multipart.complete

    def strict(self: S3Multipart, key: str, upload: str, parts: Any) -> Any:
        if len({part.size for part in parts[:-1]}) > 1:
            raise PartsRefused("InvalidPart")
        return complete(self, key, upload, parts)

    monkeypatch.setattr(S3Multipart, "complete", strict)
    mix = made()
    for number in range(6):
        mix.cut(number, 70_000, final=number == 5)
        uploader.upload(SID, "")
    assert s3.content(mp4()) == mix.whole(range(6))
    assert s3.unfinished(mp4()) == []


def test_a_key_that_may_only_write_is_enough(
    s3: S3Server, store: Store, made: MakeMix, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holder cannot know that a file was put together before it died; so it does it again."""

    def denied(*_: object) -> None:
        raise StorageRefused("AccessDenied")

    monkeypatch.setattr(S3Bucket, "find", denied)
    monkeypatch.setattr(S3Multipart, "unfinished", lambda *_: [])
    mix = made()
    for number in range(4):
        mix.cut(number, 70_000, final=number == 3)
    complete = S3Multipart.complete

    def dies(*args: Any) -> Any:
        complete(*args)
        raise Killed

    with monkeypatch.context() as deadly:
        deadly.setattr(S3Multipart, "complete", dies)
        with pytest.raises(Killed):
            Uploader(store, spool, Outbox(store.client, Apps(APPS)), Metrics()).upload(SID, "")
    Uploader(store, spool, Outbox(store.client, Apps(APPS)), Metrics()).upload(SID, "")
    assert s3.content(mp4()) == mix.whole(range(4))


def test_many_recordings_in_many_threads(
    s3: S3Server, store: Store, uploader: Uploader, made: MakeMix
) -> None:
    sids = [f"{n:032x}" for n in range(6)]
    mixes = {sid: made(sid, cname=f"room-{sid[-1]}") for sid in sids}
    work = [(sid, number) for sid in sids for number in range(6)]
    random.Random(5).shuffle(work)
    lock, jobs = threading.Lock(), iter(work)

    def go() -> None:
        while True:
            with lock:
                job = next(jobs, None)
            if job is None:
                return
            sid, number = job
            mixes[sid].cut(number, 70_000, final=number == 5)
            uploader.upload(sid, "")

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for sid in sids:
        name = f"a/b/{sid}_room-{sid[-1]}_0.mp4"
        assert s3.content(name) == mixes[sid].whole(range(6))
        assert s3.unfinished(name) == []
