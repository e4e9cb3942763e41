"""Sends what is in the outbox, signed, with bounded patience for each receiver.

Everything happens on one event loop, in a thread of its own.  A receiver that is slow, dead or
endless costs one connection that ends after ten seconds, and is asked less and less often.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar

import httpx
import structlog

from workers.apps import Apps
from workers.callbacks import notice
from workers.callbacks.outbox import Due, Outbox
from workers.callbacks.receivers import Receiver
from workers.job.errors import StoreUnavailable
from workers.metrics.metrics import Metrics
from workers.settings import App

_PAUSES_S = (0.0, 5.0, 20.0)  # three resends, at once and then with growing pauses (§7.1)
_ANSWER_S = 10.0
_ANSWER_BYTES = 64 * 1024  # more of an answer is not read, and its connection not used again
_AT_ONCE = 256  # attempts under way, to all receivers
_IN_A_ROW = 16  # notices of a recording, before others of its receiver have their turn
_EVERY_S = 0.2
_AWAY_S = 1.0
_NOBODY_S = 60.0  # an app is not known for so long: what waits for it is dropped
_LAST_S = 1.0  # for what is under way when we are stopped
_LOOKUPS = 64  # names that are resolved at a time, each of which may take its time
_KNOWN = 10_000  # receivers

# The last two come of ports that are too high, and of names that are none.
_NOT_SENT = (
    *(httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError),
    *(ExceptionGroup, ValueError),
)

_Result = TypeVar("_Result")

log = structlog.get_logger(__name__)


class Deliverer:
    """One per reconciler process."""

    def __init__(self, outbox: Outbox, apps: Apps, metrics: Metrics) -> None:
        self._outbox = outbox
        self._apps = apps
        self._metrics = metrics
        self._receivers: dict[str, Receiver] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._cut_off: list[Due] = []
        self._redis = ThreadPoolExecutor(4, thread_name_prefix="callback-redis")

    def run(self, stop: threading.Event) -> None:
        """Until stopped; what was not delivered by then stays in the outbox."""
        with asyncio.Runner() as runner, self._redis:
            lookups = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="callback-dns")
            runner.get_loop().set_default_executor(lookups)
            runner.run(self._run(stop))

    async def _run(self, stop: threading.Event) -> None:
        limits = httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=_AT_ONCE // 2)
        # Receivers share the client: none may fill its memory, or speak to another one through it.
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        async with httpx.AsyncClient(
            timeout=_ANSWER_S,
            limits=limits,
            cookies=no_cookies,
            follow_redirects=False,
            trust_env=False,
        ) as client:
            while not stop.is_set():  # noqa: ASYNC110  # of threads, which cannot be awaited
                await asyncio.sleep(await self._round(client))
            await self._end()

    async def _end(self) -> None:
        """What is under way is cut off, and due at once for whoever delivers next."""
        tasks = set(self._tasks)
        if tasks:
            _, tasks = await asyncio.wait(tasks, timeout=_LAST_S)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_ANSWER_S)
        for due in self._cut_off:
            try:
                await self._put_back(due)
            except StoreUnavailable:
                return  # they are due when they are no longer hidden

    async def _round(self, client: httpx.AsyncClient) -> float:
        """Send what is due; how many seconds to wait for the next look."""
        now_s = time.monotonic()
        places = {app: one.places(now_s) for app, one in self._receivers.items()}
        try:
            taken = await self._ask(self._outbox.take, _AT_ONCE - len(self._tasks), places)
        except StoreUnavailable as exc:
            log.warning("outbox out of reach", error=type(exc).__name__)
            return _AWAY_S
        except Exception:
            # Whatever is wrong with this look, customers need the next one.
            log.exception("outbox not looked at")
            return _AWAY_S
        self._metrics.callbacks_waiting.set(taken.waiting)
        self._count_dropped(taken.dropped)
        for due in taken.due:
            self._receiver(due.app_id).busy += 1
            task = asyncio.create_task(self._guarded(client, due), name="callback")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return _EVERY_S

    def _receiver(self, app_id: str) -> Receiver:
        if len(self._receivers) >= _KNOWN and app_id not in self._receivers:
            idle = [app for app, one in self._receivers.items() if not one.busy]
            for app in idle:
                del self._receivers[app]
        return self._receivers.setdefault(app_id, Receiver())

    async def _guarded(self, client: httpx.AsyncClient, due: Due) -> None:
        try:
            await self._deliver(client, due)
        except StoreUnavailable:
            log.warning("callback state not written", sid=due.sid, notice=due.entry)
        except Exception:
            # Nobody reads the task's result; the notice is due again when it is no longer hidden.
            log.exception("callback not sent", sid=due.sid, notice=due.entry)
        finally:
            self._receiver(due.app_id).busy -= 1

    async def _deliver(self, client: httpx.AsyncClient, due: Due) -> None:
        """A notice and those that wait behind it in its recording, until one is not taken."""
        receiver = self._receiver(due.app_id)
        for _ in range(_IN_A_ROW):
            app = self._apps.find(due.app_id)
            if app is None or not app.callback_url:
                await self._nobody(due, receiver)
                return
            receiver.nobody_since_s = 0.0
            if not await self._post(client, app, due):
                receiver.failed(time.monotonic())
                await self._failed(due)
                return
            receiver.worked()
            after = await self._ask(self._outbox.done, due)
            if after is None:
                return
            due = after
        await self._put_back(due)

    async def _nobody(self, due: Due, receiver: Receiver) -> None:
        """Its app is not known here: any more, or yet, if other processes know it already."""
        now_s = time.monotonic()
        receiver.nobody_since_s = receiver.nobody_since_s or now_s
        if now_s - receiver.nobody_since_s >= _NOBODY_S:
            self._count_dropped(await self._ask(self._outbox.discard, due.app_id))
        else:
            await self._put_back(due, _AWAY_S)

    async def _failed(self, due: Due) -> None:
        if due.attempts < len(_PAUSES_S):
            pause_s = _PAUSES_S[due.attempts]
            await self._ask(lambda: self._outbox.again(due, pause_s, failed=True))
            return
        log.warning("callback given up", sid=due.sid, notice=due.entry, attempts=due.attempts + 1)
        self._metrics.callbacks.labels("given_up").inc()
        after = await self._ask(self._outbox.done, due)
        if after is not None:
            await self._put_back(after)

    async def _put_back(self, due: Due, pause_s: float = 0.0) -> None:
        await self._ask(lambda: self._outbox.again(due, pause_s, failed=False))

    async def _post(self, client: httpx.AsyncClient, app: App, due: Due) -> bool:
        """Whether it was answered with 200 in time."""
        raw = notice.body(due.text, due.sequence, time.time_ns() // 1_000_000)
        headers = {
            "Content-Type": "application/json",
            **notice.signatures(raw, app.callback_secret.get_secret_value()),
        }
        status, why = 0, ""
        try:
            async with asyncio.timeout(_ANSWER_S):
                status = await _status(client, app.callback_url, raw, headers)
        except asyncio.CancelledError:
            self._cut_off.append(due)
            raise
        except _NOT_SENT as exc:
            why = type(exc).__name__
        delivered = status == 200
        self._metrics.callbacks.labels("delivered" if delivered else "failed").inc()
        if not delivered:
            log.warning("callback not taken", sid=due.sid, notice=due.entry, status=status, why=why)
        return delivered

    async def _ask(self, ask: Callable[..., _Result], *args: Any) -> _Result:
        """Call something that waits for Redis."""
        return await asyncio.get_running_loop().run_in_executor(self._redis, ask, *args)

    def _count_dropped(self, count: int) -> None:
        if count:
            log.warning("callbacks dropped, their receiver did not take them", count=count)
            self._metrics.callbacks.labels("dropped").inc(count)


async def _status(client: httpx.AsyncClient, url: str, raw: bytes, headers: dict[str, str]) -> int:
    async with client.stream("POST", url, content=raw, headers=headers) as answer:
        size = 0
        async for data in answer.aiter_raw():
            size += len(data)
            if size > _ANSWER_BYTES:
                break
        return answer.status_code
