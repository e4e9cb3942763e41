"""The images of a mix: each fetched once for a recording, by whichever cutter is first.

::

    <sid>/images/<name>.json      Fetched: the last word on one URL
    <sid>/images/<name>.<digest>  the file, if there is one

The last word is never changed, so that a slice that is cut again shows the same.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict

from media.cut.backdrop import readable
from workers.addresses import Border
from workers.cutter.fetch import Fetcher, Unfetchable, Unusable

_MOST_BYTES = 6 << 20  # reference §2.4
_CONNECT_S = 2.0
_TOTAL_S = 5.0
_PAUSE_S = 0.5  # before the second try
_ALTOGETHER_S = 8.0  # no try begins later: a slice waits, and others behind it
_AT_ONCE = 16
_AHEAD_AT_ONCE = 4  # recordings
_MOST_IMAGES = 300  # of one recording


class Fetched(BaseModel):
    """What became of one URL."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    file: str = ""  # bare name; "": there is none
    why: str = ""  # there is none


class Images:
    """The images of all recordings."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._looking = threading.Lock()  # a picture may take 160 MB while it is looked at
        self._ahead = threading.Semaphore(_AHEAD_AT_ONCE)

    @classmethod
    def behind(cls, border: Border) -> "Images":
        """With the bounds that the farm has."""
        return cls(Fetcher(border, most_bytes=_MOST_BYTES, connect_s=_CONNECT_S, total_s=_TOTAL_S))

    def have(
        self, folder: Path, urls: Iterable[str], settled: Callable[[str, str], None]
    ) -> dict[str, Path]:
        """The files of those that could be had; blocks until each is there or given up.

        That takes 14 s at most.  ``folder`` is the recording's.  ``settled(url, why)`` is called
        once for each URL, by whichever cutter settled it; ``why`` it was given up, or "".
        """
        until_s = time.monotonic() + _ALTOGETHER_S
        home, wanted = folder / "images", sorted(set(urls))
        known = {url: _read(_word(home, url)) for url in wanted}
        missing = [url for url in wanted if known[url] is None]
        if missing:
            home.mkdir(exist_ok=True)
            full = len(list(home.glob("*.json"))) + len(missing) > _MOST_IMAGES
            with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="image") as pool:
                work = [
                    pool.submit(self._settle, home, url, settled, until_s, full=full)
                    for url in missing
                ]
                known |= {url: one.result() for url, one in zip(missing, work, strict=True)}
        return _files(home, known)

    def fetch_ahead(
        self, folder: Path, urls: Iterable[str], settled: Callable[[str, str], None]
    ) -> None:
        """Begin to have them and return; nobody waits, and when many do so it is left out."""
        if self._ahead.acquire(blocking=False):
            wanted = tuple(urls)

            def have() -> None:
                try:
                    self.have(folder, wanted, settled)
                finally:
                    self._ahead.release()

            threading.Thread(target=have, name="images-ahead", daemon=True).start()

    def _settle(
        self,
        home: Path,
        url: str,
        settled: Callable[[str, str], None],
        until_s: float,
        *,
        full: bool,
    ) -> Fetched:
        try:
            if full:
                raise Unusable("the recording has too many images")
            found = Fetched(file=self._fetch(home, url, until_s))
        except Unfetchable as exc:
            found = Fetched(why=str(exc))
        if _say(_word(home, url), found):
            settled(url, found.why)
            return found
        return _read(_word(home, url)) or found  # another cutter was first

    def _fetch(self, home: Path, url: str, until_s: float) -> str:
        """The name of the file.  Raises Unfetchable."""
        if time.monotonic() > until_s:
            raise Unfetchable("others took all the time there was")
        try:
            data = self._fetcher.get(url)
        except Unusable:
            raise
        except Unfetchable:
            time.sleep(_PAUSE_S)
            if time.monotonic() > until_s:
                raise
            data = self._fetcher.get(url)
        file = home / f"{_name(url)}.{hashlib.sha256(data).hexdigest()[:16]}"
        draft = _draft(file, data)
        with self._looking:
            good = readable(draft)
        if not good:
            draft.unlink()
            raise Unusable("it is neither JPG, BMP nor PNG, or damaged, or has too many pixels")
        draft.replace(file)  # whole, also for those who have it already
        return file.name


def without_query(url: str) -> str:
    """A URL for people: what follows the path may be a secret."""
    return urlunsplit((*urlsplit(url)[:3], "", ""))


def _files(home: Path, known: Mapping[str, Fetched | None]) -> dict[str, Path]:
    return {url: home / one.file for url, one in known.items() if one is not None and one.file}


def _name(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:32]


def _word(home: Path, url: str) -> Path:
    return home / f"{_name(url)}.json"


def _read(path: Path) -> Fetched | None:
    try:
        return Fetched.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None


def _say(path: Path, word: Fetched) -> bool:
    """Write the last word, whole; False if it was spoken already."""
    draft = _draft(path, word.model_dump_json().encode())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _draft(path: Path, data: bytes) -> Path:
    """A file of our own beside the one it is to become."""
    draft = path.with_name(f".{path.name}-{os.getpid()}-{threading.get_ident()}")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return draft
