"""What Redis does not know of, and what the spool does not show for a while."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.workers.grown import FARM_KEY
from tests.workers.test_recuts import CUT, GONE, PARENT, Scene, scene
from workers.job.sealed import seal, seal_text, unseal, unseal_text
from workers.job.spec import RecordingSpec, Storage
from workers.job.state import State
from workers.spool.document import Stored, read

__all__ = ["scene"]  # a fixture

pytestmark = pytest.mark.server
Make = Callable[..., RecordingSpec]
HIDDEN = "nobody may read this"


def test_a_mount_that_is_away_fails_no_recut(scene: Scene, tmp_path: Path) -> None:
    scene.taped()
    scene.cut()
    scene.look()
    root, disk = tmp_path / "spool", tmp_path / "disk"
    root.rename(disk)
    root.mkdir()  # where it was mounted
    for _ in range(3):
        scene.look()
    root.rmdir()
    disk.rename(root)
    assert scene.row().state is State.DELIVERING
    assert (scene.row().units_sealed, scene.folder.path.exists()) == (3, True)


@pytest.mark.parametrize("gone", [PARENT, CUT])
def test_one_of_two_that_is_gone_fails_a_recut(scene: Scene, gone: str) -> None:
    scene.taped()
    scene.cut()
    shutil.rmtree(scene.spool.folder(gone).path)
    scene.look()
    assert (scene.row().state, scene.row().reason) == (State.FAILED, GONE)


def forget(scene: Scene) -> None:
    scene.store.client.flushall()


def test_what_redis_forgot_is_restored_after_two_looks(scene: Scene) -> None:
    scene.taped()
    forget(scene)
    scene.housekeeping.look()
    assert scene.store.row(PARENT) is None
    scene.housekeeping.look()
    assert scene.store.row(PARENT) is not None


def test_two_looks_are_no_two_when_there_is_an_hour_between(scene: Scene) -> None:
    """Meanwhile another process looked, which died since."""
    scene.taped()
    forget(scene)
    scene.housekeeping.look()
    scene.housekeeping._until_s -= 3600
    scene.housekeeping.look()
    assert scene.store.row(PARENT) is None
    scene.housekeeping.look()
    assert scene.store.row(PARENT) is not None


def test_one_that_cannot_be_restored_does_not_keep_the_others(scene: Scene) -> None:
    scene.taped()
    forget(scene)
    scene.spool.folder("!").make("{}")
    for _ in range(2):
        scene.housekeeping.look()
    assert scene.store.row(PARENT) is not None


def of_another_version(spec: RecordingSpec) -> str:
    """Its storage has a field more and one less."""
    rows = json.loads(seal(spec, FARM_KEY))
    secret = json.loads(unseal_text(rows["sealed"], FARM_KEY))
    secret["storage"]["another_key"] = HIDDEN
    secret["storage"]["secret_key"] = [HIDDEN]
    del secret["storage"]["endpoint"]
    rows["sealed"] = seal_text(json.dumps(secret), FARM_KEY)
    return json.dumps(rows)


def test_what_cannot_be_read_is_not_printed(
    scene: Scene, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    scene.taped()
    text = of_another_version(scene.spec)
    (scene.folder.path / "spec.json").write_text(text)
    forget(scene)
    for _ in range(2):
        scene.housekeeping.look()
    printed = capsys.readouterr()
    said = printed.out + printed.err + caplog.text
    assert "cannot be read" in said
    assert "ValidationError" in said
    assert "SECRETEXAMPLE" not in said
    assert HIDDEN[:6] not in said
    with pytest.raises(ValidationError) as failed:
        unseal(text, FARM_KEY)
    assert HIDDEN[:6] not in str(failed.value)


class _Kept(Stored):
    storage: Storage


def test_nor_is_a_document_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"storage": HIDDEN}))
    with pytest.raises(ValidationError) as failed:
        read(tmp_path / "a.json", _Kept)
    assert HIDDEN[:6] not in str(failed.value)
