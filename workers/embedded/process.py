"""Processes as the supervisor sees them: which one is ours, and how it ends.  Linux only."""

import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def mark(pid: int) -> str | None:
    """What tells a process from every other that had or will have its pid.

    None when it is gone, or dead and only not yet reaped.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in brackets may hold anything; state is the first field after it, and the
    # start in clock ticks since boot the twentieth (proc(5), field 22).
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{_boot()}/{fields[19]}"


def command_line(pid: int) -> tuple[str, ...]:
    """The arguments a process runs with; empty when it is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        return tuple(part.decode("utf-8", "replace") for part in raw.split(b"\0")[:-1])
    return ()


def signal_process(pid: int, number: signal.Signals) -> None:
    """Send a signal; harmless when the process is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def kill_group(leader: int) -> None:
    """SIGKILL whatever is left of a process group; harmless when nothing is."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def tied_to(parent: int) -> Callable[[], None]:
    """What a child runs before exec, so that it gets SIGTERM when ``parent`` dies.

    The kernel counts the *thread* that forked as the parent: start children from the main
    thread.
    """

    def tie() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked to be told
            os._exit(1)

    return tie


class Child:
    """A running process, leader of its own session and process group."""

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path | None, log: Path
    ) -> None:
        with log.open("ab") as out:
            self._process = Popen(
                argv,
                env=dict(env),
                cwd=cwd,
                stdin=DEVNULL,
                stdout=out,
                stderr=STDOUT,
                start_new_session=True,
                preexec_fn=tied_to(os.getpid()),
            )

    @property
    def pid(self) -> int:
        """Of the leader; also the id of its process group."""
        return self._process.pid

    def exited(self) -> bool:
        """Whether the leader is dead.  It is not reaped yet, so its pid stays ours."""
        if self._process.returncode is not None:
            return True
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, flags) is not None

    def ask(self) -> None:
        """Ask it to end (SIGTERM to the leader, which ends its own children)."""
        if not self.exited():
            signal_process(self.pid, signal.SIGTERM)

    def finish(self) -> int:
        """Kill what is left of the group, reap the leader, and give its exit code."""
        if self._process.returncode is None:
            kill_group(self.pid)
        return self._process.wait()
