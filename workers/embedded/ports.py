"""TCP ports of an embedded farm: picked once, used again after a restart."""

import json
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from workers.embedded.errors import EmbeddedError, PortTaken
from workers.embedded.private_file import write_private

# Below the range the kernel takes ports of outgoing connections from: a port of ours cannot
# be lost to somebody's outgoing connection while the farm is down.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 200


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen here now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError):
            return False
    return True


class Ports:
    """Ports by name, in a small JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ports = _read(path)

    @property
    def known(self) -> Mapping[str, int]:
        """Every port picked so far."""
        return MappingProxyType(self._ports)

    def pick(self, name: str, host: str = "127.0.0.1") -> int:
        """The port this name had before if it is free, else a new one."""
        kept = self._ports.get(name)
        if kept is not None and is_free(kept, host):
            return kept
        self._ports[name] = self._new(host)
        self._write()
        return self._ports[name]

    def claim(self, name: str, port: int, host: str = "127.0.0.1") -> int:
        """A port somebody asked for by number.  Raises PortTaken."""
        if not is_free(port, host):
            raise PortTaken(f"port {port} on {host} is taken by another program or not allowed")
        self._ports[name] = port
        self._write()
        return port

    def _new(self, host: str) -> int:
        taken = set(self._ports.values())
        for _ in range(_TRIES):
            port = _FIRST + secrets.randbelow(_LAST - _FIRST)
            if port not in taken and is_free(port, host):
                return port
        raise PortTaken(f"no free port between {_FIRST} and {_LAST} on {host}")

    def _write(self) -> None:
        write_private(self._path, json.dumps(self._ports, indent=2, sort_keys=True) + "\n")


def _read(path: Path) -> dict[str, int]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as exc:
        raise EmbeddedError(f"{path} is not JSON") from exc
    if not isinstance(rows, dict) or not all(type(port) is int for port in rows.values()):
        raise EmbeddedError(f"{path} does not hold ports")
    return rows
