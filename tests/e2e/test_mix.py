"""A mix of two publishers, judged by what is to be seen and heard in the finished file."""

import itertools
import re

import pytest

from media.judge import decode, pattern
from media.judge.pattern import Region
from tests.e2e.farm import Farm
from tests.e2e.together import PREFIX, Together

pytestmark = [pytest.mark.e2e, pytest.mark.server]

LEFT, RIGHT = Region(0, 0, 180, 640), Region(180, 0, 180, 640)


def test_a_mix_of_two_publishers_is_what_they_sent(
    running_farm: Farm, made_together: Together
) -> None:
    bucket, mix, watch = running_farm.bucket, made_together.mix, made_together.watch
    stem = f"{PREFIX}/mix/{mix.sid}_{mix.cname}"
    playlist = f"{stem}.m3u8"
    assert mix.answer == {
        "fileListMode": "string",
        "fileList": playlist,
        "uploadingStatus": "uploaded",
    }
    assert watch.looks > 10
    assert not watch.problems
    assert watch.lengths[playlist] == sorted(watch.lengths[playlist])
    print(f"stop to last file {mix.took_s:.2f} s")

    segments = bucket.segments(playlist)
    assert len(segments) == 2
    name = re.compile(rf"{stem}_\d{{17}}\.ts")
    assert all(name.fullmatch(key) for key, _ in segments)
    assert {bucket.content_type(key) for key, _ in segments} == {"video/MP2T"}
    assert bucket.content_type(playlist) == "application/x-mpegURL"
    text = bucket.get(playlist).decode()
    assert text.endswith("#EXT-X-ENDLIST\n")
    listed_s = sum(float(value) for value in re.findall(r"#EXTINF:([\d.]+)", text))
    data = decode.joined(part for _, part in segments)
    _judge(data, length_s=mix.length_s, listed_s=listed_s)


def _judge(data: bytes, length_s: float, listed_s: float) -> None:
    pictures = list(decode.pictures(data))
    sound = decode.sound(data)
    seen_s = pictures[-1].time_s - pictures[0].time_s + 1 / 15
    print(
        f"length {length_s:.2f} s, pictures {seen_s:.2f} s, sound {len(sound.samples) / 48000:.2f}"
    )
    assert abs(listed_s - length_s) <= 0.3
    assert abs(seen_s - length_s) <= 0.3
    assert abs(len(sound.samples) / decode.RATE - length_s) <= 0.3
    steps = [b.time_s - a.time_s for a, b in itertools.pairwise(pictures)]
    assert max(steps) < 1.5 / 15
    begin_s, end_s = pictures[0].time_s, pictures[-1].time_s
    for uid, region in (("123", LEFT), ("456", RIGHT)):
        seen = pattern.watch(pictures, region)
        beeps = pattern.beeps(sound, uid)
        offsets = pattern.offsets(seen.flashes_s, beeps)
        share = pattern.heard(sound, uid, from_s=begin_s + 1.0, until_s=end_s - 0.2)
        print(
            f"uid {uid}: {len(seen.numbers)} frames, {seen.missing} missing, "
            f"{seen.unreadable} unreadable, {len(offsets)} flashes, "
            f"A/V p95 {pattern.p95(offsets) * 1000:.1f} ms, tone in {share:.1%}"
        )
        assert len(seen.numbers) > length_s * 15 * 0.95
        assert seen.missing_share <= 0.01
        assert seen.disordered == 0
        assert len(offsets) >= length_s - 3
        assert pattern.p95(offsets) <= 0.060
        assert share == 1.0
