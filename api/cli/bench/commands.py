"""The commands of ``tapefarm bench``."""

from enum import StrEnum
from typing import Annotated

import typer

from api.cli.entry import COMMAND, Json, errors_said, load

bench = typer.Typer(help="Measure, side by side with what it is compared to.")


class Mixed(StrEnum):
    """What the publishers of a measured mix send."""

    VP8 = "vp8"
    H264 = "h264"


class Frame(StrEnum):
    """The sizes that mixes are measured in."""

    SMALL = "640x360"
    LARGE = "1280x720"


class Rate(StrEnum):
    """Pictures per second that mixes are measured with."""

    FIFTEEN = "15"
    THIRTY = "30"


@bench.command("capture")
def bench_capture(
    tracks: Annotated[int, typer.Option(min=1, help="One connection each.")] = 200,
    channels: Annotated[int, typer.Option(min=1, help="Recordings they are spread over.")] = 20,
    video: Annotated[bool, typer.Option("--video", help="Pictures instead of sound.")] = False,
    seconds: Annotated[float, typer.Option(min=0.5, help="Of each of three windows.")] = 4.0,
    only: Annotated[
        list[str] | None, typer.Option(help="tapefarm, janus, aiortc, mediarecorder.")
    ] = None,
    recordings: Annotated[
        int, typer.Option(min=0, help="To see the memory of a further one; 0: do not look.")
    ] = 30,
    json: Json = False,
) -> None:
    """CPU per RTP packet of a recorder, beside Janus and aiortc on the same packets."""
    plan = load("media.bench.capture", "Plan")(
        tracks, channels, video, seconds, *([tuple(only)] if only else []), recordings=recordings
    )
    with errors_said():
        load("media.bench.capture", "main")(plan, as_json=json)


@bench.command("mix")
def bench_mix(
    publishers: Annotated[str, typer.Option(help="How many there are, in each mix.")] = "2,4,9,16",
    size: Annotated[
        list[Frame] | None, typer.Option(help="Of the canvas and of what is published.")
    ] = None,
    video: Annotated[list[Mixed] | None, typer.Option(help="What is published.")] = None,
    fps: Annotated[list[Rate] | None, typer.Option(help="Of the canvas.")] = None,
    seconds: Annotated[int, typer.Option(min=2, max=60, help="Of each mix.")] = 15,
    repeat: Annotated[int, typer.Option(min=1, help="The least CPU of so many counts.")] = 3,
    only: Annotated[list[str] | None, typer.Option(help="tapefarm, ffmpeg, cutters.")] = None,
    json: Json = False,
) -> None:
    """CPU of a mixed slice, and how it looks, beside one ffmpeg process on the same media."""
    asked = {
        "publishers": _numbers("--publishers", publishers),
        "sizes": tuple(tuple(map(int, one.split("x"))) for one in size or ()),
        "codecs": tuple(one.value for one in video or ()),
        "rates": tuple(int(one) for one in fps or ()),
        "only": tuple(only or ()),
    }
    plan = load("media.bench.mix", "Plan")(
        seconds=seconds, repeat=repeat, **{name: value for name, value in asked.items() if value}
    )
    with errors_said():
        complete = load("media.bench.mix", "main")(plan, as_json=json)
    if not complete:
        raise typer.Exit(1)


@bench.command("stop")
def bench_stop(
    lengths: Annotated[str, typer.Option(help="Seconds of each recording.")] = "10,600,7200",
    runs: Annotated[int, typer.Option(min=1, help="Recordings of each length.")] = 3,
    final_pass: Annotated[
        bool, typer.Option(help="Make each MP4 of the segments as well, to compare.")
    ] = True,
    json: Json = False,
) -> None:
    """From the stop call to the last file in the bucket, beside a final pass over the segments."""
    from api.cli.bench.stop import Plan, main

    with errors_said():
        main(Plan(_numbers("--lengths", lengths), runs, final_pass), COMMAND, as_json=json)


@bench.command("api")
def bench_api(
    calls: Annotated[int, typer.Option(min=1, help="Of each kind, as fast as may be.")] = 5000,
    connections: Annotated[int, typer.Option(min=1, max=1000, help="That are kept open.")] = 32,
    rate: Annotated[float, typer.Option(min=1, help="Start calls a second, then.")] = 100.0,
    seconds: Annotated[float, typer.Option(min=1, help="At that rate, twice.")] = 15.0,
    json: Json = False,
) -> None:
    """Calls that one API process answers on one core, how soon, and what they cost."""
    from api.cli.bench.api import Plan, main

    with errors_said():
        main(Plan(calls, connections, rate, seconds), COMMAND, as_json=json)


def _numbers(option: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(map(int, text.split(",")))
    except ValueError:
        raise typer.BadParameter(f"numbers with commas between them: {option} 2,4") from None
