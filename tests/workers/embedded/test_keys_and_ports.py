"""Keys, ports, addresses and small files."""

import json
import os
import signal
import socket
import stat
import subprocess

import pytest

from workers.embedded import child_log
from workers.embedded.environment import plain, with_settings
from workers.embedded.errors import BadAddress, ComponentMissing, EmbeddedError, PortTaken
from workers.embedded.farm_json import Wiring, document
from workers.embedded.keys import Keys
from workers.embedded.ports import Ports, is_free
from workers.embedded.process import Child, command_line, mark
from workers.embedded.redis import find_redis
from workers.embedded.s3_address import S3Address


def test_keys_are_made_once_and_kept_for_their_owner_only(tmp_path):
    path = tmp_path / "keys.json"
    first = Keys.kept(path)
    assert Keys.kept(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(set(first.model_dump().values())) == len(Keys.model_fields)


def test_a_key_that_is_new_is_added_and_the_others_stay(tmp_path):
    path = tmp_path / "keys.json"
    old = json.loads(Keys.kept(path).model_dump_json())
    del old["farm_key"]
    path.write_text(json.dumps(old))
    new = Keys.kept(path)
    assert {**new.model_dump(), "farm_key": None} == {**old, "farm_key": None}
    assert Keys.kept(path) == new


@pytest.mark.parametrize("text", ["", "[]", '{"app_id": 5}', '{"unknown": "s3cret"}'])
def test_a_broken_file_of_keys_is_refused_without_telling_them(tmp_path, text):
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(EmbeddedError) as caught:
        Keys.kept(tmp_path / "keys.json")
    assert "s3cret" not in str(caught.value)
    assert (tmp_path / "keys.json").read_text() == text


def test_a_port_is_used_again_unless_somebody_took_it(tmp_path):
    first = Ports(tmp_path / "ports.json").pick("redis")
    assert Ports(tmp_path / "ports.json").pick("redis") == first
    with socket.socket() as other:
        other.bind(("127.0.0.1", first))
        other.listen()
        assert not is_free(first)
        moved = Ports(tmp_path / "ports.json").pick("redis")
        with pytest.raises(PortTaken):
            Ports(tmp_path / "ports.json").claim("api", first)
    assert moved != first
    assert Ports(tmp_path / "ports.json").known["redis"] == moved


def test_names_never_share_a_port(tmp_path):
    ports = Ports(tmp_path / "ports.json")
    picked = [ports.pick(f"n{number}") for number in range(40)]
    assert len(set(picked)) == 40


@pytest.mark.parametrize("text", ["{", "[1]", '{"redis": "6379"}', '{"redis": true}'])
def test_a_broken_file_of_ports_is_refused(tmp_path, text):
    (tmp_path / "ports.json").write_text(text)
    with pytest.raises(EmbeddedError):
        Ports(tmp_path / "ports.json")


def test_an_s3_address_is_read():
    found = S3Address.parse("https://AK:se%2Fcret@s3.example:9000/mine")
    assert found == S3Address("s3.example:9000", "AK", "se/cret", "mine", True)
    assert S3Address.parse("http://a:b@h").bucket == "recordings"
    assert "se/cret" not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        *("", "host:9000", "ftp://a:s3cret@h", "http://h:9000", "http://a@h", "http://a:s3cret@"),
        *("http://a:s3cret@h/b/c", "http://a:s3cret@h:port", "http://a:s3cret@[::1"),
    ],
)
def test_a_bad_s3_address_is_refused_without_telling_its_secret(url):
    with pytest.raises(BadAddress) as caught:
        S3Address.parse(url)
    assert "s3cret" not in str(caught.value)


def test_a_missing_redis_says_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ComponentMissing, match="--redis URL"):
        find_redis()


def test_an_old_redis_on_path_is_passed_over(monkeypatch, tmp_path):
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho Redis server v=5.0.14 sha=0\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert find_redis() != old


def test_settings_of_the_caller_pass_but_never_win(monkeypatch):
    monkeypatch.setenv("TAPEFARM_LOG_LEVEL", "debug")
    monkeypatch.setenv("TAPEFARM_SPOOL", "theirs")
    monkeypatch.setenv("RCLONE_AUTH_KEY", "x,y")
    env = with_settings({"spool": "ours"})
    assert env["TAPEFARM_LOG_LEVEL"] == "debug"
    assert env["TAPEFARM_SPOOL"] == "ours"
    assert not [name for name in plain() if name.startswith(("TAPEFARM_", "RCLONE_"))]
    assert "127.0.0.1" in env["NO_PROXY"].split(",")


def test_a_log_that_grew_is_moved_aside_under_a_writer(tmp_path):
    log = tmp_path / "x.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 100)
        assert child_log.trim(log, limit=100)
        writer.write(b"new\n")
    assert log.read_bytes() == b"new\n"
    assert (tmp_path / "x.log.1").read_bytes() == b"old\n" * 100
    assert not child_log.trim(log, limit=100)
    assert child_log.tail(tmp_path / "x.log.1", lines=2) == "old\nold"
    assert child_log.tail(tmp_path / "none") == ""


def test_farm_json_has_null_for_what_is_not_ours():
    wiring = Wiring(
        api="http://h:1",
        room=None,
        channel="janus+ws://h",
        redis="redis://h",
        s3=S3Address("h:9", "a", "b"),
        metrics={"api": "u0", "recorder-1": "u1", "recorder-2": "u2", "reconciler": "u3"},
    )
    rows = document(wiring, Keys(), {"api": 5, "recorder-1": 6, "cutter-1": 7})
    assert rows["pids"] == {
        "api": 5,
        "reconciler": None,
        "redis": None,
        "s3": None,
        "room": None,
        "recorder": [6],
        "cutter": [7],
        "uploader": [],
    }
    assert rows["metrics"]["recorder"] == ["u1", "u2"]
    assert rows["metrics"]["api"] == "u0"


def test_a_mark_names_one_process_and_ends_with_it(tmp_path):
    child = Child(["sleep", "100"], env=plain(), cwd=None, log=tmp_path / "log")
    first = mark(child.pid)
    assert first is not None
    assert first != mark(os.getpid())
    assert command_line(child.pid) == ("sleep", "100")
    assert not child.exited()
    child.ask()
    assert child.finish() in (-signal.SIGTERM, -signal.SIGKILL)
    assert mark(child.pid) is None
    assert child.exited()


def test_the_whole_group_ends_with_its_leader(tmp_path, until):
    child = Child(
        ["sh", "-c", "trap '' TERM; sleep 1000 & echo $!; exec sleep 1000"],
        env=plain(),
        cwd=None,
        log=tmp_path / "log",
    )
    until(lambda: (tmp_path / "log").read_text().endswith("\n"))
    grandchild = int((tmp_path / "log").read_text())
    assert mark(grandchild)
    child.finish()
    until(lambda: mark(grandchild) is None)


def test_help_comes_without_the_heavy_modules():
    code = (
        "import sys; from api.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'av', 'aiortc', 'celery', 'flask', 'numpy', 'minio'} & set(sys.modules)))"
    )
    out = subprocess.run(
        [os.sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert out.stdout.strip().endswith("[]")
