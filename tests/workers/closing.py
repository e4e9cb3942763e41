"""A process that closes the tapes of many recordings, until it is killed."""

import sys

from pydantic import SecretStr

from workers.apps import Apps
from workers.callbacks.notice import EventType
from workers.callbacks.outbox import Outbox
from workers.settings import App
from workers.store.connect import connect
from workers.store.store import Store


def close(url: str, count: int, callback_url: str) -> None:
    app = App(
        app_id="app", customer_key="k", customer_secret=SecretStr("s"), callback_url=callback_url
    )
    store = Store(connect(url), SecretStr("a farm key for tests"))
    outbox = Outbox(store.client, Apps((app,)))
    for number in range(count):
        claim = store.claim(f"{number:032x}", "closing", 60)
        assert claim is not None
        spec = store.spec(claim.sid)
        left = outbox.make(spec, EventType.RECORDER_LEAVE, {"leaveCode": 24}, once="left")
        store.tape_closed(claim, spec, notices=left)


if __name__ == "__main__":
    close(sys.argv[1], int(sys.argv[2]), sys.argv[3])
