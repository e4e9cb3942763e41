"""Locks in Redis, kept for as long as their holder lives and works."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from workers.job.errors import StoreUnavailable
from workers.store import keys
from workers.store.connect import our_errors


@contextmanager
def locked(client: redis.Redis, name: str, *, ttl_s: float, wait_s: float) -> Iterator[bool]:
    """Hold a lock; yields False when it could not be had in time.

    It is kept for as long as the work takes; the ``ttl_s`` only says how soon others may go on when
    this process dies.  Raises StoreUnavailable.
    """
    lock = client.lock(
        keys.lock(name), timeout=ttl_s, blocking_timeout=wait_s, sleep=0.02, thread_local=False
    )
    with our_errors():
        held = lock.acquire()
    done = threading.Event()
    if held:
        keep = threading.Thread(target=_keep, args=(lock, ttl_s / 3, done), daemon=True)
        keep.start()
    try:
        yield held
    finally:
        done.set()
        if held:
            try:
                lock.release()
            except LockError:
                pass  # it lapsed: whoever holds it now must not be disturbed
            except RedisError as exc:
                raise StoreUnavailable("lock not released") from exc


def _keep(lock: Lock, every_s: float, done: threading.Event) -> None:
    while not done.wait(every_s):
        try:
            lock.reacquire()
        except LockError:
            return  # it is given back, or lapsed while we could not renew it
        except RedisError:
            continue  # Redis is away, and nobody else can have the lock
