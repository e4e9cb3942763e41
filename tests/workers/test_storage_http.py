"""Slow lines to a bucket."""

import socket
import threading
import time

from workers.storage.http import connections

BODY = b"x" * (8 << 20)


def _slow(listener: socket.socket, connect_s: float) -> None:
    """Take a request with pauses that together are longer than connecting may take."""
    with listener.accept()[0] as line:
        got = 0
        while got < len(BODY):
            data = line.recv(1 << 20)
            if not data:
                return
            got += len(data)
            time.sleep(connect_s / 3)
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_a_body_may_take_longer_than_connecting() -> None:
    connect_s = 0.3
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_slow, args=(listener, connect_s))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        with connections(connect_s=connect_s, read_s=30) as manager:
            assert manager.urlopen("PUT", url, body=BODY).status == 200
        thread.join()
