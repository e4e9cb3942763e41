"""`tapefarm tape export`: what was sent comes out as files, with its times."""

import json

import av
import pytest
from typer.testing import CliRunner

from api.cli.app import main as cli
from media.cut.export import export
from media.errors import TapeDamaged
from media.tape.model import NS, Source
from tests.media.cut.look import assert_plays
from tests.media.cut.scene import (
    AV1,
    G722,
    H264,
    OPUS,
    ORIGIN_NS,
    PCMU,
    RED,
    VP8,
    VP9,
    pictures,
    presence,
    telephone_tone,
    tone,
    track,
)
from tests.media.cut.tapes import on_tape

SIZE = (160, 120)


def payloads(path):
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux() if packet.size]


@pytest.mark.parametrize("codec", [VP8, VP9, AV1, H264], ids=lambda codec: codec.key)
def test_pictures_come_out_as_they_were_sent(tmp_path, codec):
    camera = track("7", Source.CAMERA, codec)
    sent = pictures(camera, RED, start_ns=ORIGIN_NS + NS, seconds=3, size=SIZE)
    on_tape(tmp_path / "tape", [sent], presence(camera, ORIGIN_NS))
    (made,) = export(tmp_path / "tape", tmp_path / "out")
    assert made.path.suffix == (".ts" if codec is H264 else ".webm")
    assert (made.uid, made.source, made.codec) == ("7", "camera", codec.key)
    assert (made.offset_s, made.frames) == (pytest.approx(1, abs=0.05), len(sent))
    assert made.seconds == pytest.approx(3, abs=0.1)
    assert_plays(made.path)
    with av.open(str(made.path)) as file:
        times = [frame.time for frame in file.decode(video=0)]
    assert len(times) == len(sent)
    assert times[-1] - times[0] == pytest.approx(made.seconds, abs=0.05)


def test_sound_with_a_pause_keeps_its_times(tmp_path):
    microphone = track("a/b", Source.MICROPHONE, OPUS)
    first = tone(microphone, 440, start_ns=ORIGIN_NS, seconds=1)
    step = first[1].rtp_time - first[0].rtp_time
    later = [
        frame._replace(time_ns=frame.time_ns + 40 * NS, rtp_time=frame.rtp_time + 2000 * step)
        for frame in first
    ]
    on_tape(tmp_path / "tape", [first + later], presence(microphone, ORIGIN_NS))
    (made,) = export(tmp_path / "tape", tmp_path / "out")
    assert made.path.name.startswith("a%2Fb-microphone-")
    assert made.seconds == pytest.approx(41, abs=0.1)
    assert payloads(made.path) == [frame.data for frame in first + later]
    assert_plays(made.path)
    with av.open(str(made.path)) as file:
        times = [packet.pts * packet.time_base for packet in file.demux() if packet.size]
    assert float(times[len(first)]) == pytest.approx(40, abs=0.05)


@pytest.mark.parametrize("codec", [PCMU, G722], ids=lambda codec: codec.key)
def test_telephone_sound_is_a_wav_file(tmp_path, codec):
    microphone = track("7", Source.MICROPHONE, codec)
    sent = telephone_tone(microphone, 440, start_ns=ORIGIN_NS, seconds=2)
    on_tape(tmp_path / "tape", [sent], presence(microphone, ORIGIN_NS))
    (made,) = export(tmp_path / "tape", tmp_path / "out")
    assert made.path.suffix == ".wav"
    assert b"".join(payloads(made.path)) == b"".join(frame.data for frame in sent)


def test_after_a_lost_picture_it_goes_on_with_a_key_frame(tmp_path):
    camera = track("7", Source.CAMERA, VP8)
    sent = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=4, size=SIZE)
    lost = frozenset({(camera.id, 10)})
    on_tape(tmp_path / "tape", [sent], presence(camera, ORIGIN_NS), lost=lost)
    (made,) = export(tmp_path / "tape", tmp_path / "out")
    assert made.frames == len(sent) - 20  # key frames are 30 pictures apart
    assert_plays(made.path)


def test_on_the_command_line_every_track_is_a_line(tmp_path):
    camera, microphone = track("7", Source.CAMERA, VP8), track("8", Source.MICROPHONE, OPUS)
    on_tape(
        tmp_path / "tape",
        [
            pictures(camera, RED, start_ns=ORIGIN_NS, seconds=1, size=SIZE),
            tone(microphone, 440, start_ns=ORIGIN_NS + NS // 2, seconds=1),
        ],
        [*presence(camera, ORIGIN_NS), *presence(microphone, ORIGIN_NS)],
    )
    command = ["tape", "export", str(tmp_path / "tape"), "-o", str(tmp_path / "out")]
    said = CliRunner().invoke(cli, [*command, "--json"])
    rows = json.loads(said.stdout)
    assert [(row["uid"], row["offset_s"] > 0.3) for row in rows] == [("7", False), ("8", True)]
    assert sorted(str(path) for path in (tmp_path / "out").iterdir()) == sorted(
        row["path"] for row in rows
    )
    assert len(CliRunner().invoke(cli, command).stdout.splitlines()) == 2


def test_a_folder_without_a_tape_is_said_so(tmp_path):
    with pytest.raises(TapeDamaged, match="no sealed part"):
        export(tmp_path, tmp_path / "out")
