"""The connections of one process to Redis."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from workers.job.errors import StoreTimeout, StoreUnavailable

TOGETHER = 32  # a call takes a millisecond: for a thousand recordings' threads a few would do
_WAIT_S = 5.0  # for one of them; only while Redis does not answer


def connect(url: str, *, together: int = TOGETHER, answer_s: float = 30) -> redis.Redis:
    """A client whose calls end within bounded time.

    So many calls may go on ``together``, each on a connection that is kept from then on; further
    ones wait for their turn.  Who makes calls that wait in Redis gives each of them its own.
    An answer is waited for ``answer_s`` seconds, and then the command is not sent again.
    """
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=together,
        timeout=_WAIT_S,
        decode_responses=True,
        socket_timeout=answer_s,
        socket_connect_timeout=2,
        socket_keepalive=True,
        health_check_interval=15,
        retry=_Attempts(
            ExponentialBackoff(cap=1, base=0.05), 3, (RedisConnectionError, TimeoutError)
        ),
        retry_on_error=[RedisConnectionError],
    )
    return redis.Redis.from_pool(pool)


class _Attempts(Retry):
    """Retries, and remembers whether any attempt may have been heard.

    Redis may do a command, die before it answers and then refuse connections: the last failure
    alone would say that nothing was done.  Who has to know raises that as a timeout.
    """

    def call_with_retry(self, do: Callable[[], Any], fail: Any, *more: Any, **options: Any) -> Any:
        """See redis-py."""
        heard = False

        def attempt() -> Any:
            nonlocal heard
            try:
                return do()
            except (RedisConnectionError, RedisTimeoutError) as exc:
                heard = heard or not _never_sent(exc)
                raise

        try:
            return super().call_with_retry(attempt, fail, *more, **options)
        except RedisConnectionError as exc:
            if heard:
                raise RedisTimeoutError("no answer to a command that was sent") from exc
            raise


def _never_sent(exc: Exception) -> bool:
    """Whether there was no connection; redis-py tells that from other trouble in words alone."""
    return "connecting to" in str(exc)


@contextmanager
def our_errors() -> Iterator[None]:
    """Redis that fails is StoreUnavailable, and StoreTimeout where it may have heard us."""
    try:
        yield
    except RedisTimeoutError as exc:
        if _never_sent(exc):
            raise StoreUnavailable("redis did not answer") from exc
        raise StoreTimeout("redis did not answer in time") from exc
    except RedisError as exc:
        raise StoreUnavailable("redis did not answer") from exc
