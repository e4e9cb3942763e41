"""Recordings that are ready to be stopped: short ones as they are, long ones with a past."""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import SecretStr

from api.agora import translate
from api.agora.client import AgoraClient, Recording
from api.agora.resource import ResourceIds
from api.cli.entry import load
from media.bench.errors import BenchFailed
from media.tape.model import NS
from workers.embedded.home import Home
from workers.embedded.keys import Keys
from workers.job.spec import SLICE_SECONDS, Mode, RecordingSpec

CNAME, UID = "bench", "900001"
FOLDER = "bench"
_LONG_S = 120  # shorter ones are recorded from their beginning
_LOOK_S = 0.5

Say = Callable[[str], None]


def stem(recording: Recording) -> str:
    """What the names of its files in the bucket begin with."""
    return f"{FOLDER}/{recording.sid}_{CNAME}"


class Takes:
    """Makes them on one farm."""

    def __init__(self, data: Path, facts: dict[str, Any], client: AgoraClient, say: Say) -> None:
        self._data = data
        self._facts = facts
        self._client = client
        self._say = say
        self._media: Any = None
        self._folder = TemporaryDirectory(prefix="past-", dir=data)

    def close(self) -> None:
        """Delete the media that pasts were made of."""
        self._folder.cleanup()

    def ready(self, length_s: int, phase_s: float) -> Recording:
        """A recording that is as long when this returns, and is to be stopped at once.

        A long one is some per cent shorter: it returns as soon as the bucket has all of it but the
        end, ``phase_s`` after a slice began.  Raises BenchFailed when that takes too long.
        """
        return self._short(length_s) if length_s < _LONG_S else self._long(length_s, phase_s)

    def _short(self, length_s: int) -> Recording:
        recording = self._client.start(CNAME, UID, "mix", self._request())
        _until(recording.asked_s + length_s)
        return recording

    def _long(self, length_s: int, phase_s: float) -> Recording:
        slices = int(length_s - _live_s(length_s)) // SLICE_SECONDS
        resource_id = self._client.acquire(CNAME, UID)
        if self._media is None:
            self._say("two minutes are cut, of which hours are made")
            spec = self._spec(resource_id, time.time_ns())
            self._media = load("workers.bench.past", "long_mix")(spec, Path(self._folder.name))
        origin_ns = time.time_ns() - slices * SLICE_SECONDS * NS
        spec = self._spec(resource_id, origin_ns)
        past = load("workers.bench.past", "Past")(self._data, self._facts["redis"], spec)
        self._say(f"{slices} slices are put into the spool")
        past.lay(self._media, slices)
        began_s = origin_ns / NS
        self._caught_up(past, began_s + length_s - SLICE_SECONDS)
        into_s = (time.time() - began_s) % SLICE_SECONDS
        _until(time.time() + (phase_s - into_s) % SLICE_SECONDS)
        return Recording(self._client, CNAME, UID, "mix", resource_id, spec.sid, began_s)

    def _caught_up(self, past: Any, until_s: float) -> None:
        while (behind := past.behind(time.time_ns())) > 0:
            if time.time() > until_s:
                raise BenchFailed(f"{behind} files and parts of a past never came to the bucket")
            self._say(f"{behind} files and parts of its past are on their way to the bucket")
            time.sleep(_LOOK_S)

    def _spec(self, resource_id: str, began_ns: int) -> RecordingSpec:
        """What the API would have made of a start call that came then."""
        facts, key = self._facts, SecretStr(Keys.kept(Home(self._data).keys).farm_key)
        ticket = translate.Ticket(
            ResourceIds(key).read(resource_id, facts["app_id"]).sid,
            facts["app_id"],
            Mode.MIX,
            facts["channel"],
            True,
            began_ns,
        )
        document = {"cname": CNAME, "uid": UID, "clientRequest": self._request()}
        spec, _ = translate.start_spec(translate.envelope(document), ticket)
        return spec

    def _request(self) -> dict[str, Any]:
        s3 = self._facts["s3"]
        scheme = "https" if s3["secure"] else "http"
        return {
            "recordingConfig": {"transcodingConfig": {"mixedVideoLayout": 1}},
            "recordingFileConfig": {"avFileType": ["hls", "mp4"]},
            "storageConfig": {
                "vendor": 11,
                "region": 0,
                "bucket": s3["bucket"],
                "accessKey": s3["access_key"],
                "secretKey": s3["secret_key"],
                "fileNamePrefix": [FOLDER],
                "extensionParams": {"endpoint": f"{scheme}://{s3['endpoint']}"},
            },
        }


def _live_s(length_s: int) -> float:
    """How much of a long recording is live; meanwhile its past comes to the bucket."""
    return 30 + length_s / 50


def _until(moment_s: float) -> None:
    time.sleep(max(0.0, moment_s - time.time()))
