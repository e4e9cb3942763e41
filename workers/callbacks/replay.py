"""A recording's notices sent once more."""

from media.errors import Blame, FarmError
from workers.apps import Apps
from workers.callbacks.outbox import Outbox
from workers.job.errors import NotFound
from workers.store.connect import connect


class Unknown(FarmError):
    """There is no such recording, or it is forgotten."""

    blame = Blame.CUSTOMER


def replay(redis_url: str, sid: str, event: int | None = None) -> int:
    """Put them into the outbox again; how many.  Raises Unknown and StoreUnavailable.

    A farm that runs sends them, behind those of the recording that wait already.
    """
    client = connect(redis_url)
    try:
        return Outbox(client, Apps(())).replay(sid, event)
    except NotFound as exc:
        raise Unknown(f"the farm does not know a recording {sid} (any more)") from exc
    finally:
        client.close()
