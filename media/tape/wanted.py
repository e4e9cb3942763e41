"""Whose media a recording is made of: what update can change (reference §2.3, §2.9)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from media.tape.model import EventType, Kind, TapeEvent


@dataclass(frozen=True, slots=True)
class Wanted:
    """Lists of uids; ``None`` as an allow list means everybody, a deny list wins over it."""

    audio_uids: frozenset[str] | None = None
    video_uids: frozenset[str] | None = None
    not_audio_uids: frozenset[str] = frozenset()
    not_video_uids: frozenset[str] = frozenset()

    def kinds(self, uid: str) -> frozenset[Kind]:
        """What is wanted of a publisher; empty when nothing."""
        lists = (
            (Kind.AUDIO, self.audio_uids, self.not_audio_uids),
            (Kind.VIDEO, self.video_uids, self.not_video_uids),
        )
        return frozenset(
            kind
            for kind, allowed, denied in lists
            if uid not in denied and (allowed is None or uid in allowed)
        )

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, for specs and for the tape."""
        return {
            "audio_uids": None if self.audio_uids is None else sorted(self.audio_uids),
            "video_uids": None if self.video_uids is None else sorted(self.video_uids),
            "not_audio_uids": sorted(self.not_audio_uids),
            "not_video_uids": sorted(self.not_video_uids),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Wanted":
        """The inverse of :meth:`to_json`; what is left out has its default.

        Raises TypeError or ValueError when the row is no such lists.
        """
        allowed = (row.get("audio_uids"), row.get("video_uids"))
        audio, video = (None if uids is None else _uids(uids) for uids in allowed)
        denied = (_uids(row.get(name, ())) for name in ("not_audio_uids", "not_video_uids"))
        return cls(audio, video, *denied)

    def event(self, at_ns: int) -> TapeEvent:
        """The tape's word that these are the lists from ``at_ns`` on."""
        detail = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return TapeEvent(EventType.WANTED, at_ns, detail=detail)

    @classmethod
    def told(cls, detail: str) -> "Wanted | None":
        """What a WANTED event's ``detail`` says; None if that makes no sense."""
        try:
            return cls.from_json(json.loads(detail))
        except (TypeError, ValueError, AttributeError, RecursionError):
            return None


EVERYBODY = Wanted()


def _uids(values: Iterable[Any]) -> frozenset[str]:
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise ValueError("a list of uids holds something else")
    return frozenset(values)
