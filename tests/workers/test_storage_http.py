"""Lines to a bucket: slow ones, and those that are used again."""

import gc
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from pydantic import SecretStr
from urllib3.exceptions import HTTPError

from workers.job.errors import StorageUnavailable
from workers.job.spec import Storage
from workers.storage import http
from workers.storage.http import connections
from workers.storage.opening import Buckets

BODY = b"x" * (8 << 20) + b"end"


def _slow(listener: socket.socket, connect_s: float) -> None:
    """Take two requests with pauses that together are longer than connecting may take."""
    with listener.accept()[0] as line:
        for _ in range(2):
            got = b""
            while not got.endswith(b"end"):
                data = line.recv(1 << 20)
                if not data:
                    return
                got = (got + data)[-3:]
                time.sleep(connect_s / 3)
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_a_body_may_take_longer_than_connecting() -> None:
    """On a line that was used before as well."""
    connect_s = 0.3
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_slow, args=(listener, connect_s))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        manager = connections(connect_s=connect_s, read_s=30)
        for _ in range(2):
            assert manager.urlopen("PUT", url, body=BODY).status == 200
        thread.join()


class _Lines(BaseHTTPRequestHandler):
    """A bucket that holds nothing, and counts who comes in."""

    protocol_version = "HTTP/1.1"
    came: ClassVar[set[object]] = set()

    def do_GET(self) -> None:
        self.came.add(self.client_address)
        body = b"<ListBucketResult><Name>recordings</Name></ListBucketResult>"
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def _bucket() -> Iterator[Storage]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Lines)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Storage(
            endpoint=f"127.0.0.1:{server.server_port}",
            secure=False,
            bucket="recordings",
            access_key="A" * 20,
            secret_key=SecretStr("s" * 40),
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_buckets_at_one_host_use_a_line_one_after_the_other() -> None:
    _Lines.came.clear()
    with _bucket() as storage:
        buckets = Buckets()
        for prefix in ("a/", "b/", "c/"):
            bucket = buckets.open(storage.model_copy(update={"prefix": prefix}))
            bucket.check()
            del bucket
            gc.collect()  # a client that goes takes no line with it
        assert len(_Lines.came) == 1


def _ask(url: str, read_s: float) -> None:
    with suppress(HTTPError):
        connections(connect_s=1, read_s=read_s).urlopen("GET", url)


@pytest.mark.parametrize(
    "begin",
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    ],
    ids=["head", "body", "body that ends with the line"],
)
def test_an_answer_that_never_ends_holds_nobody(begin: bytes) -> None:
    """Each byte of it comes in time."""
    read_s, over = 0.1, threading.Event()

    def drip(listener: socket.socket) -> None:
        with listener.accept()[0] as line:
            line.recv(1 << 16)
            line.sendall(begin)
            while not over.wait(read_s / 2):
                try:
                    line.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        asked = threading.Thread(target=_ask, args=(url, read_s), daemon=True)
        asked.start()
        asked.join(timeout=200 * read_s)
        held = asked.is_alive()
        over.set()
        thread.join()
    assert not held


@pytest.mark.parametrize("kind", ["s3", "azure"])
@pytest.mark.parametrize("secure", [False, True])
def test_a_customers_host_that_leads_inside_is_told_nothing(kind: str, secure: bool) -> None:
    """Its name was looked up at the start, and may be another's by the time files come."""
    with socket.create_server(("127.0.0.1", 0)) as inside:
        bucket = Buckets().open(
            Storage(
                kind="azure" if kind == "azure" else "s3",
                endpoint=f"localhost:{inside.getsockname()[1]}",
                secure=secure,
                public=True,
                bucket="recordings",
                access_key="account1",
                secret_key=SecretStr("c2VjcmV0"),
            )
        )
        with pytest.raises(StorageUnavailable):
            bucket.check()
        with inside.accept()[0] as line:
            assert line.recv(1) == b""


def test_a_line_that_nothing_came_over_for_long_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _Lines.came.clear()
    monkeypatch.setattr(http, "_IDLE_S", 0.0)
    with _bucket() as storage:
        buckets = Buckets()
        for _ in range(2):
            buckets.open(storage).check()
        assert len(_Lines.came) == 2
