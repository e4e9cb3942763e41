from collections.abc import Callable

import pytest

from workers.job import naming
from workers.job.spec import Mode, RecordingSpec

Make = Callable[..., RecordingSpec]


def test_names_are_those_of_the_reference(make_spec: Make) -> None:
    sid = "0" * 32
    spec = make_spec(mode=Mode.INDIVIDUAL, cname="room-7")
    assert naming.stem(spec, "123", "audio") == f"{sid}_room-7__uid_s_123__uid_e_audio"
    assert naming.stem(make_spec(), "0", "audio_and_video") == f"{sid}_room-7"


@pytest.mark.parametrize("uid", ["../../x", "a/b", "ü" * 255, "x" * 65])
def test_no_uid_leads_out_of_the_folder_or_is_too_long(make_spec: Make, uid: str) -> None:
    stem = naming.stem(make_spec(mode=Mode.INDIVIDUAL), uid, "video")
    assert "/" not in stem
    assert len(naming.segment(stem, 1, "webm").encode()) < 200
    assert stem != naming.stem(make_spec(mode=Mode.INDIVIDUAL), uid + "x", "video")
