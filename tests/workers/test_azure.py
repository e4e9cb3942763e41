"""A container of Azure's, as files come to it."""

import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import md5 as _md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.azure import ACCOUNT, CONTAINER, KEY, Azurite, azurite
from workers.job.errors import StorageRefused, StorageUnavailable, UploadLost
from workers.job.spec import Storage
from workers.storage.bucket import SMALLEST_PART, Bucket, Part, Receipt
from workers.storage.opening import Buckets

pytestmark = pytest.mark.server

MP4 = "video/mp4"
md5 = partial(_md5, usedforsecurity=False)


@pytest.fixture(scope="module")
def server(need: Callable[[str], str]) -> Iterator[Azurite]:
    with azurite(need) as running:
        yield running


@pytest.fixture
def bucket(server: Azurite) -> Bucket:
    return Buckets().open(storage(server))


def storage(server: Azurite, **changes: Any) -> Storage:
    fields: dict[str, Any] = {
        "kind": "azure",
        "endpoint": server.address,
        "secure": False,
        "bucket": CONTAINER,
        "access_key": ACCOUNT,
        "secret_key": SecretStr(KEY),
        "prefix": "a/b/",
    }
    return Storage(**fields | changes)


def test_a_file_is_put_with_its_type_and_md5(
    server: Azurite, bucket: Bucket, tmp_path: Path
) -> None:
    path = tmp_path / "x.ts"
    path.write_bytes(b"media")
    receipt = bucket.put("x.ts", path, "video/mp2t")
    assert receipt == bucket.find("x.ts") == Receipt(5, receipt.etag)
    assert server.get("a/b/x.ts") == b"media"
    found = server.container.get_blob_client("a/b/x.ts").get_blob_properties()
    assert found.content_settings.content_type == "video/mp2t"
    assert bytes(found.content_settings.content_md5) == md5(b"media").digest()
    path.write_bytes(b"media that grew")
    assert bucket.put("x.ts", path, "video/mp2t").size == 15
    assert server.get("a/b/x.ts") == b"media that grew"
    assert bucket.find("y.ts") is None


def test_a_large_file_is_sent_in_blocks(server: Azurite, bucket: Bucket, tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    with path.open("wb") as file:
        file.truncate(65 << 20)
    assert bucket.put("large.mp4", path, MP4).size == 65 << 20
    assert server.content_type("a/b/large.mp4") == MP4
    server.container.delete_blob("a/b/large.mp4")


def test_parts_may_come_in_any_order_and_twice(server: Azurite, bucket: Bucket) -> None:
    uploads = bucket.multipart()
    upload = uploads.begin("x.mp4", MP4)
    sent = {number: uploads.part("x.mp4", upload, number, b"%d" % number) for number in (3, 1, 2)}
    assert sent[1] == Part(1, 1, md5(b"1").hexdigest(), sent[1].etag)
    sent[2] = uploads.part("x.mp4", upload, 2, b"two")
    receipt = uploads.complete("x.mp4", upload, [sent[1], sent[2], sent[3]])
    assert (receipt.size, server.get("a/b/x.mp4")) == (5, b"1two3")
    assert server.content_type("a/b/x.mp4") == MP4
    again = uploads.complete("x.mp4", upload, [sent[1], sent[2], sent[3]])
    assert (again.size, server.get("a/b/x.mp4")) == (5, b"1two3")


def test_an_upload_that_is_begun_anew_takes_no_old_parts(server: Azurite, bucket: Bucket) -> None:
    uploads = bucket.multipart()
    first, second = (uploads.begin("y.mp4", MP4) for _ in range(2))
    old = uploads.part("y.mp4", first, 1, b"old" * SMALLEST_PART)
    new = uploads.part("y.mp4", second, 1, b"new")
    assert uploads.unfinished("y.mp4") == []
    uploads.abort("y.mp4", first)
    uploads.complete("y.mp4", second, [new])
    assert server.get("a/b/y.mp4") == b"new"
    with pytest.raises(UploadLost):
        uploads.complete("y.mp4", first, [old])


def test_parts_that_the_container_does_not_have_are_lost(bucket: Bucket) -> None:
    uploads = bucket.multipart()
    upload = uploads.begin("z.mp4", MP4)
    part = uploads.part("z.mp4", upload, 1, b"x")
    with pytest.raises(UploadLost):
        uploads.complete("z.mp4", upload, [part, Part(2, 1, part.md5, "bm9zdWNo")])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"secret_key": SecretStr("d3Jvbmc=")}, "Auth"),
        ({"secret_key": SecretStr("no base64!")}, "Auth|key"),
        ({"bucket": "nosuchcontainer"}, "ContainerNotFound"),
        ({"access_key": "nobody"}, "NotFound|Auth"),
    ],
    ids=["wrong key", "no key", "no container", "no account"],
)
def test_what_cannot_be_used_is_refused_with_its_reason(
    server: Azurite, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    wrong = storage(server, **changes)
    with pytest.raises(StorageRefused, match=reason):
        Buckets().open(wrong).check()
    path = tmp_path / "x.ts"
    path.write_bytes(b"x")
    with pytest.raises(StorageRefused, match=reason):
        Buckets().open(wrong).put("x.ts", path, "video/mp2t")


def test_one_that_is_not_there_is_unavailable(
    server: Azurite, free_port: Callable[[], int]
) -> None:
    with pytest.raises(StorageUnavailable):
        Buckets().open(storage(server, endpoint=f"127.0.0.1:{free_port()}")).check()


def test_one_that_says_nothing_is_given_up(server: Azurite) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        bucket = Buckets().open(storage(server, endpoint=address), read_s=0.2)
        with pytest.raises(StorageUnavailable):
            bucket.check()


def test_proxies_of_the_environment_are_none_of_its_business(
    server: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with S3: where files go is what the storage says."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    Buckets().open(storage(server)).check()


def test_damage_on_the_way_is_seen(server: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure compares the MD5 that goes with each request."""
    bucket = Buckets().open(storage(server))
    monkeypatch.setattr(
        "azure.storage.blob._shared.policies.calculate_content_md5",
        lambda _: md5(b"something else").digest(),
    )
    uploads = bucket.multipart()
    with pytest.raises((StorageRefused, StorageUnavailable), match=r"Md5Mismatch|InvalidOperation"):
        uploads.part("d.mp4", uploads.begin("d.mp4", MP4), 1, b"x")


@pytest.mark.parametrize("status", [200, 302, 307])
def test_another_server_is_unavailable_and_sends_us_nowhere(tmp_path: Path, status: int) -> None:
    """The host that was asked for was looked at; the one that it names lies anywhere."""
    path = tmp_path / "x.ts"
    path.write_bytes(b"x")
    asked: list[str] = []

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.send_header("Location", f"http://{address}/inside")
            self.end_headers()

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{other.server_port}"
        bucket = Buckets().open(
            Storage(
                kind="azure",
                endpoint=address,
                secure=False,
                bucket=CONTAINER,
                access_key=ACCOUNT,
                secret_key=SecretStr(KEY),
            )
        )
        for call in (
            bucket.check,
            partial(bucket.find, "x.ts"),
            partial(bucket.put, "x.ts", path, "video/mp2t"),
        ):
            with pytest.raises(StorageUnavailable):
                call()
        other.shutdown()
    assert len(asked) == 3
    assert "/inside" not in asked
