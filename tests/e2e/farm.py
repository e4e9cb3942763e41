"""A whole farm of its own for a test: real Redis, real S3 API, real packets on loopback."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3
from minio import Minio
from minio.error import MinioException

from api.agora.client import AgoraClient

COMMAND = (sys.executable, "-P", "-m", "api.cli")


@dataclass
class Farm:
    """A running ``tapefarm up``."""

    data: Path
    process: subprocess.Popen[str]
    facts: dict[str, Any]
    killed: bool = False  # by the test, on purpose
    agora: AgoraClient = field(init=False)
    bucket: "Bucket" = field(init=False)

    def __post_init__(self) -> None:
        facts = self.facts
        self.agora = AgoraClient(
            facts["api"], facts["app_id"], facts["customer_key"], facts["customer_secret"]
        )
        self.bucket = Bucket(facts["s3"])

    def storage(self, *prefix: str) -> dict[str, Any]:
        """A ``storageConfig`` for the farm's own bucket."""
        s3 = self.facts["s3"]
        scheme = "https" if s3["secure"] else "http"
        return {
            "vendor": 11,
            "region": 0,
            "bucket": s3["bucket"],
            "accessKey": s3["access_key"],
            "secretKey": s3["secret_key"],
            "fileNamePrefix": list(prefix),
            "extensionParams": {"endpoint": f"{scheme}://{s3['endpoint']}"},
        }

    @contextmanager
    def publisher(self, cname: str, uid: str, *options: str) -> "Iterator[Publisher]":
        """A ``tapefarm publish`` that is connected."""
        publisher = Publisher(self.facts["channel"], cname, uid, *options)
        try:
            publisher.wait_ready()
            yield publisher
        finally:
            publisher.leave()

    def reload(self) -> None:
        """Read farm.json again."""
        self.facts = json.loads((self.data / "farm.json").read_text())

    def kill_owner(self, sid: str) -> None:
        """Kill the recorder process that tapes a recording."""
        self.reload()
        for pid in self.facts["pids"]["recorder"]:
            files = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
            if any(f"/{sid}/tape/" in name for name in files):
                os.kill(pid, signal.SIGKILL)
                return
        pytest.fail("no recorder has the tape open")

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """End it; returns the exit code."""
        self.agora.close()
        if self.process.poll() is None:
            self.process.send_signal(sig)
        return self.process.wait(timeout=90)


class Bucket:
    """What the customer sees."""

    def __init__(self, s3: dict[str, Any]) -> None:
        self._name = s3["bucket"]
        self._client = Minio(
            endpoint=s3["endpoint"],
            access_key=s3["access_key"],
            secret_key=s3["secret_key"],
            secure=s3["secure"],
            region="us-east-1",
            http_client=urllib3.PoolManager(timeout=10, retries=False),
        )

    def names(self, prefix: str = "") -> list[str]:
        """Object keys."""
        objects = self._client.list_objects(bucket_name=self._name, prefix=prefix, recursive=True)
        return sorted(str(row.object_name) for row in objects)

    def get(self, key: str) -> bytes:
        """An object's bytes.  Raises KeyError."""
        try:
            answer = self._client.get_object(bucket_name=self._name, object_name=key)
        except MinioException as exc:
            raise KeyError(key) from exc
        with answer:
            return answer.read()

    def content_type(self, key: str) -> str:
        """What the bucket says about an object."""
        found = self._client.stat_object(bucket_name=self._name, object_name=key)
        return str(found.content_type)

    def segments(self, playlist: str) -> list[tuple[str, bytes]]:
        """Key and bytes of each segment that a playlist names."""
        folder = playlist.rpartition("/")[0]
        prefix = f"{folder}/" if folder else ""
        lines = self.get(playlist).decode().splitlines()
        return [
            (prefix + line, self.get(prefix + line))
            for line in lines
            if line and not line.startswith("#")
        ]


class Publisher:
    """A ``tapefarm publish`` process."""

    def __init__(self, channel: str, cname: str, uid: str, *options: str) -> None:
        self.uid = uid
        self.ready: dict[str, Any] = {}
        self._process = subprocess.Popen(
            [*COMMAND, "publish", "--channel", channel, "--cname", cname, "--uid", uid, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"NO_PROXY": "127.0.0.1"},
        )

    def wait_ready(self) -> None:
        """Until it sends."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"publisher {self.uid} did not connect"
        self.ready = json.loads(line)

    def say(self, command: str) -> None:
        """``mute audio``, ``unmute audio``, …"""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def leave(self) -> None:
        """Leave the channel and end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=15)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def farm(data: Path, *options: str) -> Iterator[Farm]:
    """``tapefarm up`` on a folder, and its end."""
    process = subprocess.Popen(
        [*COMMAND, "up", "--data", str(data), "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    running: Farm | None = None
    try:
        line = process.stdout.readline()
        assert line.startswith("tapefarm is up: "), f"up said {line!r}; see {data}/logs"
        running = Farm(data, process, json.loads((data / "farm.json").read_text()))
        yield running
    finally:
        code = running.stop() if running else _kill(process)
        process.stdout.close()
    assert code == (-signal.SIGKILL if running and running.killed else 0), f"up ended with {code}"


def _kill(process: "subprocess.Popen[str]") -> int:
    process.terminate()
    return process.wait(timeout=90)


def until(moment_s: float) -> None:
    """Sleep until a Unix time: the media under test runs on the wall clock."""
    time.sleep(max(0.0, moment_s - time.time()))
