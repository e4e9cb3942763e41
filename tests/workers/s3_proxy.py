"""A proxy before an S3 API that notes what it is asked, and may answer as a key service would."""

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HOP = ("connection", "transfer-encoding", "keep-alive")


@dataclass
class S3Proxy:
    """What went through."""

    upstream: str  # host:port
    kms: bool = False  # ETags are MD5s read backwards
    address: str = ""  # host:port
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def headers(self, method: str, part: str) -> list[dict[str, str]]:
        """Of the requests of a method whose path and query hold a text."""
        return [row for verb, path, row in self.asked if verb == method and part in path]


@contextmanager
def proxied(upstream: str, *, kms: bool = False) -> Iterator[S3Proxy]:
    """A proxy that runs."""
    proxy = S3Proxy(upstream, kms)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    proxy.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: S3Proxy

    def _pass(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        if self.proxy.kms and body and self.command == "POST":
            body = re.sub(rb"[0-9a-f]{32}", lambda found: found[0][::-1], body)
        asked = {name.lower(): value for name, value in self.headers.items()}
        self.proxy.asked.append((self.command, self.path, asked))
        there = http.client.HTTPConnection(self.proxy.upstream, timeout=30)
        try:
            # Its own Host, because that is signed.
            there.request(self.command, self.path, body, dict(self.headers.items()))
            answer = there.getresponse()
            data = answer.read()
        finally:
            there.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, self._etag(name, value))
        self.end_headers()
        self.wfile.write(data)

    def _etag(self, name: str, value: str) -> str:
        return value[::-1] if self.proxy.kms and name.lower() == "etag" else value

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Nothing."""
