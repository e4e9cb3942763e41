"""Where callbacks go and how they are signed changes with the file of apps, while all runs."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.receiver import Receiver, listening
from workers.apps import Apps
from workers.callbacks.deliver import Deliverer
from workers.callbacks.notice import EventType, signatures
from workers.callbacks.outbox import Outbox
from workers.job.spec import RecordingSpec
from workers.metrics.metrics import Metrics
from workers.store.store import Store

pytestmark = pytest.mark.server

APP = """
[[apps]]
app_id = "app"
customer_key = "k"
customer_secret = "s"
callback_url = "http://127.0.0.1:{port}/hook"
callback_secret = "{secret}"
"""


def write(file: Path, receiver: Receiver, secret: str) -> None:
    draft = file.with_name("draft")
    draft.write_text(APP.format(port=receiver.server_address[1], secret=secret))
    os.utime(draft, (1, 1))  # as old as can be: nobody is writing it
    draft.replace(file)


def signed_with(receiver: Receiver, secrets: tuple[str, ...]) -> str:
    assert receiver.arrived.acquire(timeout=15)
    headers, raw = receiver.got[-1]
    [used] = [each for each in secrets if signatures(raw, each).items() <= headers.items()]
    return used


def test_url_and_secret_are_those_of_the_moment(
    store: Store, make_spec: Callable[..., RecordingSpec], tmp_path: Path
) -> None:
    file, secrets = tmp_path / "apps.toml", ("one", "two")
    with listening() as before, listening() as after:
        write(file, before, "one")
        clock = [0.0]
        apps = Apps((), file, lambda: clock[0])
        outbox, spec = Outbox(store.client, apps), make_spec()
        store.heartbeat("recorder", 5, 60.0)
        assert store.start(spec, "ticket") is None
        stop = threading.Event()
        thread = threading.Thread(
            target=Deliverer(outbox, apps, Metrics()).run, args=(stop,), name="deliverer"
        )
        thread.start()
        try:
            outbox.tell(spec, EventType.RECORDER_STARTED, {"status": 0})
            assert signed_with(before, secrets) == "one"
            write(file, before, "two")
            clock[0] += 1.0
            outbox.tell(spec, EventType.RECORDER_LEAVE, {"leaveCode": 24})
            assert signed_with(before, secrets) == "two"
            write(file, after, "two")
            clock[0] += 1.0
            outbox.tell(spec, EventType.RECORDER_LEAVE, {"leaveCode": 2})
            assert signed_with(after, secrets) == "two"
            assert len(before.got) == 2
        finally:
            stop.set()
            thread.join(timeout=20)
