"""Where a publication is cut into segments of mode ``raw``: decisions only, no files.

Pictures of H.264 share their segments with the publisher's sound as AAC; where there are none,
sound has segments of its own.  Beside VP8, VP9 and AV1, which no transport stream holds, Opus stays
what it is, and both go into WebM (decision 018).

A segment of both is as long as its pictures are (:mod:`media.cut.copying`).  Sound lies on one grid
of AAC frames (:mod:`media.cut.aac`), whatever segments hold it, so it goes on from one to the next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from media.cut import aac
from media.cut.copying import Run, Splitter
from media.cut.cursor import LineState
from media.cut.model import MediaKind
from media.cut.pauses import Pauses
from media.cut.standard import WEBM
from media.cut.transcoding import AacSegment, AacSplitter
from media.tape.model import Frame

SOUND, PICTURE = 0, 1  # the streams of a DASH manifest
AAC = "aac"
# Sound that comes so long before its pictures goes into the segment with them: every publisher's
# first packets are of sound, and nobody wants a file of them.
_LEAD_FRAMES = 94  # 2 s


@dataclass(frozen=True, slots=True)
class JointState:
    """Where a publication stands between two units."""

    picture: LineState = field(default_factory=LineState)
    sound: LineState = field(default_factory=LineState)  # on the grid of AAC frames
    copy: LineState = field(default_factory=LineState)  # of sound as sent, beside WebM pictures
    codec: str = ""  # of the newest pictures, as Codec.key; "": there were none
    heard: bool = False  # there was sound
    held: Mapping[str, str] = field(default_factory=dict)  # media of the last segment, by index
    numbers: Mapping[str, int] = field(default_factory=dict)  # of the next file of a WebM stream


@dataclass(frozen=True, slots=True)
class JointPart:
    """A segment in a transport stream: pictures, sound, or both."""

    index: str  # the codec that names its index
    start_ns: int
    end_ns: int
    run: Run | None
    span: aac.Span | None
    discontinuity: bool
    resumed: bool


@dataclass(frozen=True, slots=True)
class CopyPart:
    """A WebM file of pictures or of Opus."""

    index: str
    stream: int  # SOUND or PICTURE
    number: int  # in its stream, from 0
    run: Run


Part = JointPart | CopyPart


@dataclass(frozen=True, slots=True)
class _Epoch:
    """A range of time in which a publisher's pictures are of one codec."""

    codec: str  # "": there are no pictures
    until_ns: int
    runs: tuple[Run, ...]  # those that are closed
    opened: Run | None
    closes: bool  # nothing of it goes on


