"""Individual recordings: untouched sound, and each publisher apart."""

import hashlib
import itertools
import re
from pathlib import Path

import pytest

from media.judge import decode, pattern
from tests.e2e.farm import Farm
from tests.e2e.together import MUTED_S, PREFIX, Together

pytestmark = [pytest.mark.e2e, pytest.mark.server]

HOLE_S = MUTED_S[1] - MUTED_S[0]


def test_original_sound_is_byte_for_byte_what_was_sent_and_a_mute_is_a_hole(
    running_farm: Farm, made_together: Together
) -> None:
    bucket, made = running_farm.bucket, made_together.untouched
    assert not made_together.watch.problems
    stem = f"{PREFIX}/untouched/{made.sid}_{made.cname}__uid_s_123__uid_e_audio"
    files = made.answer["fileList"]
    assert [(row["fileName"], row["trackType"], row["uid"]) for row in files] == [
        (f"{stem}.m3u8", "audio", "123")
    ]
    segments = bucket.segments(f"{stem}.m3u8")
    assert all(re.fullmatch(re.escape(stem) + r"_\d{17}\.ts", key) for key, _ in segments)
    recorded = [packet for _, data in segments for packet in decode.packets(data, "audio")]
    _judge_payloads(recorded, made_together.payloads)
    _judge_hole([time_s for time_s, _ in recorded])
    text = bucket.get(f"{stem}.m3u8").decode()
    assert text.count("#EXT-X-DISCONTINUITY\n") == 2
    listed_s = sum(float(value) for value in re.findall(r"#EXTINF:([\d.]+)", text))
    print(
        f"{len(recorded)} packets, {listed_s:.2f} s listed of {made.length_s:.2f} s with a mute "
        f"of {HOLE_S:.0f} s"
    )
    assert abs(listed_s - (made.length_s - HOLE_S)) < 1.0


def _judge_payloads(recorded: list[tuple[float, bytes]], log: Path) -> None:
    sent = [line.split()[1] for line in log.read_text().splitlines()]
    got = [hashlib.sha256(payload).hexdigest() for _, payload in recorded]
    # A steady tone gives the same payload again and again: the first one has several places.
    starts = [at for at, payload in enumerate(sent) if payload == got[0]]
    whole = any(got == sent[at : at + len(got)] for at in starts)
    assert whole, "some payload is missing or differs"


def _judge_hole(times_s: list[float]) -> None:
    steps = [b - a for a, b in itertools.pairwise(times_s)]
    holes = [step for step in steps if step > 0.5]
    print(f"hole of {holes[0]:.3f} s" if holes else "no hole")
    assert len(holes) == 1
    assert abs(holes[0] - HOLE_S) <= 0.2
    assert max(step for step in steps if step <= 0.5) < 0.045


def test_each_publisher_apart_h264_in_ts_vp8_in_webm_sound_in_aac(
    running_farm: Farm, made_together: Together
) -> None:
    bucket, made = running_farm.bucket, made_together.apart
    assert not made_together.watch.problems
    names = {row["fileName"]: row for row in made.answer["fileList"]}
    for uid, container, codec in (("123", "webm", "vp8"), ("456", "ts", "h264")):
        stem = f"{PREFIX}/apart/{made.sid}_{made.cname}__uid_s_{uid}__uid_e_"
        assert names[f"{stem}video.m3u8"]["isPlayable"] is (container == "ts")
        video = bucket.segments(f"{stem}video.m3u8")
        assert all(key.endswith(container) for key, _ in video)
        assert len(video) >= 2
        numbers: list[int] = []
        for _, data in video:
            assert decode.codecs(data) == {"video": codec}
            pictures = list(decode.pictures(data))
            assert pictures[0].frame.key_frame
            numbers += pattern.watch(pictures).numbers
        print(f"uid {uid}: {len(numbers)} pictures in {len(video)} files")
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert len(numbers) > made.length_s * 15 * 0.95
        audio = bucket.segments(f"{stem}audio.m3u8")
        assert all(decode.codecs(data) == {"audio": "aac"} for _, data in audio)
        sound = decode.sound(decode.joined(data for _, data in audio))
        heard = pattern.heard(sound, uid, from_s=sound.start_s + 0.5, until_s=sound.end_s - 0.5)
        print(f"uid {uid}: {sound.end_s - sound.start_s:.2f} s of sound, tone in {heard:.1%}")
        assert heard == 1.0
        assert abs(sound.end_s - sound.start_s - made.length_s) < 1.0
