"""`tapefarm doctor`: look at every component, say what is wrong and what to do about it."""

import importlib.util
import json
import os
import resource
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from media.errors import FarmError
from workers.embedded.probe import Probe, bucket_answers, http_ok, listens, redis_answers
from workers.embedded.redis import find_redis
from workers.embedded.s3 import find_rclone
from workers.embedded.s3_address import S3Address

_WHEELS = ("aiortc", "av", "celery", "cryptography", "flask", "gunicorn", "minio", "redis")
_ENCODERS = ("libx264", "libvpx", "libopus", "aac")
_FULL = 0.85  # of the disk; new recordings are refused from here
_DESCRIPTORS = 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at and what is the matter with it."""

    name: str
    well: bool
    words: str


def examine(data: Path) -> list[Finding]:
    """Look at what is installed, at this host, and at the farm in ``data`` if one is there."""
    return [*_installed(), *_host(data), *_farm(data)]


def report(findings: list[Finding]) -> None:
    """A table on stdout."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        sign = "[green]ok[/]" if finding.well else "[red]WRONG[/]"
        table.add_row(sign, finding.name, escape(finding.words))
    Console(soft_wrap=True).print(table)


def _installed() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", sys.version_info >= (3, 11), f"{version}; 3.11 or newer is needed")
    missing = [name for name in _WHEELS if importlib.util.find_spec(name) is None]
    words = f"missing: {', '.join(missing)}: run make" if missing else f"{len(_WHEELS)} are there"
    yield Finding("packages", not missing, words)
    yield _program("redis server", find_redis)
    yield _program("object storage", find_rclone)
    if "av" not in missing:
        yield _encoders()


def _program(name: str, find: Callable[[], Path]) -> Finding:
    try:
        return Finding(name, True, str(find()))
    except FarmError as exc:
        return Finding(name, False, str(exc))


def _encoders() -> Finding:
    # By name: `api` does not depend on codecs, and only this command ever loads them.
    try:
        available = import_module("av").codecs_available
    except ImportError as exc:
        return Finding("codecs", False, f"PyAV cannot be loaded: {exc}")
    missing = [name for name in _ENCODERS if name not in available]
    words = f"this build of PyAV lacks {', '.join(missing)}" if missing else ", ".join(_ENCODERS)
    return Finding("codecs", not missing, words)


def _host(data: Path) -> Iterator[Finding]:
    where = next(path for path in (data.absolute(), *data.absolute().parents) if path.exists())
    usage = shutil.disk_usage(where)
    used = 1 - usage.free / usage.total
    words = f"{usage.free / 2**30:.1f} GiB free at {where}, {used:.0%} used"
    yield Finding("disk", used < _FULL, words)
    yield Finding("data directory", os.access(where, os.W_OK), f"{where} must be writable")
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = soft == resource.RLIM_INFINITY or soft >= _DESCRIPTORS
    yield Finding("open files", enough, f"limit {soft}; at least {_DESCRIPTORS} (ulimit -n)")


def _farm(data: Path) -> Iterator[Finding]:
    path = data / "farm.json"
    try:
        farm = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        yield Finding("farm", True, f"none has run in {data} (no farm.json): not looked at")
        return
    except (OSError, ValueError) as exc:
        yield Finding("farm", False, f"{path} cannot be read: {exc}")
        return
    if not any(farm["pids"].values()):
        yield Finding("farm", True, f"the one in {data} is stopped: not looked at")
        return
    yield from _processes(farm["pids"])
    for name, probe in _probes(farm).items():
        reason = probe()
        yield Finding(name, reason is None, reason or "answers")


def _processes(pids: Mapping[str, Any]) -> Iterator[Finding]:
    for role, found in pids.items():
        for pid in found if isinstance(found, list) else [found]:
            if pid is not None:
                alive = Path(f"/proc/{pid}").exists()
                yield Finding(
                    f"{role} process", alive, f"pid {pid}" + ("" if alive else " is gone")
                )


def _probes(farm: Mapping[str, Any]) -> dict[str, Probe]:
    probes: dict[str, Probe] = {
        "redis": lambda: redis_answers(farm["redis"]),
        "s3": lambda: bucket_answers(S3Address(**farm["s3"])),
        "api": lambda: http_ok(f"{farm['api']}/readyz"),
    }
    if farm["room"] is not None:
        probes["room"] = lambda: http_ok(f"{farm['room']}/")
    else:
        probes["media server"] = lambda: listens(farm["channel"])
    for role, urls in farm["metrics"].items():
        for number, url in enumerate(urls if isinstance(urls, list) else [urls], start=1):
            if url is not None:
                probes[f"{role} {number} metrics"] = partial(http_ok, url)
    return probes
