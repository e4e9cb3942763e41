"""What every test may use, and what every test must leave: nothing."""

import os
import shutil
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
_RUN = "TAPEFARM_TEST_RUN"
_GONE_S = 10.0  # how long what a test started may take to go away

# Whoever is started by these tests, however indirectly, can be known by it.
os.environ[_RUN] = uuid.uuid4().hex


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--servers",
        choices=("none", "some", "alone"),
        help="tests that start no server, those that start some, or those marked as alone",
    )


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "server: starts a real server or browser; not part of `make check`",
        "alone: times are judged that suffer when other tests run beside",
        "soak: runs for minutes; only with `make soak`",
    ):
        config.addinivalue_line("markers", line)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Soak tests run when they are asked for by mark, and only then."""
    if "soak" not in (config.getoption("markexpr") or ""):
        _deselect(config, items, lambda item: _has(item, "soak"))
    servers = config.getoption("servers")
    if servers is not None:
        _deselect(config, items, lambda item: _servers(item) != servers)


def _servers(item: pytest.Item) -> str:
    if _has(item, "alone"):
        return "alone"
    return "some" if _has(item, "server", "e2e") else "none"


def _has(item: pytest.Item, *marks: str) -> bool:
    return any(item.get_closest_marker(mark) is not None for mark in marks)


def _deselect(
    config: pytest.Config, items: list[pytest.Item], is_out: Callable[[pytest.Item], bool]
) -> None:
    out = [item for item in items if is_out(item)]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if not is_out(item)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """In CI what is skipped is a failure: a missing server must not look like success."""
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {reason}"


@pytest.fixture(scope="session")
def need() -> Callable[[str], str]:
    """The path of a program; where it is missing the test is skipped (in CI: fails)."""

    def find(program: str) -> str:
        path = shutil.which(program)
        if path is None:
            pytest.skip(f"{program} is not installed (make test installs it when it may)")
        return path

    return find


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A TCP port on loopback that nobody listens on."""

    def pick() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return pick


@pytest.fixture(scope="session", autouse=True)
def nobody_waits_for_the_disk() -> Iterator[None]:
    """No test cuts the power of this process, and on a busy disk each sync takes 100 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_survives_the_run() -> Iterator[None]:
    """No process that a test started, however indirectly, is there after the last one."""
    yield
    left = _wait_until_empty(_processes_of_this_run)
    for process in left:
        process.send_signal(signal.SIGKILL)
    assert not left, f"left over: {_names(left)}"


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    """A test ends the children and the threads that it started (not those of wider fixtures)."""
    children, threads = set(_children()), set(threading.enumerate())
    yield
    # pytest's own thread of a timeout is a daemon, as are those of shared writers.
    stray = _wait_until_empty(
        lambda: [t for t in threading.enumerate() if t not in threads and not t.daemon]
    )
    left = _wait_until_empty(lambda: [child for child in _children() if child not in children])
    for child in left:
        child.send_signal(signal.SIGKILL)
    assert not stray, f"threads left over: {[thread.name for thread in stray]}"
    assert not left, f"children left over: {_names(left)}"


def _wait_until_empty(look: Callable[[], list[Any]]) -> list[Any]:
    """What is still there after a while; nothing is what we hope for."""
    deadline = time.monotonic() + _GONE_S
    while (found := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def _children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if _lives(child)]


def _processes_of_this_run() -> list[psutil.Process]:
    mine = os.environ[_RUN]
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(_RUN) == mine:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return [process for process in found if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _names(processes: list[psutil.Process]) -> list[str]:
    names = []
    for process in processes:
        try:
            names.append(f"{process.pid} {' '.join(process.cmdline())}"[:200])
        except psutil.Error:
            names.append(str(process.pid))
    return names
