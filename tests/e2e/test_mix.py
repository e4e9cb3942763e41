"""A mix of two publishers, judged by what is to be seen and heard in the finished file."""

import itertools
import re
import time

import pytest

from media.judge import decode, pattern
from media.judge.pattern import Region
from tests.e2e.farm import Farm, until
from tests.e2e.watch import PlaylistWatch

pytestmark = [pytest.mark.e2e, pytest.mark.server]

LENGTH_S = 30.0
CANVAS = {
    "height": 640,
    "width": 360,
    "bitrate": 500,
    "fps": 15,
    "mixedVideoLayout": 1,
    "backgroundColor": "#FF0000",
}
LEFT, RIGHT = Region(0, 0, 180, 640), Region(180, 0, 180, 640)


def test_a_mix_of_two_publishers_is_what_they_sent(running_farm: Farm) -> None:
    farm, cname = running_farm, "mix-of-two"
    request = {
        "recordingConfig": {"channelType": 0, "streamTypes": 2, "transcodingConfig": CANVAS},
        "storageConfig": farm.storage("mixes", "two"),
    }
    with (
        farm.publisher(cname, "123", "--pattern", "--video", "vp8"),
        farm.publisher(cname, "456", "--pattern", "--video", "h264"),
        PlaylistWatch(farm.bucket, "mixes/two/") as watch,
    ):
        time.sleep(1)
        recording = farm.agora.start(cname, "527841", "mix", request)
        until(recording.started_s + LENGTH_S)
        asked_s = time.time()
        status, answer = recording.stop()
        took_s = time.time() - asked_s
    assert status == 200, answer
    playlist = f"mixes/two/{recording.sid}_{cname}.m3u8"
    assert answer["serverResponse"] == {
        "fileListMode": "string",
        "fileList": playlist,
        "uploadingStatus": "uploaded",
    }
    assert watch.looks > 10
    assert not watch.problems
    assert watch.lengths[playlist] == sorted(watch.lengths[playlist])
    print(f"stop to last file {took_s:.2f} s")

    segments = farm.bucket.segments(playlist)
    name = re.compile(rf"mixes/two/{recording.sid}_{cname}_\d{{17}}\.ts")
    assert all(name.fullmatch(key) for key, _ in segments)
    assert {farm.bucket.content_type(key) for key, _ in segments} == {"video/MP2T"}
    assert farm.bucket.content_type(playlist) == "application/x-mpegURL"
    text = farm.bucket.get(playlist).decode()
    assert text.endswith("#EXT-X-ENDLIST\n")
    listed_s = sum(float(value) for value in re.findall(r"#EXTINF:([\d.]+)", text))
    data = decode.joined(part for _, part in segments)
    _judge(data, length_s=asked_s - recording.started_s, listed_s=listed_s)


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
