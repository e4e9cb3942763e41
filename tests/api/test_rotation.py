"""Keys are changed under a running API."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from api.cli.entry import COMMAND
from tests.api.serving import FARM_KEY, serving, until

pytestmark = pytest.mark.server

OWN = {"app_id": "own", "customer_key": "own-key", "customer_secret": "own-hush"}
OLD, NEW = ("old-key", "old-hush"), ("new-key", "new-hush")
REFUSED = (401, {"message": "Invalid authentication credentials"})


def toml(*pairs: tuple[str, str]) -> str:
    rows = [
        f'[[apps.keys]]\ncustomer_key = "{key}"\ncustomer_secret = "{secret}"\n'
        for key, secret in pairs
    ]
    return '[[apps]]\napp_id = "filed"\n' + "".join(rows)


@dataclass
class Api:
    http: httpx.Client
    file: Path
    log: Path

    def replace(self, text: str) -> None:
        draft = self.file.with_name("draft")
        draft.write_text(text)
        draft.replace(self.file)

    def lets_in(self, pair: tuple[str, str], app_id: str = "filed") -> bool:
        """By a call that is refused for its resource ID, without any state behind it."""
        path = f"/v1/apps/{app_id}/cloud_recording/resourceid/x/sid/{'0' * 32}/mode/mix/query"
        answer = self.http.get(path, auth=pair)
        if answer.status_code == 400:
            assert answer.json()["code"] == 1001
            return True
        assert (answer.status_code, answer.json()) == REFUSED
        return False

    def complaints(self) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if "is not taken" in line]


@pytest.fixture
def api(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Api]:
    file, log = tmp_path / "apps.toml", tmp_path / "log"
    file.write_text(toml(OLD))
    settings = {
        "redis_url": "redis://127.0.0.1:9/0",  # nobody there, and nobody is asked
        "apps": json.dumps([OWN]),
        "apps_file": str(file),
        "requests_per_second": "0",
    }
    with serving(free_port(), log, **settings) as http:
        yield Api(http, file, log)


def test_a_key_is_rotated_and_a_broken_file_changes_nothing(api: Api) -> None:
    assert api.lets_in(OLD)
    assert not api.lets_in(NEW)
    api.replace(toml(OLD, NEW))
    until(lambda: api.lets_in(NEW))
    assert api.lets_in(OLD)
    api.replace(toml(NEW))
    until(lambda: not api.lets_in(OLD))
    assert api.lets_in(NEW)
    for broken in (toml(OLD)[:-9], "", toml(OLD) + toml(OLD)):
        before = len(api.complaints())
        api.file.write_text(broken)
        until(lambda before=before: not api.lets_in(OLD) and len(api.complaints()) > before)
        assert api.lets_in(NEW)
        assert not api.lets_in(OLD)
        assert len(api.complaints()) == before + 1
    api.replace(toml(OLD))
    until(lambda: api.lets_in(OLD))
    assert not api.lets_in(NEW)
    assert api.lets_in(("own-key", "own-hush"), "own")
    assert "hush" not in api.log.read_text()


def test_a_wrong_file_is_said_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "apps.toml"
    file.write_text(toml(OLD) + "max_streams = 0\n")
    settings = {"TAPEFARM_FARM_KEY": FARM_KEY, "TAPEFARM_APPS_FILE": str(file)}
    done = subprocess.run(
        [*COMMAND, "api"], env=os.environ | settings, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "max_streams" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stdout + done.stderr
