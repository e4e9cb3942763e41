"""The commands.  Each is thin: it reads its options and calls the floor below."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.bench.commands import bench
from api.cli.callbacks import callbacks
from api.cli.entry import COMMAND, Json, errors_said, load

main = typer.Typer(
    name="tapefarm",
    help="A self-hosted recording farm for real-time audio and video channels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # their local variables would hold secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)
tape = typer.Typer(help="Look at tapes.")
main.add_typer(bench, name="bench")
main.add_typer(callbacks, name="callbacks")
main.add_typer(tape, name="tape")

Config = Annotated[
    Path | None,
    typer.Option("--config", help="A TOML file of settings; TAPEFARM_* variables win over it."),
]


class Video(StrEnum):
    """What a test publisher sends as picture."""

    VP8 = "vp8"
    VP9 = "vp9"
    H264 = "h264"
    AV1 = "av1"
    NONE = "none"


class Audio(StrEnum):
    """What a test publisher sends as sound."""

    OPUS = "opus"
    PCMU = "pcmu"
    PCMA = "pcma"
    G722 = "g722"
    NONE = "none"


class Output(StrEnum):
    """What is made of a recording."""

    MIX = "mix"
    INDIVIDUAL = "individual"


class Streams(StrEnum):
    """How the media of each publisher is stored."""

    DEFAULT = "default"
    STANDARD = "standard"
    ORIGINAL = "original"


class Screen(StrEnum):
    """Where a test publisher pretends to take its picture from."""

    CAMERA = "camera"
    SCREEN = "screen"


@main.command()
def up(
    data: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("data"),
    host: Annotated[str, typer.Option(help="Address the API and the room listen on.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the API; 0: a free one.")] = 8080,
    recorders: Annotated[int, typer.Option(min=0, max=64, help="Recorder processes.")] = 1,
    cutters: Annotated[int, typer.Option(min=0, max=256, help="Cutter processes.")] = 1,
    uploaders: Annotated[int, typer.Option(min=0, max=64, help="Uploader processes.")] = 1,
    redis: Annotated[str | None, typer.Option(help="Use this Redis instead of our own.")] = None,
    s3: Annotated[
        str | None,
        typer.Option(help="Use this storage: http://ACCESS_KEY:SECRET_KEY@host:9000/bucket"),
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="Use this media server, e.g. janus+ws://host:8188")
    ] = None,
    callback_url: Annotated[str, typer.Option(help="Where events are sent.")] = "",
    apps: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A TOML file of more apps: docs/access.md"),
    ] = None,
    requests_per_second: Annotated[
        float | None, typer.Option(min=0, help="Quota of each app; without it there is none.")
    ] = None,
) -> None:
    """Start a whole farm on this host; SIGINT or SIGTERM ends it."""
    from workers.embedded.up import Options
    from workers.embedded.up import up as run_farm
    from workers.logs import configure

    options = Options(
        *(data, host, port, recorders, cutters, uploaders, redis, s3, channel, callback_url),
        apps=apps,
        requests_per_second=requests_per_second,
    )
    configure("console", "info", "up")
    with errors_said():
        run_farm(options, command=COMMAND, say=_say)


@main.command()
def room(
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8081,
) -> None:
    """The embedded media server: WHIP in, WHEP out."""
    from workers.logs import configure

    configure("json", "info", "room")
    with errors_said():
        load("media.room.server", "run")(host, port)


@main.command()
def api(config: Config = None) -> None:
    """The REST API."""
    _run_role("api.main", "api", config)


@main.command()
def recorder(config: Config = None) -> None:
    """A recorder: joins channels and writes tapes."""
    _run_role("workers.recorder.main", "recorder", config)


@main.command()
def cutter(config: Config = None) -> None:
    """A cutter: makes media files of tapes."""
    _run_role("workers.cutter.main", "cutter", config)


@main.command()
def uploader(config: Config = None) -> None:
    """An uploader: brings files to buckets."""
    _run_role("workers.uploader.main", "uploader", config)


@main.command()
def reconciler(config: Config = None) -> None:
    """The reconciler: finds what is missing and has it made."""
    _run_role("workers.reconciler.main", "reconciler", config)


@main.command()
def publish(
    channel: Annotated[str, typer.Option(help="e.g. room+http://127.0.0.1:8081")],
    cname: Annotated[str, typer.Option(help="The channel's name.")],
    uid: Annotated[str, typer.Option(help="Who publishes.")],
    media: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Publish this file.")
    ] = None,
    pattern: Annotated[bool, typer.Option("--pattern", help="Publish the test pattern.")] = False,
    video: Annotated[
        Video | None, typer.Option(help="VP8, or a file's own codec, unless given.")
    ] = None,
    audio: Annotated[Audio, typer.Option()] = Audio.OPUS,
    source: Annotated[Screen, typer.Option()] = Screen.CAMERA,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Then leave.")] = None,
    fps: Annotated[int, typer.Option(min=1, max=60, help="Pictures per second (pattern).")] = 15,
    size: Annotated[
        tuple[int, int] | None, typer.Option(help="Width and height, e.g. 1280 720.")
    ] = None,
    bitrate: Annotated[int | None, typer.Option(min=10_000, help="Of the picture, bit/s.")] = None,
    log_payloads: Annotated[
        Path | None, typer.Option(help="Write the hash of each audio payload here.")
    ] = None,
) -> None:
    """A test publisher; the pattern unless a file is given.

    Prints a line of JSON when it is connected and one when it is done; takes "mute audio",
    "unmute video", "leave" and so on from stdin.
    """
    if media is not None and pattern:
        raise typer.BadParameter("give --media or --pattern, not both")
    import asyncio

    from workers.logs import configure

    configure("console", "info", "publish")
    options = load("media.publish.options", "PublishOptions")(
        channel=channel,
        cname=cname,
        uid=uid,
        media=media,
        video=load("media.publish.options", "Video")(video.value) if video else None,
        audio=load("media.publish.options", "Audio")(audio.value),
        source=load("media.tape.model", "Source")(source.value),
        seconds=seconds,
        fps=fps,
        size=size,
        bitrate=bitrate,
        log_payloads=log_payloads,
    )
    with errors_said():
        asyncio.run(load("media.publish.console", "run")(options))


@main.command()
def demo(
    output: Annotated[Path, typer.Option(help="Where the finished files are copied to.")] = Path(
        "demo-output"
    ),
) -> None:
    """The main job on a farm of its own: record, show, check; ends by itself."""
    from api.cli.demo.run import run as run_demo

    with errors_said():
        run_demo(COMMAND, output)


@main.command()
def recut(
    sid: Annotated[str, typer.Argument(help="The recording; its tape must still be there.")],
    mode: Annotated[Output | None, typer.Option(help="What to make of it.")] = None,
    layout: Annotated[int | None, typer.Option(min=0, max=2, help="Of a mix.")] = None,
    width: Annotated[int | None, typer.Option(min=16, max=1920, help="Pixels.")] = None,
    height: Annotated[int | None, typer.Option(min=16, max=1920, help="Pixels.")] = None,
    fps: Annotated[int | None, typer.Option(min=1, max=60)] = None,
    bitrate: Annotated[int | None, typer.Option(min=1, max=6500, help="kbit/s.")] = None,
    publishers: Annotated[str | None, typer.Option(help="These only: 123,456")] = None,
    format: Annotated[  # noqa: A002  # the option's name; the builtin is not used here
        str | None, typer.Option(help="hls; hls,mp4 of a mix; webm of individual media")
    ] = None,
    stream_mode: Annotated[
        Streams | None, typer.Option(help="How individual media is stored.")
    ] = None,
    body: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A JSON file with the whole request."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until every file is there.")] = False,
    data: Annotated[Path, typer.Option(help="The data directory of the farm.")] = Path("data"),
) -> None:
    """Cut a recording again from its tape: another layout, canvas, list of publishers or format."""
    from api.cli.recut import read_body
    from api.cli.recut import recut as make_recut

    picture = {"mixedVideoLayout": layout, "width": width, "height": height}
    picture |= {"fps": fps, "bitrate": bitrate}
    options = {
        "mode": mode and mode.value,
        "transcodingConfig": _given(picture) or None,
        "publishers": publishers and dict.fromkeys(("audio", "video"), publishers.split(",")),
        "avFileType": format and format.split(","),
        "streamMode": stream_mode and stream_mode.value,
    }
    with errors_said():
        request = read_body(body) if body is not None else {}
        make_recut(data, sid, request | _given(options), wait=wait, say=_say)


@main.command()
def doctor(
    data: Annotated[Path, typer.Option(help="The data directory of a farm.")] = Path("data"),
) -> None:
    """Check every component and say what is wrong."""
    from api.cli.doctor import examine, report

    findings = examine(data)
    report(findings)
    if any(not finding.well for finding in findings):
        raise typer.Exit(1)


@tape.command("info")
def tape_info(
    files: Annotated[list[Path], typer.Argument(exists=True)], json: Json = False
) -> None:
    """What is on a tape."""
    with errors_said():
        load("media.tape.show", "info")(files, as_json=json)


@tape.command("verify")
def tape_verify(
    files: Annotated[list[Path], typer.Argument(exists=True)], json: Json = False
) -> None:
    """Whether a tape is whole."""
    with errors_said():
        whole = load("media.tape.show", "verify")(files, as_json=json)
    if not whole:
        raise typer.Exit(1)


@tape.command("export")
def tape_export(
    files: Annotated[
        list[Path], typer.Argument(exists=True, file_okay=False, help="Directories of tapes.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the media goes.")],
    json: Json = False,
) -> None:
    """Write what is on a tape as media: one file for each line of it, in time with each other."""
    with errors_said():
        load("media.cut.export", "main")(files, output, as_json=json)


def _run_role(module: str, role: str, config: Path | None) -> None:
    from pydantic import ValidationError

    from workers.logs import configure
    from workers.settings import load as load_settings

    try:
        settings = load_settings(config)
    except ValidationError as exc:
        # Only names and reasons: the values may be secrets.
        for row in exc.errors(include_input=False, include_url=False):
            typer.echo(f"setting {'.'.join(map(str, row['loc']))}: {row['msg']}", err=True)
        raise typer.Exit(2) from None
    except (OSError, ValueError) as exc:
        typer.echo(f"{config}: {exc}", err=True)
        raise typer.Exit(2) from exc
    configure(settings.log_format, settings.log_level, role)
    with errors_said():
        load(module, "run")(settings)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Those that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _say(line: str) -> None:
    """To stdout at once, also when it is a pipe."""
    print(line, flush=True)
