"""A whole farm, its own processes replaced by stand-ins."""

import json
import os
import signal
import socket
import stat
import time

import pytest
import redis
from minio import Minio

from workers.embedded.process import mark

pytestmark = pytest.mark.server

KEYS = {
    *("api", "app_id", "customer_key", "customer_secret", "videosdk", "realtimekit", "s3"),
    *("room", "channel", "redis", "callback_secret", "metrics", "pids"),
}


def test_farm_json_tells_scripts_all_they_need(farm):
    one = farm(recorders=2)
    line = one.wait_up()
    rows = one.json
    assert set(rows) == KEYS
    assert line == f"tapefarm is up: {rows['api']}"
    assert set(rows["videosdk"]) == {"api_key", "secret"}
    assert set(rows["realtimekit"]) == {"account_id", "app_id", "api_token"}
    assert set(rows["s3"]) == {"endpoint", "access_key", "secret_key", "bucket", "secure"}
    assert rows["channel"] == f"room+{rows['room']}"
    assert len(rows["metrics"]["recorder"]) == len(rows["pids"]["recorder"]) == 2
    assert all(type(rows["pids"][name]) is int for name in ("api", "redis", "s3", "room"))
    assert stat.S_IMODE((one.data / "farm.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((one.data / "keys.json").stat().st_mode) == 0o600
    assert redis.Redis.from_url(rows["redis"]).ping()
    s3 = rows["s3"]
    client = Minio(
        endpoint=s3["endpoint"],
        access_key=s3["access_key"],
        secret_key=s3["secret_key"],
        secure=s3["secure"],
    )
    assert client.bucket_exists(bucket_name=s3["bucket"])


def test_every_process_leads_its_own_group(farm):
    one = farm()
    one.wait_up()
    assert all(os.getpgid(pid) == pid for pid in one.pids)


def test_a_stop_goes_from_the_api_down_and_leaves_no_process(farm, tmp_path):
    one = farm()
    one.wait_up()
    marks = one.marks()
    assert one.stop() == 0, one.errors()
    assert not [pid for pid, was in marks.items() if mark(pid) == was]
    lines = [line.split() for line in (tmp_path / "trace").read_text().splitlines()]
    asked = [role for _at, what, role in lines if what == "asked"]
    assert asked == ["api", "recorder", "cutter", "uploader", "reconciler", "room"]
    ended = {role: int(at) for at, what, role in lines if what == "ended"}
    asked_at = {role: int(at) for at, what, role in lines if what == "asked"}
    assert ended["api"] <= asked_at["recorder"]
    assert one.json["pids"]["redis"] is None
    assert not list((one.data / "run").glob("*.pid"))


@pytest.mark.parametrize("inherited", [signal.SIG_DFL, signal.SIG_IGN], ids=["shell", "job"])
def test_ctrl_c_stops_it_too(farm, inherited):
    """Also a background job of a shell, which is started with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, inherited)
    try:
        one = farm()
    finally:
        signal.signal(signal.SIGINT, before)
    one.wait_up()
    one.process.send_signal(signal.SIGINT)
    assert one.wait() == 0


@pytest.mark.parametrize("role", ["recorder", "redis", "s3", "api"])
def test_what_is_killed_is_started_again_and_farm_json_says_so(farm, until, role):
    one = farm()
    one.wait_up()

    def pid_of(rows):
        pid = rows["pids"][role]
        return pid[0] if isinstance(pid, list) else pid

    before = one.json
    os.kill(pid_of(before), signal.SIGKILL)
    until(lambda: pid_of(one.json) not in (None, pid_of(before)))
    after = one.json
    assert {**after, "pids": None} == {**before, "pids": None}
    until(lambda: redis_answers(after["redis"]))
    until(lambda: listens(after["s3"]["endpoint"]))
    assert one.stop() == 0


def test_nothing_survives_a_killed_supervisor_and_a_new_one_goes_on(farm, until):
    one = farm(env={"STANDIN_DEAF": "cutter"})
    one.wait_up()
    before, marks = one.json, one.marks()
    redis.Redis.from_url(before["redis"]).set("kept", "yes")
    time.sleep(1.2)  # appendfsync everysec: what is older than a second is on disk
    one.process.kill()
    one.wait()
    until(lambda: not [pid for pid, was in marks.items() if mark(pid) == was])
    again = farm()
    again.wait_up()
    assert {**again.json, "pids": None} == {**before, "pids": None}
    assert redis.Redis.from_url(before["redis"]).get("kept") == b"yes"
    assert again.stop() == 0


def test_a_new_supervisor_ends_what_a_killed_one_left_and_uses_its_ports(farm):
    one = farm(env={"STANDIN_DEAF": "recorder"})
    one.wait_up()
    before, marks = one.json, one.marks()
    one.process.kill()
    again = farm()  # at once: the old ones may still be there
    again.wait_up()
    one.wait()
    assert {**again.json, "pids": None} == {**before, "pids": None}
    assert not [pid for pid, was in marks.items() if mark(pid) == was]
    assert again.stop() == 0


def test_a_process_that_only_has_an_old_pid_is_left_alone(farm, tmp_path):
    run = tmp_path / "data" / "run"
    run.mkdir(parents=True)
    row = {"pid": os.getpid(), "mark": "boot/1", "argv": ["redis-server"], "supervisor": "x"}
    (run / "redis.pid").write_text(json.dumps(row))
    (run / "api.pid").write_text("not json")
    one = farm()
    one.wait_up()  # we are still here
    assert one.stop() == 0


def test_a_second_farm_on_the_same_data_is_refused(farm):
    farm().wait_up()
    second = farm()
    assert second.wait() == 1
    assert (
        "AlreadyRunning: a farm already runs on" in (second.data.parent / "data.stderr").read_text()
    )


def test_a_taken_port_is_refused_before_anything_starts(farm, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        one = farm(port=other.getsockname()[1])
        assert one.wait() == 1
    assert "PortTaken" in (tmp_path / "data.stderr").read_text()
    assert not (tmp_path / "trace").exists()


def test_a_part_that_keeps_dying_ends_the_start_with_the_reason(farm, tmp_path):
    one = farm(env={"STANDIN_BROKEN": "cutter"})
    assert one.wait() == 1
    errors = (tmp_path / "data.stderr").read_text()
    assert "PartFailed: cutter-1 does not come up" in errors
    assert "cutter is broken on purpose" in errors
    assert not (tmp_path / "data" / "farm.json").exists()


def test_a_deaf_part_is_killed_with_all_of_its_group(farm):
    one = farm(env={"STANDIN_DEAF": "reconciler"})
    one.wait_up()
    assert one.stop() == 0
    assert "did not stop in time and is killed" in (one.data.parent / "data.stderr").read_text()


def test_given_stores_are_used_and_not_started(farm):
    first = farm()
    first.wait_up()
    rows = first.json
    s3 = rows["s3"]
    url = f"http://{s3['access_key']}:{s3['secret_key']}@{s3['endpoint']}/elsewhere"
    second = farm(name="other", redis=rows["redis"], s3=url, channel=rows["channel"])
    second.wait_up()
    assert [second.json["pids"][name] for name in ("redis", "s3", "room")] == [None, None, None]
    assert second.json["s3"] == {**s3, "bucket": "elsewhere"}
    assert second.json["room"] is None
    assert second.stop() == 0
    assert first.stop() == 0


def redis_answers(url):
    try:
        return redis.Redis.from_url(url).ping()
    except redis.RedisError:
        return False


def listens(endpoint):
    host, _, port = endpoint.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
