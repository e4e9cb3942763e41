"""Changes that customers ask for while a recording runs, kept until its tape is closed."""

import redis
from pydantic import SecretStr

from media.tape.model import EventType
from workers.job.errors import NotFound
from workers.job.order import Change, Order, kind_of
from workers.job.sealed import seal_text, unseal_text
from workers.job.state import RUNNING
from workers.store import keys, scripts
from workers.store.connect import our_errors

_KINDS = (EventType.LOOK, EventType.WANTED)


class Orders:
    """Of all recordings.  Every method but ``keys`` may raise StoreUnavailable.

    They are sealed: a look names images whose URLs may hold secrets.
    """

    def __init__(self, client: redis.Redis, farm_key: SecretStr) -> None:
        self._client = client
        self._farm_key = farm_key
        self._add = client.register_script(scripts.ORDER)

    def add(self, sid: str, change: Change, at_ns: int) -> None:
        """Change a recording from ``at_ns`` on, Unix nanoseconds.

        Its recorder hears of it at once; without one, the next recorder does.  Raises NotFound
        when it does not run.
        """
        with our_errors():
            answer = self._add(
                keys=[keys.recording(sid), keys.orders(sid, kind_of(change))],
                args=[
                    seal_text(Order.write(change, at_ns), self._farm_key),
                    at_ns // 1000,
                    keys.ORDERS_KEPT,
                    keys.RESOURCE_KEPT_S,
                    *sorted(RUNNING),
                ],
            )
            if answer != "ok":
                raise NotFound(sid)
            self._client.publish(keys.STOPS, sid)

    def since(self, sid: str, number: int) -> list[Order]:
        """What was asked for after the order of this number, in order."""
        with our_errors(), self._client.pipeline() as pipe:
            for key in self.keys(sid):
                pipe.lrange(key, 0, -1)
            numbered = [text.split(" ", 1) for texts in pipe.execute() for text in texts]
        new = sorted((int(of), token) for of, token in numbered if int(of) > number)
        return [Order.read(of, unseal_text(token, self._farm_key)) for of, token in new]

    @staticmethod
    def keys(sid: str) -> list[str]:
        """The lists of a recording."""
        return [keys.orders(sid, kind) for kind in _KINDS]
