"""Every event that this farm sends, made by who sends it, beside the samples of the reference."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from media.tape.model import NS, Kind
from workers.apps import Apps
from workers.callbacks.misfits import Misfits
from workers.callbacks.notice import EventType
from workers.callbacks.outbox import Outbox
from workers.job.errors import StorageRefused, StorageUnavailable
from workers.job.spec import Mode, RecordingSpec
from workers.job.state import State
from workers.metrics.metrics import Metrics
from workers.reconciler import progress
from workers.recorder.notices import StreamState, Trouble
from workers.recorder.telling import Telling
from workers.settings import App
from workers.spool.spool import Closed, Delivery, Folder, SegmentFile, Unit
from workers.store.store import Store
from workers.store.troubles import Files
from workers.uploader import notices, playlists
from workers.uploader import troubles as troubles_module
from workers.uploader.troubles import Troubles

pytestmark = pytest.mark.server

SAMPLES = json.loads(
    (Path(__file__).parent.parent / "api" / "agora_examples" / "callbacks.json").read_text()
)["events"]
APP = App(
    app_id="app",
    customer_key="k",
    customer_secret=SecretStr("s"),
    callback_url="http://127.0.0.1:9/hook",
)
START_NS = 1_760_000_000_120_000_000
# What real traffic has beside the documents (reference §10, 12).
BESIDE = {43: {"utcMs": int}, 44: {"utcMs": int}}


class Scene:
    """A recording that Redis knows, and who tells of it."""

    def __init__(self, store: Store, spec: RecordingSpec, folder: Folder) -> None:
        self.store, self.spec, self.folder = store, spec, folder
        self.outbox = Outbox(store.client, Apps((APP,)))
        folder.make("")
        store.heartbeat("recorder", 9, ttl_s=600)
        store.start(spec, "nonce")

    def told(self, event: int = 0) -> list[dict[str, Any]]:
        """Details of the notices of a type; of all, whole."""
        rows = [json.loads(text) for text in self.outbox.told(self.spec.sid)]
        if not event:
            return rows
        return [row["payload"]["details"] for row in rows if row["eventType"] == event]

    def segment(self, number: int, start_ns: int, *, resumed: bool) -> SegmentFile:
        return SegmentFile(
            name=f"{number:06d}.ts",
            playlist="a.m3u8",
            uid="101",
            kind="audio",
            source="microphone",
            container="ts",
            codec="aac",
            start_ns=start_ns,
            duration_s=15.0,
            discontinuity=resumed,
            resumed=resumed,
        )

    def playlist(self, known: int, *segments: SegmentFile) -> None:
        """A playlist with these segments is in the bucket, which had so many of them."""
        line = playlists.Line("a.m3u8", segments, whole=False)
        row = playlists.entry(self.spec, line)
        told = notices.of_playlist(self.outbox, self.spec, line, row, known)
        self.store.save_file(self.spec.sid, row, told)


@pytest.fixture
def scene(store: Store, make_spec: Callable[..., RecordingSpec], tmp_path: Path) -> Scene:
    return Scene(store, make_spec(mode=Mode.INDIVIDUAL), Folder(tmp_path / "sid"))


def shape(value: Any) -> Any:
    """Keys and types."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return [shape(one) for one in value[:1]] if isinstance(value, list) else type(value)


