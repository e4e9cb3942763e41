"""A worker that can be killed at any moment and is there again at once.

``python -m tests.workers.mortal ROLE SETTINGS`` loads everything, and then forks a worker for each
line it reads: "go" begins a life, "kill" ends it with SIGKILL.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av.logging
from pydantic import SecretStr

from workers.addresses import Border
from workers.apps import Apps
from workers.callbacks.outbox import Outbox
from workers.cutter import cutter
from workers.cutter.cutter import Cutter
from workers.cutter.images import Images
from workers.engine import Queues, make
from workers.metrics.metrics import Metrics
from workers.spool.spool import Spool
from workers.store.connect import connect
from workers.store.store import Store
from workers.uploader import spans, uploader
from workers.uploader.uploader import Uploader


def _uploading(store: Store, spool: Spool, facts: dict[str, Any]) -> Callable[[], None]:
    spans.PART_BYTES = facts["part"]
    uploader._LOCK_S = 0.5  # nobody waits for a dead one's lock
    one, folder = _uploader(store, spool), spool.folder(facts["sid"])

    def work() -> None:
        for name in [*folder.waiting(), ""]:
            one.upload(facts["sid"], name)

    return work


def _uploader(store: Store, spool: Spool) -> Uploader:
    return Uploader(store, spool, Outbox(store.client, Apps(())), Metrics())


def _cutting(store: Store, spool: Spool, facts: dict[str, Any]) -> Callable[[], None]:
    av.logging.set_level(av.logging.PANIC)
    cutter._LOCK_S = 0.5
    queues = Queues(make(facts["redis"]))
    images = Images.behind(Border(allow_private=False, timeout_s=1))
    one = Cutter(store, spool, queues, Outbox(store.client, Apps(())), Metrics(), images)

    def work() -> None:
        for number in facts["slices"]:
            one.cut(facts["sid"], number)

    return work


ROLES = {"uploader": _uploading, "cutter": _cutting}


def _live(role: str, facts: dict[str, Any]) -> None:
    store = Store(connect(facts["redis"]), SecretStr(facts["farm_key"]))
    work = ROLES[role](store, Spool(Path(facts["spool"])), facts)
    while True:
        work()
        time.sleep(0.005)


def main(role: str, facts: dict[str, Any]) -> None:
    print("ready", flush=True)
    child = 0
    for line in sys.stdin:
        if line == "go\n":
            child = os.fork()
            if not child:
                # What it logs is no answer of ours.
                os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
                try:
                    _live(role, facts)
                finally:
                    os._exit(1)
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
