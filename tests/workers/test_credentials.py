"""Other keys for the bucket of a recording that goes on: where they are, and when they count."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.workers.buckets import SECRET_KEY, S3Server
from workers.apps import Apps
from workers.callbacks.outbox import Outbox
from workers.control import Farm
from workers.engine import Queues, make
from workers.job.errors import NotFound
from workers.job.sealed import renewed_ns, seal, unseal
from workers.job.spec import RecordingSpec, Storage
from workers.job.state import State
from workers.metrics.metrics import Metrics
from workers.reconciler.restore import restore
from workers.recut_control import RecutControl
from workers.spool.spool import Folder, Spool
from workers.storage.check import StorageCheck
from workers.store import keys
from workers.store.store import Store
from workers.uploader.uploader import Uploader

pytestmark = pytest.mark.server

SID, CUT = "0" * 32, "1" * 32
FARM_KEY = SecretStr("a farm key for tests")
OLD = "the secret key that expires"
MEDIA = tuple(f"{SID}_room-7_{number}.ts" for number in range(3))


class Scene:
    """A recording whose bucket does not take the keys that it was started with."""

    def __init__(self, store: Store, s3: S3Server, spool: Spool, spec: RecordingSpec) -> None:
        self.store, self.s3, self.spool = store, s3, spool
        self.right = s3.storage
        self.spec = spec
        self.folder = spool.folder(SID)
        self.folder.make(seal(spec, FARM_KEY))
        store.heartbeat("a", 10, ttl_s=600)
        store.start(spec, SID)
        self.claim = store.claim(SID, "a", 600)
        for name in MEDIA:
            self.folder.file(name).write_bytes(name.encode())
        self.uploader = self.new_uploader()
        self.asked: list[tuple[str, bool]] = []

    def new_uploader(self) -> Uploader:
        return Uploader(self.store, self.spool, Outbox(self.store.client, Apps(())), Metrics())

    def keys(self, at_ns: int, **changes: Any) -> Storage:
        return self.right.model_copy(update={"renewed_ns": at_ns, **changes})

    def delivered(self) -> list[str]:
        return [name.removeprefix("a/b/") for name in self.s3.names()]

    def kept(self) -> RecordingSpec:
        text = self.folder.spec()
        assert text is not None
        return unseal(text, FARM_KEY)


@pytest.fixture
def scene(
    store: Store, s3: S3Server, tmp_path: Path, make_spec: Callable[..., RecordingSpec]
) -> Scene:
    wrong = s3.storage.model_copy(update={"secret_key": SecretStr(OLD)})
    spec = make_spec(SID, storage=wrong, quality_report=False)
    return Scene(store, s3, Spool(tmp_path / "spool"), spec)


@pytest.fixture
def farm(scene: Scene, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Farm:
    def deliver(_: Queues, sid: str, *, recut: bool = False) -> None:
        scene.asked.append((sid, recut))

    monkeypatch.setattr(Queues, "deliver", deliver)
    recuts = RecutControl(scene.store, scene.spool, FARM_KEY)
    outbox = Outbox(scene.store.client, Apps(()))
    return Farm(scene.store, Queues(make(redis_url)), StorageCheck(5.0), recuts, outbox)


def test_what_waits_goes_at_once_with_other_keys(scene: Scene, farm: Farm) -> None:
    for _ in range(2):
        scene.uploader.upload(SID, MEDIA[0])
    assert scene.uploader._patience.is_needed(scene.spec.storage)
    assert scene.delivered() == []
    farm.renew(SID, scene.keys(1))
    assert scene.asked == [(SID, False)]
    scene.uploader.upload(SID, "")  # what was asked for
    assert scene.delivered() == list(MEDIA)
    assert scene.kept().storage == farm.storage(SID) == scene.keys(1)


def test_they_are_nowhere_in_clear(scene: Scene, farm: Farm, capsys: Any) -> None:
    token = SecretStr("a session token that nobody may read")
    farm.renew(SID, scene.keys(1, session_token=token))
    scene.uploader.upload(SID, MEDIA[0])
    row = scene.store.client.hgetall(keys.recording(SID))
    text = f"{row} {(scene.folder.path / 'spec.json').read_text()} {capsys.readouterr().out}"
    assert SECRET_KEY not in text
    assert "nobody may read" not in text
    assert scene.kept().storage.session_token == token


def test_newer_keys_win_in_whatever_order_they_come(scene: Scene, farm: Farm) -> None:
    farm.renew(SID, scene.keys(2, access_key="two"))
    farm.renew(SID, scene.keys(1, access_key="one"))
    assert farm.storage(SID).access_key == "two"
    farm.renew(SID, scene.keys(3, access_key="three"))
    assert farm.storage(SID).access_key == "three"


def test_two_calls_at_once_lose_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials, sealed, calls = scene.store.credentials, scene.store.credentials.sealed, []

    def late(spec: RecordingSpec) -> str:
        calls.append(spec.storage.access_key)
        if len(calls) == 1:  # another one is faster
            credentials.renew(SID, scene.keys(5, access_key="five"))
        return sealed(spec)

    monkeypatch.setattr(credentials, "sealed", late)
    credentials.renew(SID, scene.keys(4, access_key="four"))
    assert scene.store.spec(SID).storage.access_key == "five"


def test_redis_that_lost_all_hears_of_them_from_the_spool(scene: Scene, farm: Farm) -> None:
    farm.renew(SID, scene.keys(1))
    scene.uploader.upload(SID, "")
    scene.store.client.flushall()
    restore(scene.store, scene.folder, FARM_KEY)
    assert scene.store.spec(SID).storage == scene.keys(1)


def test_a_recorder_that_reminds_redis_has_them_too(scene: Scene, farm: Farm) -> None:
    """It holds the keys that it began with."""
    farm.renew(SID, scene.keys(1))
    scene.uploader.upload(SID, "")
    newest = scene.store.credentials.newest(scene.spec, scene.folder.spec())
    assert newest == scene.spec.model_copy(update={"storage": scene.keys(1)})


def test_redis_of_a_moment_ago_hears_of_them_from_the_spool(scene: Scene, farm: Farm) -> None:
    before = scene.store.client.hget(keys.recording(SID), "spec")
    farm.renew(SID, scene.keys(1))
    scene.uploader.upload(SID, "")
    scene.store.client.hset(keys.recording(SID), "spec", before)
    name = "late.ts"
    scene.folder.file(name).write_bytes(b"late")
    scene.new_uploader().upload(SID, name)
    assert name in scene.delivered()
    assert farm.storage(SID) == scene.keys(1)


def test_keys_in_the_spool_that_cannot_be_read_are_no_keys(scene: Scene) -> None:
    other = scene.spec.model_copy(update={"storage": scene.keys(7)})
    scene.folder.respecify(seal(other, SecretStr("the key of another farm")))
    assert scene.store.credentials.newest(scene.spec, scene.folder.spec()) == scene.spec


def test_a_spool_of_an_older_version_has_the_first_keys(scene: Scene) -> None:
    text = seal(scene.spec, FARM_KEY).replace('"renewed_ns":0,', "")
    assert "renewed_ns" not in text
    assert renewed_ns(text) == 0
    assert unseal(text, FARM_KEY) == scene.spec


def test_a_folder_that_is_not_there_is_not_made(scene: Scene, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "gone")
    folder.respecify("{}")
    assert not folder.path.exists()


def test_recuts_take_them_too(scene: Scene, farm: Farm) -> None:
    cut = scene.spec.model_copy(update={"sid": CUT, "tape_of": SID})
    scene.store.recuts.begin(cut)
    scene.spool.folder(CUT).make(seal(cut, FARM_KEY))
    farm.renew(SID, scene.keys(1))
    assert scene.store.spec(CUT).storage == scene.keys(1)
    assert scene.asked == [(SID, False), (CUT, True)]


def test_what_has_ended_takes_none(scene: Scene, farm: Farm) -> None:
    scene.store.client.hset(keys.recording(SID), "state", State.ENDED.value)
    for sid in (SID, "f" * 32):
        with pytest.raises(NotFound):
            farm.renew(sid, scene.keys(1))
    assert scene.asked == []
