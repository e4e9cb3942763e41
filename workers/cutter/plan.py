"""From what was asked for to what the cut needs; pure."""

from media.cut.model import CompositeSpec, IndividualSpec, Segment, Slice
from media.cut.orders import looks
from media.tape.model import NS, Source
from media.tape.reader import Tape
from workers.job.spec import SLICE_SECONDS, Mode, RecordingSpec
from workers.spool.spool import Closed

SLICE_NS = SLICE_SECONDS * NS


def slice_at(origin_ns: int, number: int, closed: Closed | None) -> Slice:
    """A slice of the fixed grid; the last one ends where the timeline ends."""
    start_ns = origin_ns + number * SLICE_NS
    end_ns = start_ns + SLICE_NS
    if closed is not None:
        end_ns = min(end_ns, closed.end_ns)
    return Slice(number, start_ns, end_ns)


def composite_spec(spec: RecordingSpec) -> CompositeSpec:
    """How everybody is mixed."""
    canvas = spec.canvas
    return CompositeSpec(
        width=canvas.width,
        height=canvas.height,
        fps=canvas.fps,
        bitrate=canvas.bitrate,
        look=spec.look,
        follow=spec.follow,
        wanted=spec.subscription.wanted,
        only=spec.only,
        audio_profile=spec.audio_profile,
        audio=spec.audio,
        video=spec.video,
        mp4=spec.mp4,
    )


def image_urls(spec: RecordingSpec, tape: Tape, piece: Slice) -> set[str]:
    """The images that a slice may show."""
    if spec.mode is not Mode.MIX or not spec.video:
        return set()
    if not spec.follow:
        return set(spec.look.urls)
    near = tape.around(piece.start_ns, piece.end_ns)
    course = looks(near, spec.look, piece.end_ns)
    return {url for look in course.within(piece.start_ns, piece.end_ns) for url in look.urls}


def individual_spec(spec: RecordingSpec) -> IndividualSpec:
    """How each publisher is stored apart; ``original`` needs audio alone (reference §2.2)."""
    untouched = spec.stream_mode == "original" and spec.video
    return IndividualSpec(
        stream_mode="default" if untouched else spec.stream_mode,
        audio=spec.audio,
        video=spec.video,
        wanted=spec.subscription.wanted,
        only=spec.only,
        files=spec.files,
        snapshot_s=spec.snapshot_s,
        mp4=spec.mp4,
    )


def is_merged(spec: RecordingSpec, segment: Segment) -> bool:
    """Whether a segment is also in the merged index of stream mode ``standard`` (§5.2).

    With one medium there is nothing to merge; screens are no part of a publisher's own sound and
    picture.
    """
    merges = spec.mode is Mode.INDIVIDUAL and spec.stream_mode == "standard"
    own = segment.source in (Source.CAMERA, Source.MICROPHONE)
    return merges and spec.audio and spec.video and own and segment.container in ("ts", "webm")
