"""``tapefarm demo``: from nothing to checked files, and what they look like."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from minio import Minio
from rich.console import Console
from rich.table import Table

from api.agora.client import AgoraClient
from api.cli.demo import play as script
from api.cli.demo.play import Played, play
from api.cli.demo.progress import Bars
from api.cli.demo.stage import DemoFailed, Stage
from api.cli.entry import load

_MARGIN_S = 1.5  # of pictures: joining, leaving, and the first key frame


def run(command: tuple[str, ...], output: Path) -> None:
    """Raises DemoFailed unless the finished files hold what they should."""
    console = Console(width=max(Console().width, 100))
    with tempfile.TemporaryDirectory(prefix="tapefarm-demo-") as folder:
        data = Path(folder) / "data"
        console.print(f"starting a farm in {data} …")
        with Stage(command, data) as stage:
            console.print(
                f"two publishers join channel “{script.CNAME}” (VP8 and H.264); a mix and an "
                f"individual recording of {script.LENGTH_S:.0f} s"
            )
            played = _played(stage, console)
            files = _fetch(stage.facts["s3"], output)
    _show(console, files, output)
    problems = _judge(files, played)
    sheet = load("media.judge.report", "contact_sheet")(
        _mix_data(files, played), output / "mix.png"
    )
    mix_s, individual_s = played.finish_s
    console.print(
        f"stop call → last file in the bucket: mix {mix_s:.2f} s, individual {individual_s:.2f} s"
    )
    console.print(f"pictures of the mix: {sheet}")
    playlist = output / played.answers[0]["serverResponse"]["fileList"]
    console.print(f"play it:  ffplay {playlist}   (or vlc, mpv, any HLS player)")
    if problems:
        for problem in problems:
            console.print(f"[red]wrong:[/] {problem}")
        raise DemoFailed("the files do not hold what was sent")
    console.print("[green]every file decodes and holds what was sent[/]")


def _played(stage: Stage, console: Console) -> Played:
    facts = stage.facts
    credentials = (facts["app_id"], facts["customer_key"], facts["customer_secret"])
    with (
        AgoraClient(facts["api"], *credentials) as client,
        Bars(console, facts["metrics"]) as bars,
    ):
        return play(stage, client, bars.tick)


def _fetch(s3: dict[str, Any], output: Path) -> dict[str, bytes]:
    """Copy the bucket to a folder that outlives the farm."""
    shutil.rmtree(output, ignore_errors=True)
    client = Minio(
        endpoint=s3["endpoint"],
        access_key=s3["access_key"],
        secret_key=s3["secret_key"],
        secure=s3["secure"],
        region="us-east-1",
    )
    files: dict[str, bytes] = {}
    for row in client.list_objects(bucket_name=s3["bucket"], recursive=True):
        name = str(row.object_name)
        with client.get_object(bucket_name=s3["bucket"], object_name=name) as answer:
            files[name] = answer.read()
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[name])
    return files


def _show(console: Console, files: dict[str, bytes], output: Path) -> None:
    facts = load("media.judge.report", "facts")
    table = Table("file", "codecs", "seconds", "bytes", title=f"in the bucket, copied to {output}/")
    for name, data in sorted(files.items()):
        folder, _, bare = name.removeprefix("demo/").partition("/")
        short = f"{folder}/…{bare[32:]}"  # the sid says nothing here
        if name.endswith(".m3u8"):
            table.add_row(short, f"{data.decode().count('#EXTINF')} segments", "", str(len(data)))
            continue
        if name.endswith(".json"):
            table.add_row(short, "quality report", "", str(len(data)))
            continue
        found = facts(data)
        table.add_row(short, ", ".join(found.codecs), f"{found.duration_s:.2f}", str(len(data)))
    console.print(table)


def _segments(files: dict[str, bytes], playlist: str) -> list[bytes]:
    folder = playlist.rpartition("/")[0]
    lines = files[playlist].decode().splitlines()
    return [files[f"{folder}/{line}"] for line in lines if line and not line.startswith("#")]


def _mix_data(files: dict[str, bytes], played: Played) -> bytes:
    return b"".join(_segments(files, played.answers[0]["serverResponse"]["fileList"]))


def _judge(files: dict[str, bytes], played: Played) -> list[str]:
    uids = (script.VP8_UID, script.H264_UID)
    away_s = played.away_s[1] - played.away_s[0]
    happened = load("media.judge.verdict", "Script")(
        played.length_s, uids, script.MUTE_S, played.away_s
    )
    problems: list[str] = load("media.judge.verdict", "mix")(
        _mix_data(files, played), happened, script.SIZE
    )
    entries = played.answers[1]["serverResponse"]["fileList"]
    listed = {(row["uid"], row["trackType"]): row["fileName"] for row in entries}
    facts = load("media.judge.report", "facts")
    for uid, codec, expected_s in (
        (uids[0], "vp8", played.length_s),
        (uids[1], "h264", played.length_s - away_s),
    ):
        for kind, wanted in (("video", codec), ("audio", "aac")):
            name = listed.get((uid, kind))
            parts = [facts(data) for data in _segments(files, name)] if name else []
            problems += _wrong(f"{uid} {kind}", parts, wanted, kind, expected_s)
    return problems


def _wrong(what: str, parts: list[Any], codec: str, kind: str, expected_s: float) -> list[str]:
    if {part.codecs for part in parts} != {(codec,)}:
        return [f"{what}: {codec} expected, found {sorted({part.codecs for part in parts})}"]
    pictures = sum(part.pictures for part in parts)
    if kind == "video" and pictures < (expected_s - _MARGIN_S) * 15:
        return [f"{what}: {pictures} pictures in {expected_s:.1f} s"]
    return []
