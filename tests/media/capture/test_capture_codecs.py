"""Publishers of every codec through a real room and a recorder, into files that are looked at."""

import asyncio

import pytest
from recorder import Recording, recording, until

from media.cut.composite import cut_composite
from media.cut.individual import cut_individual
from media.cut.look import Look
from media.cut.model import CompositeSpec, IndividualSpec, Slice
from media.judge import decode, pattern
from media.publish.options import Audio, PublishOptions, PublishReport, Ready, Video
from media.publish.publisher import publish
from media.tape.model import NS, Kind
from media.tape.reader import Tape

UID = "7"
ENOUGH = 500  # packets: some five seconds


async def _publish(rec: Recording, video: Video, audio: Audio) -> PublishReport:
    stop, ready = asyncio.Event(), asyncio.Event()

    def say(_: Ready) -> None:
        ready.set()

    options = PublishOptions(
        channel=f"room+{rec.address}", cname="c", uid=UID, video=video, audio=audio
    )
    task = asyncio.create_task(publish(options, stop, on_ready=say))
    try:
        await asyncio.wait({task, asyncio.create_task(ready.wait())}, return_when="FIRST_COMPLETED")
        async with asyncio.timeout(30):
            while rec.seen.count < ENOUGH and not task.done():
                await asyncio.sleep(0.05)
    finally:
        stop.set()
        report = await task
    await until(lambda: rec.seen.count >= ENOUGH)
    return report


PAIRS = ((Video.VP9, Audio.PCMU), (Video.AV1, Audio.G722), (Video.H264, Audio.PCMA))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory, free_port) -> dict[Video, tuple[Recording, PublishReport]]:
    """All of them at the same time, as each takes its seconds; and what was sent."""

    async def record(video: Video, audio: Audio) -> tuple[Recording, PublishReport]:
        async with recording(tmp_path_factory.mktemp("codecs"), free_port()) as rec:
            report = await _publish(rec, video, audio)
        return rec, report

    async def main() -> list[tuple[Recording, PublishReport]]:
        return await asyncio.gather(*(record(video, audio) for video, audio in PAIRS))

    return dict(zip((video for video, _ in PAIRS), asyncio.run(main()), strict=True))


@pytest.mark.parametrize(("video", "audio"), PAIRS)
def test_what_is_published_can_be_seen_and_heard(recordings, tmp_path, video, audio):
    rec, report = recordings[video]
    assert rec.track(UID, Kind.VIDEO).codecs[0].key == video.value
    assert rec.track(UID, Kind.AUDIO).codecs[0].key == audio.value
    assert rec.track(UID, Kind.AUDIO).codecs[0].clock_rate == 8000
    tape = Tape(rec.directory)
    begin, end = tape.manifests()[0].from_ns, tape.covered_until_ns()
    part = Slice(0, begin, end)
    spec = CompositeSpec(640, 360, fps=15, look=Look(1))
    mix = cut_composite(tape, spec, origin_ns=begin, slice=part, out_dir=tmp_path / "mix")
    data = mix.segments[0].path.read_bytes()
    seen = pattern.watch(decode.pictures(data))
    assert len(seen.numbers) > 40
    assert (seen.unreadable, seen.disordered) == (0, 0)
    # A busy machine's publisher skips.  What it sent is there, from the first one that was seen.
    assert len(seen.numbers) > (report.frames[Kind.VIDEO] - seen.numbers[0]) * 0.9
    sound = decode.sound(data)
    beeps = pattern.beeps(sound, UID)
    assert len(beeps) >= 3
    assert pattern.heard(sound, UID, from_s=beeps[0] + 0.2, until_s=beeps[-1]) > 0.98
    inner = [at for at in seen.flashes_s if beeps[0] - 0.5 < at < beeps[-1] + 0.5]
    offsets = pattern.offsets(inner, beeps)
    assert pattern.p95(offsets) <= 0.08
    apart = cut_individual(
        tape,
        IndividualSpec(),
        origin_ns=begin,
        slice=part,
        cursor={},
        final=True,
        out_dir=tmp_path / "apart",
    )
    made = {one.kind: one for one in apart.segments}
    assert made["video"].codec == video.value
    assert made["video"].duration_s * NS > 2 * NS
    copied = pattern.watch(decode.pictures(made["video"].path.read_bytes()))
    assert set(copied.numbers) >= set(seen.numbers[1:-1])
    assert made["audio"].codec == "aac"
