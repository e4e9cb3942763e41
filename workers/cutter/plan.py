"""From what was asked for to what the cut needs; pure."""

from media.cut.model import CompositeSpec, IndividualSpec, Slice
from media.tape.model import NS
from workers.job.spec import SLICE_SECONDS, RecordingSpec
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
        layout=canvas.layout,
        max_resolution_uid=canvas.max_resolution_uid,
        background_color=canvas.background_color,
        audio_profile=spec.audio_profile,
        audio=spec.subscription.audio,
        video=spec.subscription.video,
    )


def individual_spec(spec: RecordingSpec) -> IndividualSpec:
    """How each publisher is stored apart; ``original`` needs audio alone (reference §2.2)."""
    original = spec.stream_mode == "original" and not spec.subscription.video
    return IndividualSpec(
        stream_mode="original" if original else "default",
        audio=spec.subscription.audio,
        video=spec.subscription.video,
    )
