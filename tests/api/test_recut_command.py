"""``tapefarm recut``: what it says when there is no recut in the end."""

import json
from pathlib import Path

import pytest

from api.cli.recut import Failed, recut
from api.console.client import ConsoleClient


def test_a_recut_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"api": "http://127.0.0.1:9", "customer_key": "k", "customer_secret": "s"}
    (tmp_path / "farm.json").write_text(json.dumps(facts))
    failed = {"sid": "1" * 32, "state": "failed", "reason": "the tape is gone"}
    monkeypatch.setattr(ConsoleClient, "recut", lambda *_: (202, {"sid": "1" * 32}))
    monkeypatch.setattr(ConsoleClient, "recording", lambda *_: (200, failed))
    said: list[str] = []
    with pytest.raises(Failed, match="the tape is gone"):
        recut(tmp_path, "0" * 32, {}, wait=True, say=said.append)
    assert json.loads(said[0]) == failed
