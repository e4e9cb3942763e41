"""A small process that outlives a killed supervisor just long enough to end its children.

Children are told by the kernel when the supervisor dies (``process.tied_to``), but one that
hangs, or has children of its own, would stay.  The guard reads a pipe that only the supervisor
holds open; when it ends, the supervisor is gone, and what it left is ended.
"""

import signal
import sys
from pathlib import Path

from workers.embedded.leftovers import end_leftovers


def main(run_dir: Path, supervisor: str) -> None:
    """Wait for the supervisor's end, then end its children."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with the supervisor, never before
    sys.stdin.buffer.read()
    end_leftovers(run_dir, supervisor=supervisor)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