def test_every_event_looks_as_documented(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox, spec = scene.outbox, scene.spec
    telling = Telling(outbox, Metrics(), spec, 2)
    outbox.add(telling.started())
    for kind in Kind:
        telling.stream(StreamState("101", kind, True, START_NS))
    telling.trouble(Trouble("101", "no route"))
    scene.store.claim(spec.sid, "a", 5)
    scene.store.client.hset(f"tapefarm:rec:{spec.sid}", "fence", 2)
    telling.send()
    outbox.add(telling.left("token refused: no"))
    scene.playlist(0, scene.segment(0, START_NS, resumed=True))
    outbox.add(notices.of_snapshot(outbox, spec, "a.jpg"))
    monkeypatch.setattr(troubles_module, "_PATIENCE_S", -1)
    troubles = Troubles(scene.store, outbox)
    troubles.failed(spec, StorageRefused("no"))
    troubles.failed(spec, StorageUnavailable("away"))
    troubles.worked(spec)
    Misfits(scene.store, outbox).tell(spec.sid)
    Misfits(scene.store, outbox).uploads_are_late(spec)
    closed = Closed(origin_ns=START_NS, end_ns=START_NS + NS, units=1, reason="stopped")
    outbox.add(notices.of_end(outbox, spec, closed, scene.store.files(spec.sid)))
    told = scene.told()
    assert {row["eventType"] for row in told} == set(EventType)
    samples = {one["event"]: one["body"] for one in reversed(SAMPLES)}
    for row in told:
        sample, event = shape(samples[row["eventType"]]), row["eventType"]
        sample["payload"]["details"] |= BESIDE.get(event, {})
        assert shape(row) == sample
        mine, theirs = row["payload"], samples[event]["payload"]
        assert mine["serviceType"] == theirs["serviceType"]
        assert mine["serviceScene"] == theirs["serviceScene"]
        assert mine["details"]["msgName"] == theirs["details"]["msgName"]


def test_a_slice_start_says_from_when_to_when_nothing_was_recorded(scene: Scene) -> None:
    first = scene.segment(0, START_NS, resumed=True)
    second = scene.segment(1, START_NS + 15 * NS, resumed=False)
    third = scene.segment(2, START_NS + 50 * NS, resumed=True)
    scene.playlist(0, first)
    scene.playlist(0, first)  # whoever did it died before it could note that
    scene.playlist(1, first, second)
    scene.playlist(2, first, second, third)
    assert [row["fileList"] for row in scene.told(4)] == ["a/b/a.m3u8"]
    begins = START_NS // 1_000_000
    assert [(row["startUtcMs"], row["discontinueUtcMs"]) for row in scene.told(42)] == [
        (begins, begins),
        (begins + 50_000, begins + 30_000),
    ]
    assert {row["streamUid"] for row in scene.told(42)} == {"101"}


def test_of_a_mix_it_is_everybody(store: Store, make_spec: Any, tmp_path: Path) -> None:
    scene = Scene(store, make_spec(mode=Mode.MIX), Folder(tmp_path / "sid"))
    mixed = {"uid": "0", "kind": "audio_and_video"}
    scene.playlist(0, scene.segment(0, START_NS, resumed=True).model_copy(update=mixed))
    [row] = scene.told(42)
    assert (row["mixedAllUser"], row["streamUid"]) == (True, "0")
    assert row["trackType"] == "audio_and_video"


def test_troubles_of_an_upload_are_told_once_in_a_spell(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (Troubles(scene.store, scene.outbox) for _ in range(2))  # two uploaders
    for spell in (1, 2):
        for who in (one, other, one):
            who.failed(scene.spec, StorageRefused("wrong keys"))
            who.failed(scene.spec, StorageUnavailable("away"))
        assert [row["errorCode"] for row in scene.told(1)] == [32] * spell
        for who in (other, one):
            who.worked(scene.spec)
        assert [row["warnCode"] for row in scene.told(2)] == [31] * spell


def test_growing_files_have_spells_of_their_own(scene: Scene) -> None:
    """A bucket may take segments and no parts: its trouble does not end with each segment."""
    whole = Troubles(scene.store, scene.outbox)
    growing = Troubles(scene.store, scene.outbox, Files.GROWING)
    for _ in range(3):
        growing.failed(scene.spec, StorageRefused("no parts"))
        whole.worked(scene.spec)
    assert (len(scene.told(1)), scene.told(2)) == (1, [])
    growing.worked(scene.spec)
    assert len(scene.told(2)) == 1
    whole.failed(scene.spec, StorageRefused("nothing"))
    growing.failed(scene.spec, StorageRefused("nothing"))
    assert len(scene.told(1)) == 2, "where nothing arrives, that is said once"


def test_a_bucket_that_is_away_for_a_moment_is_told_of_when_it_stays_away(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubles, now_ns = Troubles(scene.store, scene.outbox), [time.time_ns()]
    monkeypatch.setattr("workers.uploader.troubles.time.time_ns", lambda: now_ns[0])
    troubles.failed(scene.spec, StorageUnavailable("away"))
    assert scene.told(1) == []
    now_ns[0] += 60 * NS
    troubles.waits(scene.spec)
    troubles.failed(scene.spec, StorageUnavailable("away"))
    assert [row["errorCode"] for row in scene.told(1)] == [47]


def test_calls_that_do_not_fit_tell_where_the_recording_stands(scene: Scene) -> None:
    misfits, spec = Misfits(scene.store, scene.outbox), scene.spec
    misfits.started_beside(spec.model_copy(update={"sid": "1" * 32}))
    scene.playlist(0, scene.segment(0, START_NS, resumed=True))
    scene.store.ask_stop(spec.sid, 1)
    misfits.tell(spec.sid)
    misfits.tell("f" * 32)
    one, other = scene.told(3)
    assert (one["status"], one["recordingMode"], one["fileList"]) == (1, 0, "")
    assert (other["status"], other["fileList"]) == (6, "a/b/a.m3u8")


@pytest.mark.parametrize(("reason", "status"), [("stopped", 0), ("idle", 0), ("removed: x", 1)])
def test_the_end_tells_whether_it_was_normal_and_all_is_there(
    scene: Scene, reason: str, status: int
) -> None:
    scene.playlist(0, scene.segment(0, START_NS, resumed=True))
    files = scene.store.files(scene.spec.sid)
    closed = Closed(origin_ns=START_NS, end_ns=START_NS + NS, units=1, reason=reason)
    scene.outbox.add(notices.of_end(scene.outbox, scene.spec, closed, files))
    assert [row["eventType"] for row in scene.told()[-3:]] == [33, 31, 11]
    assert scene.told(33) == [{"msgName": "uploading_progress", "progress": 10_000}]
    assert scene.told(11) == [{"msgName": "session_exit", "exitStatus": status}]


def test_progress_rises_and_is_whole_at_the_end_only(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.01)
    watch, sid = progress.Progress(scene.store, scene.outbox), scene.spec.sid
    units, delivered = 0, 0
    for grown, brought, uncut in ((4, 1, 0), (0, 2, 0), (4, 0, 4), (0, 1, 0)):
        for number in range(units, units + grown - uncut):
            segment = scene.segment(number, START_NS + number * 15 * NS, resumed=False)
            scene.folder.file(segment.name).write_bytes(b"x")
            scene.folder.save_unit(
                Unit(
                    number=number,
                    start_ns=segment.start_ns,
                    end_ns=segment.start_ns + 15 * NS,
                    final=False,
                    segments=(segment,),
                    cursor={},
                    keep_from_ns=0,
                )
            )
        units += grown
        for number in range(delivered, delivered + brought):
            scene.folder.deliver(f"{number:06d}.ts", Delivery(size=1, etag=""))
        delivered += brought
        scene.store.note(sid, "origin_ns", START_NS)
        scene.store.note(sid, "units_sealed", units)
        time.sleep(0.02)
        row = scene.store.row(sid)
        assert row is not None
        assert row.state is State.QUEUED
        missing = sum(not scene.folder.cut(number) for number in range(units))
        watch.see(row, scene.folder, missing, scene.folder.waiting())
    assert [row["progress"] for row in scene.told(33)] == [2500, 7500, 7500, 7500]
