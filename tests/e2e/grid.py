"""Who is to be seen where and when in a mix whose grid changes with who is there."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from media.judge.decode import Picture
from media.judge.pattern import Region, Seen
from media.publish.frame_code import uid_code
from media.publish.read_pattern import flash_onsets, is_flash, read_frame_number

_RESTARTED = 15  # frames: what is older by so many is no late one, the publisher began anew


@dataclass(frozen=True, slots=True)
class Life:
    """One stay of a pattern publisher, from its first frame seen to the last."""

    seen: Seen
    times_s: tuple[float, ...]  # at which each number of ``seen`` was first seen

    @property
    def from_s(self) -> float:
        """When it is seen first, in the file's time."""
        return self.times_s[0]

    @property
    def until_s(self) -> float:
        """When its last frame begins."""
        return self.times_s[-1]


def cells(width: int, height: int) -> list[Region]:
    """The cells of the grids that a best-fit mix of one to four uses, the whole canvas first."""
    return [
        Region(x * width // columns, y * height // rows, width // columns, height // rows)
        for columns, rows in ((1, 1), (2, 1), (2, 2))
        for y in range(rows)
        for x in range(columns)
    ]


def lives(
    pictures: Iterable[Picture], regions: Sequence[Region], uids: Iterable[str]
) -> dict[str, list[Life]]:
    """The stays of each publisher, wherever its picture was shown."""
    looks: dict[str, list[tuple[float, int, bool]]] = {uid: [] for uid in uids}
    names = {uid_code(uid): uid for uid in looks}
    for picture in pictures:
        luma = picture.luma()
        for region in regions:
            part = _part(luma, region)
            found = read_frame_number(part)
            if found is not None and found[0] in names:
                looks[names[found[0]]].append((picture.time_s, found[1], is_flash(part)))
    return {uid: [_life(one) for one in _stays(rows)] for uid, rows in looks.items()}


def cropped(pictures: Iterable[Picture], region: Region) -> list[Picture]:
    """What is shown in one region."""
    return [
        Picture(picture.time_s, VideoFrame.from_ndarray(_part(_rgb(picture), region).copy()))
        for picture in pictures
    ]


def _stays(rows: list[tuple[float, int, bool]]) -> list[list[tuple[float, int, bool]]]:
    stays: list[list[tuple[float, int, bool]]] = []
    for row in rows:
        if not stays or row[1] < stays[-1][-1][1] - _RESTARTED:
            stays.append([])
        stays[-1].append(row)
    return stays


def _life(rows: list[tuple[float, int, bool]]) -> Life:
    new = rows[:1] + [b for a, b in itertools.pairwise(rows) if a[1] != b[1]]
    flashes = flash_onsets([(time_s, lit) for time_s, _, lit in rows])
    numbers = tuple(number for _, number, _ in new)
    return Life(Seen(numbers, 0, tuple(flashes)), tuple(time_s for time_s, _, _ in new))


def _rgb(picture: Picture) -> NDArray[np.uint8]:
    return picture.frame.to_ndarray(format="rgb24")


def _part(plane: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    return plane[region.y : region.y + region.height, region.x : region.x + region.width]
