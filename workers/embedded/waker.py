"""A pause that a signal ends at once."""

import select
import signal
import socket
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType
from typing import Self


class Waker:
    """While entered, the given signals call ``on_signal`` and end a running ``pause``.

    Main thread only.  SIGCHLD ends a pause, too.
    """

    def __init__(self, signals: Iterable[signal.Signals], on_signal: Callable[[], None]) -> None:
        self._signals = tuple(signals)
        self._on_signal = on_signal

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._old_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._old = {number: signal.getsignal(number) for number in self._signals}
        for number, handler in self._old.items():
            # Under nohup SIGHUP stays ignored.  A shell's background job inherits an ignored
            # SIGINT as well, but who sends that means us.
            if handler is not signal.SIG_IGN or number is not signal.SIGHUP:
                signal.signal(number, self._called)
        self._old[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _nothing)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_fd)
        self._reader.close()
        self._writer.close()

    def pause(self, seconds: float) -> None:
        """Sleep, at most until the next signal."""
        if select.select([self._reader], [], [], seconds)[0]:
            self._reader.recv(4096)

    def _called(self, _number: int, _frame: FrameType | None) -> None:
        self._on_signal()


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """A handler must be there for the signal to reach the wake-up descriptor."""
