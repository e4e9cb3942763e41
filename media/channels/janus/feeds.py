"""Publishers and their streams as the VideoRoom lists them.  Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from media.channels.janus.ids import Ids
from media.tape.model import Kind, Source

MAX_STREAMS = 64  # m-lines of one publisher; more are not looked at

_PLACES = {
    Kind.AUDIO: (Source.MICROPHONE, Source.SCREEN_AUDIO),
    Kind.VIDEO: (Source.CAMERA, Source.SCREEN),
}


@dataclass(frozen=True, slots=True)
class Stream:
    """One m-line that a publisher sends now."""

    mid: str  # of the publisher's connection
    kind: Kind
    source: Source
    codec: str


@dataclass(frozen=True, slots=True)
class Feed:
    """One active publisher."""

    uid: str
    streams: tuple[Stream, ...]
    moderated: frozenset[str] = frozenset()  # mids that a moderator muted


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody in the room, publishing or not."""

    uid: str
    display: str
    publishing: bool


def read_feeds(rows: object, ids: Ids, known: Mapping[str, Feed]) -> dict[str, Feed]:
    """The publishers of a list, by UID; rows that make no sense are left out.

    ``known`` is what was read before: a stream keeps its source for as long as it is sent.
    """
    feeds = {}
    for uid, row in _rows(rows, ids):
        if row.get("dummy") is True:  # a placeholder of the room, nobody
            continue
        before = known.get(uid)
        feeds[uid] = Feed(
            uid,
            _streams(row.get("streams"), before.streams if before else ()),
            frozenset(
                line["mid"] for line in _lines(row.get("streams")) if line.get("moderated") is True
            ),
        )
    return feeds


def read_participants(rows: object, ids: Ids) -> dict[str, Participant]:
    """Everybody in the room, by UID."""
    return {
        uid: Participant(uid, _text(row.get("display")), row.get("publisher") is True)
        for uid, row in _rows(rows, ids)
        if row.get("dummy") is not True
    }


def _rows(rows: object, ids: Ids) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict):
            continue
        try:
            yield ids.text(row.get("id")), row
        except ValueError:
            continue


def _lines(rows: object) -> Iterator[dict[str, Any]]:
    """The m-lines of media that are sent."""
    for row in rows[:MAX_STREAMS] if isinstance(rows, list) else ():
        if (
            isinstance(row, dict)
            and row.get("type") in ("audio", "video")
            and row.get("disabled") is not True
            and _text(row.get("mid"))
        ):
            yield row


def _streams(rows: object, before: tuple[Stream, ...]) -> tuple[Stream, ...]:
    """One stream for each source; a publisher's second video is its screen.

    What calls itself a screen in its description is one, wherever it stands.
    """
    lines = list(_lines(rows))
    old = {(stream.mid, stream.kind): stream.source for stream in before}
    sources: dict[str, Source] = {}
    for settled in (True, False):  # those that are known or say what they are go first
        for line in lines:
            mid, kind = line["mid"], Kind(line["type"])
            camera, screen = _PLACES[kind]
            said = screen if "screen" in _text(line.get("description")).lower() else None
            if settled:
                source = said or old.get((mid, kind))
            else:
                source = camera if camera not in sources.values() else screen
            if source is not None and mid not in sources and source not in sources.values():
                sources[mid] = source
    return tuple(
        Stream(line["mid"], Kind(line["type"]), sources[line["mid"]], _text(line.get("codec")))
        for line in lines
        if line["mid"] in sources
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
