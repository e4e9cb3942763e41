"""What a farm tells while it works, and what it never tells."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.farm import Farm, farm, until
from tests.receiver import Receiver, listening
from workers.callbacks.notice import signatures

pytestmark = [pytest.mark.e2e, pytest.mark.server]

TOKEN = "a-channel-token-nobody-may-see"
EXAMPLES = Path(__file__).parent.parent / "api" / "agora_examples"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Farm, Receiver, str]]:
    """A farm with a receiver, after one individual recording of 6 s."""
    with listening() as receiver:
        url = f"http://127.0.0.1:{receiver.server_address[1]}/hook"
        data = tmp_path_factory.mktemp("told") / "data"
        with farm(data, "--callback-url", url) as running:
            request = {
                "token": TOKEN,
                "recordingConfig": {"streamTypes": 0},
                "storageConfig": running.storage("told"),
            }
            with running.publisher("told", "7", "--pattern", "--video", "none"):
                recording = running.agora.start("told", "900", "individual", request)
                statuses = set()
                while time.time() < recording.started_s + 6:
                    status, answer = recording.query()
                    assert status == 200
                    statuses.add(answer["serverResponse"]["status"])
                    time.sleep(0.3)
                assert statuses <= {1, 2, 3, 4, 5}
                until(recording.started_s + 6)
                status, answer = recording.stop()
                assert status == 200, answer
            assert recording.query() == (404, {"code": 404, "reason": "failed to find worker"})
            yield running, receiver, recording.sid


def test_each_event_arrives_signed_in_the_documented_shape(
    told: tuple[Farm, Receiver, str],
) -> None:
    running, receiver, sid = told
    seen = _events(receiver, {40, 42, 4, 41, 31, 11})
    secret = running.facts["callback_secret"]
    for headers, raw in receiver.got:
        assert headers["Agora-Signature-V2"] == signatures(raw, secret)["Agora-Signature-V2"]
    reference = json.loads((EXAMPLES / "callbacks.json").read_text())["events"]
    samples = {row["event"]: row["body"]["payload"] for row in reversed(reference)}
    for number, payload in seen.items():
        assert payload.keys() == samples[number].keys()
        # Real traffic names the time of 43 and 44 otherwise than the documents (reference §10, 12).
        assert payload["details"].keys() - {"utcMs"} == samples[number]["details"].keys()
        assert (payload["sid"], payload["cname"], payload["uid"]) == (sid, "told", "900")
    index = f"told/{sid}_told__uid_s_7__uid_e_audio.m3u8"
    assert seen[4]["details"]["fileList"] == index
    assert seen[31]["details"]["fileList"][0]["fileName"] == index
    assert seen[41]["details"]["leaveCode"] == 24
    assert seen[42]["details"]["streamUid"] == "7"
    order = sorted(seen, key=lambda number: seen[number]["sequence"])
    assert order[0] == 40
    assert order.index(41) < order.index(31) < order.index(11)


def _events(receiver: Receiver, wanted: set[int]) -> dict[int, dict[str, Any]]:
    deadline = time.monotonic() + 20
    while True:
        rows = [json.loads(raw) for _, raw in list(receiver.got)]
        seen = {row["eventType"]: row["payload"] for row in rows}
        if wanted <= seen.keys() or time.monotonic() > deadline:
            assert wanted <= seen.keys()
            return seen
        time.sleep(0.1)


def test_the_quality_report_stands_beside_the_files(
    told: tuple[Farm, Receiver, str],
) -> None:
    running, receiver, sid = told
    told_ms = {number: row["sendts"] for number, row in _events(receiver, {40, 41}).items()}
    length_s = (told_ms[41] - told_ms[40]) / 1000
    document = json.loads(running.bucket.get(f"told/{sid}_told_report.json"))
    assert running.bucket.content_type(f"told/{sid}_told_report.json") == "application/json"
    names = [name for name in running.bucket.names("told/") if not name.endswith("_report.json")]
    assert [file["name"] for file in document["files"]] == names
    for file in document["files"]:
        data = running.bucket.get(file["name"])
        assert (file["size"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    (publisher,) = document["publishers"]
    (track,) = publisher["tracks"]
    assert (publisher["uid"], track["source"], track["codecs"]) == ("7", "microphone", ["opus"])
    assert track["received_s"] == track["expected_s"] == pytest.approx(length_s, abs=0.6)
    assert track["packets"]["received"] >= 250
    assert track["packets"]["lost"] == 0
    assert track["gaps"] == []
    url = f"{running.facts['api']}/console/api/recordings/{sid}/report"
    auth = (running.facts["customer_key"], running.facts["customer_secret"])
    answer = httpx.get(url, auth=auth, trust_env=False)
    assert (answer.status_code, answer.json()) == (200, document)


def test_the_metrics_of_every_stage_have_counted(told: tuple[Farm, Receiver, str]) -> None:
    facts = told[0].facts["metrics"]
    urls = [facts["api"], facts["reconciler"]]
    urls += [url for role in ("recorder", "cutter", "uploader") for url in facts[role]]
    values: dict[str, float] = {}
    for url in urls:
        for family in text_string_to_metric_families(httpx.get(url, trust_env=False).text):
            for sample in family.samples:
                values[sample.name] = values.get(sample.name, 0) + sample.value
    for name in (
        "recorder_slots",
        "recorder_packets_total",
        "recorder_loop_lag_seconds_count",
        "recording_start_seconds_count",
        "recording_finish_seconds_count",
        "slices_taped_total",
        "tape_bytes_total",
        "slices_total",
        "slice_cut_seconds_count",
        "slice_media_seconds_total",
        "uploads_total",
        "upload_seconds_count",
        "upload_bytes_total",
        "callbacks_total",
        "api_request_seconds_count",
    ):
        assert values.get(f"tapefarm_{name}", 0) > 0, name
    assert values["tapefarm_recordings_active"] == 0
    assert {"tapefarm_queue_depth", "tapefarm_spool_bytes", "tapefarm_tape_backlog_seconds"} <= (
        values.keys()
    )
    assert values["tapefarm_recorder_packets_total"] >= 250


def test_secrets_are_in_no_log_no_metric_and_not_on_the_spool(
    told: tuple[Farm, Receiver, str],
) -> None:
    running, receiver, _ = told
    secrets = [TOKEN, running.facts["s3"]["secret_key"], running.facts["callback_secret"]]
    places = [path for folder in ("logs", "spool", "redis") for path in _files(running, folder)]
    text = [path.read_bytes() for path in places]
    text += [raw for _, raw in receiver.got]
    for secret in secrets:
        assert not [i for i, data in enumerate(text) if secret.encode() in data]


def _files(running: Farm, folder: str) -> list[Path]:
    return [path for path in (running.data / folder).rglob("*") if path.is_file()]
