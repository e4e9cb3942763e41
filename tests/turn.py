"""Debian's coturn for tests: STUN and TURN over UDP, TCP and TLS on loopback."""

import json
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.certificate import certificate_of

_START_S, _STOP_S = 10.0, 5.0


@dataclass(frozen=True)
class Turn:
    """A server that runs."""

    port: int
    tls_port: int
    username: str
    credential: str
    ca_file: Path
    log: Path
    stop: Callable[[], None]

    def url(self, way: str) -> str:
        """``way`` is "udp", "tcp" or "tls"."""
        if way == "tls":
            return f"turns:127.0.0.1:{self.tls_port}"
        return f"turn:127.0.0.1:{self.port}?transport={way}"

    def settings(self, *ways: str, credential: str = "") -> str:
        """For TAPEFARM_ICE_SERVERS."""
        row = {
            "urls": [self.url(way) for way in ways],
            "username": self.username,
            "credential": credential or self.credential,
        }
        return json.dumps([row])

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text(errors="replace")


@contextmanager
def turn_server(
    folder: Path, program: str, free_port: Callable[[], int], credential: str = ""
) -> Iterator[Turn]:
    """A server with one account, and its end."""
    folder.mkdir(exist_ok=True)
    certificate, key = certificate_of(folder)
    port, tls_port = free_port(), free_port()
    username, credential = "recorder", credential or secrets.token_urlsafe(12)
    log = folder / "turn.log"
    config = folder / "turnserver.conf"
    config.write_text(
        f"""listening-ip=127.0.0.1
relay-ip=127.0.0.1
listening-port={port}
tls-listening-port={tls_port}
min-port=52000
max-port=52999
lt-cred-mech
user={username}:{credential}
realm=tapefarm.test
cert={certificate}
pkey={key}
allow-loopback-peers
no-cli
no-dtls
no-rfc5780
simple-log
verbose
log-file={log}
pidfile={folder / "turn.pid"}
userdb={folder / "turndb"}
"""
    )
    with (folder / "turn.out").open("wb") as out:
        process = subprocess.Popen([program, "-c", str(config)], stdout=out, stderr=out, cwd=folder)

    def stop() -> None:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    turn = Turn(port, tls_port, username, credential, certificate, log, stop)
    try:
        _wait_until_it_listens(turn, process, folder)
        yield turn
    finally:
        stop()


def _wait_until_it_listens(turn: Turn, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _START_S
    waiting = {turn.port, turn.tls_port}
    while waiting and time.monotonic() < deadline:
        assert process.poll() is None, (folder / "turn.out").read_text(errors="replace")
        for port in tuple(waiting):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                waiting.discard(port)
            except OSError:
                time.sleep(0.05)
    assert not waiting, "coturn does not listen"
