"""A small client of this dialect; the demo and the tests speak through it."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx


class AgoraClient:
    """One customer.  Answers are ``(status, body)``; nothing is retried."""

    def __init__(self, base: str, app_id: str, key: str, secret: str) -> None:
        self._root = f"/v1/apps/{app_id}/cloud_recording"
        self._http = httpx.Client(base_url=base, auth=(key, secret), timeout=40, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def call(self, path: str, body: object | None) -> tuple[int, dict[str, Any]]:
        """POST a body, or GET if there is none."""
        url = f"{self._root}/{path}"
        answer = self._http.get(url) if body is None else self._http.post(url, json=body)
        return answer.status_code, answer.json()

    def acquire(self, cname: str, uid: str) -> str:
        """A resource ID.  Raises RuntimeError if it is refused."""
        _, body = self._good(self.call("acquire", _outer(cname, uid, {"scene": 0})))
        return str(body["resourceId"])

    def start(self, cname: str, uid: str, mode: str, request: Mapping[str, Any]) -> "Recording":
        """Acquire and start.  Raises RuntimeError if it is refused."""
        resource_id = self.acquire(cname, uid)
        asked_s = time.time()
        _, body = self._good(
            self.call(
                f"resourceid/{resource_id}/mode/{mode}/start", _outer(cname, uid, dict(request))
            )
        )
        return Recording(self, cname, uid, mode, resource_id, str(body["sid"]), asked_s)

    @staticmethod
    def _good(answer: tuple[int, dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        if answer[0] != httpx.codes.OK:
            raise RuntimeError(f"refused with {answer[0]}: {answer[1]}")
        return answer


class Recording:
    """One running recording."""

    def __init__(
        self,
        client: AgoraClient,
        cname: str,
        uid: str,
        mode: str,
        resource_id: str,
        sid: str,
        asked_s: float,
    ) -> None:
        self._client = client
        self._cname = cname
        self._uid = uid
        self._path = f"resourceid/{resource_id}/sid/{sid}/mode/{mode}"
        self.sid = sid
        self.asked_s = asked_s  # when start was called, Unix seconds
        self.started_s = time.time()  # when its answer was there

    def query(self) -> tuple[int, dict[str, Any]]:
        """How it stands."""
        return self._client.call(f"{self._path}/query", None)

    def update(self, request: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Change whom it records."""
        body = _outer(self._cname, self._uid, dict(request))
        return self._client.call(f"{self._path}/update", body)

    def update_layout(self, request: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Change how a mix looks."""
        body = _outer(self._cname, self._uid, dict(request))
        return self._client.call(f"{self._path}/updateLayout", body)

    def stop(self, *, wait: bool = True) -> tuple[int, dict[str, Any]]:
        """End it; with ``wait`` the answer comes when the last file is in the bucket."""
        request = {} if wait else {"async_stop": True}
        return self._client.call(f"{self._path}/stop", _outer(self._cname, self._uid, request))


def _outer(cname: str, uid: str, request: dict[str, Any]) -> dict[str, Any]:
    return {"cname": cname, "uid": uid, "clientRequest": request}
