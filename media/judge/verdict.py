"""Whether finished files hold what the demo's publishers sent."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from media.cut.layouts import arrange
from media.judge import decode, pattern
from media.judge.decode import Picture, Sound
from media.judge.pattern import Region
from media.publish.frame_code import uid_code
from media.publish.read_pattern import read_frame_number

BEST_FIT = 1
_FPS = 15
_EDGE_S = 1.0  # how far from an event a judgement begins: joining takes a moment


@dataclass(frozen=True, slots=True)
class Script:
    """What happened, in seconds from the beginning of the recording."""

    length_s: float
    uids: tuple[str, str]  # VP8, H.264
    mute_s: tuple[float, float]  # of the first one's sound
    away_s: tuple[float, float]  # of the second one


def mix(data: bytes, script: Script, size: tuple[int, int]) -> list[str]:
    """What is wrong with a mix; nothing, one hopes."""
    pictures, sound = list(decode.pictures(data)), decode.sound(data)
    return [
        *_length("pictures", pictures[-1].time_s - pictures[0].time_s + 1 / _FPS, script),
        *_length("sound", sound.end_s - sound.start_s, script),
        *_pictures(pictures, script, size),
        *_tones(sound, script),
    ]


def _length(what: str, length_s: float, script: Script) -> Iterator[str]:
    if abs(length_s - script.length_s) > 0.5:
        yield f"mix: {length_s:.2f} s of {what}, {script.length_s:.2f} s expected"


def _pictures(pictures: list[Picture], script: Script, size: tuple[int, int]) -> Iterator[str]:
    seen = _roll_call(pictures, size)
    first, second = (seen.get(uid_code(uid), []) for uid in script.uids)
    away_s = script.away_s[1] - script.away_s[0]
    for uid, numbers, expected_s in (
        (script.uids[0], first, script.length_s),
        (script.uids[1], second, script.length_s - away_s),
    ):
        if len(numbers) < (expected_s - 2 * _EDGE_S) * _FPS:
            yield f"mix: {len(numbers)} pictures of {uid} in {expected_s:.0f} s"
    if sum(b < a for a, b in itertools.pairwise(first)):
        yield f"mix: pictures of {script.uids[0]} are out of order"


def _roll_call(pictures: list[Picture], size: tuple[int, int]) -> dict[int, list[int]]:
    """The frame numbers shown, by publisher's code, wherever on the canvas."""
    regions = _regions(size)
    seen: dict[int, list[int]] = {}
    for picture in pictures:
        luma = picture.luma()
        for r in regions:
            found = read_frame_number(luma[r.y : r.y + r.height, r.x : r.x + r.width])
            if found is not None and (not seen.get(found[0]) or seen[found[0]][-1] != found[1]):
                seen.setdefault(found[0], []).append(found[1])
    return seen


def _regions(size: tuple[int, int]) -> list[Region]:
    """Where publishers are when there are two of them, or one."""
    rects = [
        region.pixels(*size)
        for count in (2, 1)
        for region in arrange(BEST_FIT, [str(n) for n in range(count)])
        if region is not None
    ]
    return [Region(r.x, r.y, r.w, r.h) for r in rects]


def _tones(sound: Sound, script: Script) -> Iterator[str]:
    first, second = script.uids
    for uid, (from_s, until_s) in ((first, script.mute_s), (second, script.away_s)):
        silent = _heard(sound, uid, from_s + _EDGE_S, until_s - _EDGE_S)
        if silent > 0.1:
            yield f"mix: {uid} is heard in {silent:.0%} of the time without it"
        for begin_s, end_s in ((_EDGE_S, from_s - 0.3), (until_s + _EDGE_S, script.length_s - 0.5)):
            heard = _heard(sound, uid, begin_s, end_s)
            if heard < 0.97:
                yield f"mix: {uid} is heard in only {heard:.0%} from {begin_s:.1f} s on"


def _heard(sound: Sound, uid: str, from_s: float, until_s: float) -> float:
    zero_s = sound.start_s
    return pattern.heard(sound, uid, from_s=zero_s + from_s, until_s=zero_s + until_s)
