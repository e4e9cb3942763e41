"""Opening an encoder without becoming more important than everybody else."""

import contextlib
import os
from pathlib import Path

import av

_THREADS = Path("/proc/self/task")


def open_encoder(context: av.CodecContext) -> None:
    """Open it, and run as before.  Raises av.FFmpegError.

    SVT-AV1, opened by root, puts its threads and its caller before everything else on the host
    (SCHED_FIFO at 99), and children inherit that: a few of them bring a machine to a stop.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        context.open()
    finally:
        for thread in _THREADS.iterdir():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.sched_setscheduler(int(thread.name), policy, parameters)
