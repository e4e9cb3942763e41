"""A small client of the console API; the command line and the tests speak through it."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from api.console.routes import PREFIX


class ConsoleClient:
    """One customer.  Answers are ``(status, body)``; nothing is retried."""

    def __init__(self, base: str, key: str, secret: str) -> None:
        self._http = httpx.Client(base_url=base, auth=(key, secret), timeout=40, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self._http.close()

    def recut(self, sid: str, request: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Make a recut of a recording."""
        answer = self._http.post(f"{PREFIX}/recordings/{sid}/cuts", json=dict(request))
        return answer.status_code, answer.json()

    def recording(self, sid: str) -> tuple[int, dict[str, Any]]:
        """How a recording stands."""
        answer = self._http.get(f"{PREFIX}/recordings/{sid}")
        return answer.status_code, answer.json()

    def report(self, sid: str) -> tuple[int, dict[str, Any]]:
        """Its quality report."""
        answer = self._http.get(f"{PREFIX}/recordings/{sid}/report")
        return answer.status_code, answer.json()
