"""The room as a process of its own."""

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest


def reachable(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310  # our own server
            return response.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_room_and_its_open_streams_in_order(free_port, number):
    port = free_port()
    code = f"from media.room.server import run; run('127.0.0.1', {port})"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + 20
        while not reachable(f"http://127.0.0.1:{port}/healthz"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        url = f"http://127.0.0.1:{port}/channels/c/events?as=1"
        with urllib.request.urlopen(url, timeout=20) as stream:
            assert stream.readline() == b"event: snapshot\n"
            process.send_signal(number)
            assert process.wait(timeout=20) == 0
            rest = stream.read()  # would raise, were the stream torn off and not ended
            assert rest.count(b"\n\n") == 1
    finally:
        process.kill()
        process.wait()
