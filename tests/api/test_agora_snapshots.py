"""Screenshots: what start takes, and what query and stop leave out."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.api.farm import Farm, error, start_body
from workers.job.spec import RecordingSpec
from workers.job.state import State
from workers.job.status import FileEntry

EXAMPLES = Path(__file__).parent / "agora_examples"
JPG = {"snapshotConfig": {"fileType": ["jpg"]}}
FILES = {"recordingFileConfig": {"avFileType": ["hls"]}}


def spec_of(farm: Farm, client: dict[str, Any]) -> RecordingSpec:
    answer = farm.start(farm.acquire(), client, mode="individual")
    assert answer.status_code == 200, answer.json
    return farm.control.specs[answer.json["sid"]]


def example(name: str) -> dict[str, Any]:
    return dict(json.loads((EXAMPLES / f"{name}.json").read_text()))


def test_a_request_that_says_nothing_of_files_wants_pictures_only(farm: Farm) -> None:
    client = example("start-individual-snapshot-only")["request"]["body"]["clientRequest"]
    spec = spec_of(farm, client)
    assert (spec.files, spec.snapshot_s) == (False, 5)


def test_files_and_pictures_together(farm: Farm) -> None:
    client = example("start-individual-record-and-snapshot")["request"]["body"]["clientRequest"]
    spec = spec_of(farm, client)
    assert (spec.files, spec.snapshot_s) == (True, 10)


def test_without_snapshot_config_there_are_files_and_no_pictures(farm: Farm) -> None:
    spec = spec_of(farm, start_body())
    assert (spec.files, spec.snapshot_s) == (True, 0)


@pytest.mark.parametrize(("given", "interval_s"), [({}, 10), ({"captureInterval": 1}, 1)])
def test_the_interval_has_a_default_and_may_be_a_second(
    farm: Farm, given: dict[str, int], interval_s: int
) -> None:
    config = {"snapshotConfig": {"fileType": ["jpg"], **given}}
    assert spec_of(farm, start_body() | config).snapshot_s == interval_s


@pytest.mark.parametrize(
    ("recording", "field"),
    [
        ({"streamTypes": 0}, "recordingConfig.streamTypes"),
        ({"subscribeAudioUids": ["1"]}, "recordingConfig.subscribeVideoUids"),
        ({"unSubscribeAudioUids": ["1"]}, "recordingConfig.subscribeVideoUids"),
    ],
)
def test_pictures_need_somebodys_video(farm: Farm, recording: dict[str, Any], field: str) -> None:
    answer = farm.start(farm.acquire(), start_body(**recording) | JPG | FILES, mode="individual")
    assert error(answer) == (400, 2)
    assert field in answer.json["reason"]
    assert not farm.control.specs


def test_lists_for_both_media_are_taken(farm: Farm) -> None:
    lists = {"subscribeAudioUids": ["1"], "subscribeVideoUids": ["#allstream#"]}
    assert spec_of(farm, start_body(**lists) | JPG).snapshot_s == 10


@pytest.mark.parametrize("files", [{}, FILES])
def test_query_and_stop_have_no_list_of_files(farm: Farm, files: dict[str, Any]) -> None:
    resource_id = farm.acquire()
    answer = farm.start(resource_id, start_body() | JPG | files, mode="individual")
    sid = str(answer.json["sid"])
    expected = example("query-individual-snapshot")["responses"][0]["body"]
    farm.control.move(sid, State.RECORDING)
    waiting = farm.query(resource_id, sid, "individual").json["serverResponse"]
    assert waiting == {"status": 4, "sliceStartTime": 0}
    began_ms = expected["serverResponse"]["sliceStartTime"]
    farm.control._rows[sid] = replace(farm.control._rows[sid], slice_start_ms=began_ms)
    asked = farm.query(resource_id, sid, "individual").json
    assert asked == expected | {"resourceId": resource_id, "sid": sid}


def test_stop_tells_of_the_upload_only(farm: Farm) -> None:

    resource_id = farm.acquire()
    answer = farm.start(resource_id, start_body() | JPG | FILES, mode="individual")
    sid = str(answer.json["sid"])
    farm.control.move(sid, State.RECORDING)
    farm.control.deliver(sid, FileEntry("x.m3u8", "audio", "1", False, True, 1))
    expected = example("stop-individual-snapshot")["responses"][0]["body"]
    stopped = farm.stop(resource_id, sid, "individual")
    assert stopped.json == expected | {"resourceId": resource_id, "sid": sid}
