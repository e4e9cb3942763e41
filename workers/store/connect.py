"""The connections of one process to Redis."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from workers.job.errors import StoreUnavailable

TOGETHER = 32  # a call takes a millisecond: for a thousand recordings' threads a few would do
_WAIT_S = 5.0  # for one of them; only while Redis does not answer


def connect(url: str, *, together: int = TOGETHER) -> redis.Redis:
    """A client whose calls end within bounded time.

    So many calls may go on ``together``, each on a connection that is kept from then on; further
    ones wait for their turn.  Who makes calls that wait in Redis gives each of them its own.
    """
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=together,
        timeout=_WAIT_S,
        decode_responses=True,
        socket_timeout=30,
        socket_connect_timeout=2,
        socket_keepalive=True,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=1, base=0.05), 3),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )
    return redis.Redis.from_pool(pool)


@contextmanager
def our_errors() -> Iterator[None]:
    """Redis that fails is StoreUnavailable."""
    try:
        yield
    except RedisError as exc:
        raise StoreUnavailable("redis did not answer") from exc
