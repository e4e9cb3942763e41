"""What stream mode ``standard`` adds: sound as WebM beside pictures that are WebM (§5.2).

The merged index of such a publisher (DASH) needs both in one container.  The sound that every
reader knows, AAC in transport streams, stays what it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from media.cut.lines import Line
from media.tape.model import Frame, Kind, Source

WEBM = frozenset(("vp8", "vp9", "av1"))

_Lines = Mapping[Line, Sequence[Sequence[Frame]]]


class Cameras:
    """Which codec each publisher's camera sent when."""

    def __init__(self, before: Mapping[str, str], lines: _Lines) -> None:
        """``before`` says what it was before the first of the frames."""
        self._before = before
        self._spans: dict[str, list[_Span]] = {}
        for line, tracks in lines.items():
            if line.source is Source.CAMERA:
                self._spans[line.uid] = _spans(tracks)

    def sent_webm(self, uid: str, from_ns: int, until_ns: int) -> bool:
        """Whether pictures of a range of time are WebM; those before it, if it has none."""
        spans = self._spans.get(uid, [])
        sent = {one.codec for one in spans if one.first_ns < until_ns and one.last_ns >= from_ns}
        return not WEBM.isdisjoint(sent or {self._last(uid, until_ns)})

    def after(self, until_ns: int) -> dict[str, str]:
        """``before`` of who goes on at a time."""
        uids = self._before.keys() | self._spans.keys()
        return {uid: codec for uid in uids if (codec := self._last(uid, until_ns))}

    def _last(self, uid: str, until_ns: int) -> str:
        spans = [one for one in self._spans.get(uid, ()) if one.first_ns < until_ns]
        return spans[-1].codec if spans else self._before.get(uid, "")


@dataclass(slots=True)
class _Span:
    """Pictures of one codec, without another between them."""

    first_ns: int
    last_ns: int
    codec: str  # Codec.key


def _spans(tracks: Sequence[Sequence[Frame]]) -> list[_Span]:
    found: list[_Span] = []
    for frame in (frame for track in tracks for frame in track):
        if found and found[-1].codec == frame.codec.key:
            found[-1].last_ns = frame.time_ns
        else:
            found.append(_Span(frame.time_ns, frame.time_ns, frame.codec.key))
    return found


def is_copied(line: Line) -> bool:
    """Whether a line's sound may belong to a merged index."""
    return line.kind is Kind.AUDIO and line.source is Source.MICROPHONE
