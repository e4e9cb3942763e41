"""A customer's server that takes callbacks."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Receiver(http.server.ThreadingHTTPServer):
    """Answers with ``statuses`` in turn, then with 200; or badly, see ``manner``."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, statuses: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses = statuses
        self.manner = ""  # "silent", "endless", "huge", "moved", "cookies"
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.came_s: list[float] = []  # when, by time.monotonic
        self.arrived = threading.Semaphore(0)
        self.over = threading.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def notices(self) -> list[dict[str, Any]]:
        """What came, as it came."""
        return [json.loads(raw) for _, raw in list(self.got)]

    def wait_for(self, count: int, timeout_s: float = 20) -> list[dict[str, Any]]:
        """The same, as soon as so many came."""
        deadline_s = time.monotonic() + timeout_s
        while len(self.got) < count:
            assert time.monotonic() < deadline_s, f"{len(self.got)} of {count} came"
            time.sleep(0.01)
        return self.notices()

    def handle_error(self, *_: object) -> None:
        """Who asked went away."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came_s.append(time.monotonic())
        self.server.got.append((dict(self.headers), raw))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        with suppress(OSError):
            self._answer(status)
        self.server.arrived.release()

    def _answer(self, status: int) -> None:
        match self.server.manner:
            case "silent":
                self.server.over.wait(60)
                return
            case "moved":
                self.send_response(307)
                self.send_header("Location", "/elsewhere")
            case "cookies":
                self.send_response(status)
                self.send_header("Set-Cookie", f"c{len(self.server.got)}={'x' * 1000}; Path=/")
            case _:
                self.send_response(status)
        endless = self.server.manner == "endless"
        size = {"endless": 1 << 40, "huge": 1 << 30}.get(self.server.manner, 2)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(b"{}")
        while endless and not self.server.over.wait(0.2):
            self.wfile.write(b" ")
        sent = 2
        while sent < size and not endless:
            sent += self.wfile.write(b" " * 65536)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def listening() -> Iterator[Receiver]:
    """A receiver on loopback."""
    server = Receiver([])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