class Joint:
    """Decides the segments of one publication in one unit, in order of time."""

    def __init__(
        self,
        state: JointState,
        sounds: Sequence[Sequence[Frame]],
        silent: Pauses,
        *,
        origin_ns: int,
        until_ns: int,
        final: bool,
    ) -> None:
        """``sounds`` are the audible frames of each track of sound, with what lies before."""
        self.parts: list[Part] = []
        self._origin_ns, self._until_ns, self._final = origin_ns, until_ns, final
        self._silent = silent
        self._frames = [frame for track in sounds for frame in track]
        self._aac = AacSplitter(LineState(), sounds, silent, origin_ns=origin_ns)
        self._state = state
        self._sound, self._copy = state.sound, state.copy
        self._held, self._numbers = dict(state.held), dict(state.numbers)

    def split(self, pictures: Sequence[Frame], silent: Pauses) -> JointState:
        """Make :attr:`parts` of the frames of pictures, in order; the state for the next unit."""
        splitter = Splitter(self._state.picture, silent)
        splitter.feed([one for one in pictures if one.time_ns < self._until_ns])
        after = splitter.finish(self._until_ns, final=self._final)
        codec = self._state.codec
        for epoch in self._epochs(splitter):
            codec = epoch.codec
            if codec in WEBM:
                self._copied(epoch)
            else:
                self._joined(epoch)
        heard = self._heard(aac.frame_at(self._until_ns, self._origin_ns))
        return JointState(after, self._sound, self._copy, codec, heard, self._held, self._numbers)

    def _epochs(self, splitter: Splitter) -> list[_Epoch]:
        opened = splitter.opened
        runs = [*splitter.closed, *([opened] if opened else [])]
        if runs and not self._state.codec:
            self._before_any_picture(runs[0].start_ns)
        groups = [(codec, list(own)) for codec, own in groupby(runs, _codec)]
        if not groups or (self._state.codec and groups[0][0] != self._state.codec):
            groups.insert(0, (self._state.codec, []))
        ends = [own[0].start_ns for _, own in groups[1:]] + [self._until_ns]
        return [
            _Epoch(
                codec,
                until_ns,
                tuple(run for run in own if run is not opened),
                opened if opened in own else None,
                closes=self._final or own is not groups[-1][1],
            )
            for (codec, own), until_ns in zip(groups, ends, strict=True)
        ]

    def _before_any_picture(self, start_ns: int) -> None:
        """Whole segments of sound, of a time when nobody knew which pictures would come."""
        last = self._cut_sound_before(start_ns, AAC)
        if last is not None:
            self._sound = replace(self._sound, frame=last.span.first, resumed=last.resumed)

    def _joined(self, epoch: _Epoch) -> None:
        """Transport streams: pictures of H.264 with sound, and sound where there are none."""
        index = epoch.codec or AAC
        for run in epoch.runs:
            lead = self._sound_before(run.start_ns, index)
            edge, last = (aac.frame_at(at, self._origin_ns) for at in (run.start_ns, run.end_ns))
            first = edge if lead is None else lead
            heard = first < last and self._heard(last)
            start_ns = run.start_ns if lead is None else aac.frame_ns(lead, self._origin_ns)
            self._add(
                JointPart(
                    index,
                    min(start_ns, run.start_ns),
                    run.end_ns,
                    run,
                    aac.Span(first, last) if heard else None,
                    run.discontinuity,
                    run.resumed,
                )
            )
            self._sound = LineState(done=max(last, edge))
        if epoch.opened is not None:
            lead = self._sound_before(epoch.opened.start_ns, index)
            if lead is not None:
                self._sound = replace(self._sound, frame=lead)
            return
        limit = aac.frame_at(epoch.until_ns, self._origin_ns)
        cut, self._sound = self._aac.split(limit, final=epoch.closes, state=self._sound)
        for one in cut:
            self._add_sound(index, one.span, resumed=one.resumed)

    def _sound_before(self, start_ns: int, index: str) -> int | None:
        """Cut the sound before a picture; where that begins which shares its segment, if any."""
        last = self._cut_sound_before(start_ns, index, at_most=_LEAD_FRAMES)
        return None if last is None else last.span.first

    def _cut_sound_before(
        self, start_ns: int, index: str, *, at_most: int | None = None
    ) -> AacSegment | None:
        """Cut the sound before a time, but for the segment that reaches up to it, if any.

        One of more frames than ``at_most`` is cut as well.
        """
        edge = aac.frame_at(start_ns, self._origin_ns)
        cut, _ = self._aac.split(edge, final=True, state=self._sound)
        self._sound = LineState(done=self._sound.done)
        for one in cut:
            short = at_most is None or one.span.last - one.span.first <= at_most
            if short and one.span.last == edge:
                return one
            self._add_sound(index, one.span, resumed=one.resumed)
            self._sound = LineState(done=one.span.last)
        return None

    def _copied(self, epoch: _Epoch) -> None:
        """WebM: pictures and Opus; other sound has transport streams of its own."""
        for run in epoch.runs:
            self._add_copy(epoch.codec, PICTURE, run)
        begin_ns = self._after_transport_streams()
        splitter = Splitter(self._copy, self._silent)
        splitter.feed([one for one in self._frames if begin_ns <= one.time_ns < epoch.until_ns])
        self._copy = splitter.finish(epoch.until_ns, final=epoch.closes)
        for run in splitter.closed:
            if _codec(run) == "opus":
                self._add_copy(epoch.codec, SOUND, run)
            else:
                edges = run.start_ns, run.end_ns
                span = aac.Span(*(aac.frame_at(at, self._origin_ns) for at in edges))
                if span.first < span.last:
                    self._add_sound(AAC, span, resumed=run.resumed)
        if epoch.closes:
            done = aac.frame_at(epoch.until_ns, self._origin_ns)
            self._sound, self._copy = LineState(done=done), LineState(mark=self._copy.mark)

    def _after_transport_streams(self) -> int:
        """Where sound begins that no transport stream has; that is where the copy begins."""
        known = [one for one in (self._sound.frame, self._sound.done) if one is not None]
        if not known:
            return 0
        self._sound = LineState(done=max(known))
        return aac.frame_ns(max(known), self._origin_ns)

    def _heard(self, before: int) -> bool:
        return self._state.heard or self._aac.heard_before(before)

    def _add_sound(self, index: str, span: aac.Span, *, resumed: bool) -> None:
        start_ns = aac.frame_ns(span.first, self._origin_ns)
        end_ns = aac.frame_ns(span.last, self._origin_ns)
        self._add(JointPart(index, start_ns, end_ns, None, span, resumed, resumed))

    def _add(self, part: JointPart) -> None:
        """A player must be told when there are other tracks than before."""
        media = media_of(part)
        changed = self._held.get(part.index) != media
        self._held[part.index] = media
        self.parts.append(replace(part, discontinuity=part.discontinuity or changed))

    def _add_copy(self, index: str, stream: int, run: Run) -> None:
        key = f"{index}/{stream}"
        number = self._numbers.get(key, 0)
        self._numbers[key] = number + 1
        self.parts.append(CopyPart(index, stream, number, run))


def media_of(part: JointPart) -> MediaKind:
    """Which media a segment holds."""
    if part.run is None:
        return "audio"
    return "video" if part.span is None else "audio_and_video"


def sound_from_ns(state: JointState, at_ns: int, origin_ns: int) -> int:
    """From when on the next unit, which begins at a time, needs a publication's sound."""
    opened = state.copy if state.codec in WEBM else state.picture
    needs = [at_ns] if opened.start_ns is None else [at_ns, opened.start_ns]
    if state.sound.frame is not None:
        needs.append(aac.frame_ns(state.sound.frame, origin_ns))
    return min(needs)


def _codec(run: Run) -> str:
    return run.frames[0].codec.key
