"""A farm whose recorder reaches publishers through a TURN server only, over TLS."""

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from media.judge import decode
from tests.e2e.farm import Farm, farm, until
from tests.receiver import Receiver, listening
from tests.turn import turn_server

pytestmark = [pytest.mark.e2e, pytest.mark.server]

PROMISED_S = 10.0
DELIVERED_S = 60.0  # a busy machine brings the event later


def test_an_outage_of_the_relay_is_told_and_survived(
    tmp_path: Path,
    need: Callable[[str], str],
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need("turnserver")
    ports = [free_port(), free_port()]

    def relay() -> Any:
        again = itertools.cycle(ports)
        return turn_server(tmp_path / "turn", need("turnserver"), lambda: next(again), "a-password")

    with relay() as server:  # it dies at once, and comes back later with the same certificate
        monkeypatch.setenv("TAPEFARM_ICE_SERVERS", server.settings("tls"))
        monkeypatch.setenv("TAPEFARM_MEDIA_CA_FILE", str(server.ca_file))
    monkeypatch.setenv("TAPEFARM_ICE_TRANSPORT_POLICY", "relay")
    with listening() as receiver:
        url = f"http://127.0.0.1:{receiver.server_address[1]}/hook"
        with (
            farm(tmp_path / "data", "--callback-url", url) as running,
            running.publisher("far", "7", "--pattern", "--video", "none"),
        ):
            request = {
                "recordingConfig": {"streamTypes": 0},
                "storageConfig": running.storage("far"),
            }
            recording = running.agora.start("far", "900", "individual", request)
            details, told_s = _error(receiver)
            assert told_s <= recording.started_s + PROMISED_S
            assert details["module"] == 0
            assert details["errorLevel"] < 5
            assert "publisher 7 cannot be heard" in details["errorMsg"]
            assert _troubles(running) == 1
            with relay():
                _wait_for_media(running)
                heard_s = time.time()
                until(heard_s + 5)
                status, answer = recording.stop()
            assert status == 200, answer
            (row,) = answer["serverResponse"]["fileList"]
            sound = [
                packet
                for _, data in running.bucket.segments(row["fileName"])
                for packet in decode.packets(data, "audio")
            ]
            assert len(sound) > 4 * 50
            assert _troubles(running) == 1
            logs = "".join(path.read_text() for path in (running.data / "logs").iterdir())
    assert "a publisher can be heard again" in logs
    assert "a-password" not in logs
    assert b"a-password" not in b"".join(raw for _, raw in receiver.got)


def _error(receiver: Receiver) -> tuple[dict[str, Any], float]:
    """The details of the error event, and when the recorder said so (Unix seconds)."""
    deadline_s = time.monotonic() + DELIVERED_S
    while True:
        rows = [json.loads(raw) for _, raw in list(receiver.got)]
        for row in rows:
            if row["eventType"] == 1:
                return row["payload"]["details"], row["payload"]["sendts"] / 1000
        assert time.monotonic() < deadline_s, rows
        time.sleep(0.05)


def _metric(running: Farm, name: str) -> float:
    (url,) = running.facts["metrics"]["recorder"]
    text = httpx.get(url, trust_env=False).text
    return next(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"tapefarm_{name}"
    )


def _troubles(running: Farm) -> float:
    return _metric(running, "recorder_troubles_total")


def _wait_for_media(running: Farm) -> None:
    deadline_s = time.time() + 30
    while not _metric(running, "recorder_packets_total"):
        assert time.time() < deadline_s
        time.sleep(0.1)
