"""What cutters are told about a recut."""

from collections.abc import Callable
from pathlib import Path

import pytest

from media.cut.look import Look
from media.cut.model import Slice
from media.tape.reader import Tape
from media.tape.wanted import Wanted
from workers.cutter.plan import composite_spec, image_urls, individual_spec
from workers.job.errors import BadRecut
from workers.job.recut import Recut
from workers.job.spec import Mode, RecordingSpec, Subscription

Make = Callable[..., RecordingSpec]
NEW = "1" * 32
IMAGE = "http://images.example/a.png"


def test_a_look_of_its_own_follows_nothing(make_spec: Make, tmp_path: Path) -> None:
    parent = make_spec(look=Look(background_image=IMAGE))
    tape, piece = Tape(tmp_path), Slice(0, 0, 15)
    same = Recut().spec(parent, NEW, 5)
    assert composite_spec(same).follow
    assert image_urls(same, tape, piece) == {IMAGE}
    plain = Recut(look=Look(layout=2)).spec(parent, NEW, 5)
    assert (composite_spec(plain).follow, composite_spec(plain).look.layout) == (False, 2)
    assert image_urls(plain, tape, piece) == set()
    assert not Recut().spec(plain, NEW, 5).follow


def test_what_was_wanted_at_the_start_stays_and_only_some_are_taken(make_spec: Make) -> None:
    lists = Subscription(audio_uids=frozenset({"1", "2"}))
    parent = make_spec(mode=Mode.INDIVIDUAL, subscription=lists)
    cut = Recut(audio_uids=frozenset({"1"}), video_uids=frozenset()).spec(parent, NEW, 5)
    spec = individual_spec(cut)
    assert spec.wanted == lists.wanted
    assert spec.only == Wanted(frozenset({"1"}), frozenset())
    assert (spec.audio, spec.video) == (True, False)


@pytest.mark.parametrize("mode", Mode)
def test_a_mix_has_the_media_that_it_may_have_whoever_is_wanted_first(
    make_spec: Make, mode: Mode
) -> None:
    parent = make_spec(mode=mode, subscription=Subscription(video=False))
    cut = Recut(mode=Mode.MIX).spec(parent, NEW, 5)
    assert composite_spec(cut).video  # an update may have asked for pictures
    assert composite_spec(parent).video
    assert composite_spec(cut).audio
    sound = make_spec(mode=mode, video=False)
    assert not composite_spec(Recut(mode=Mode.MIX).spec(sound, NEW, 5)).video


def test_nothing_would_be_left(make_spec: Make) -> None:
    parent = make_spec(video=False)
    with pytest.raises(BadRecut):
        Recut(audio_uids=frozenset()).spec(parent, NEW, 5)


def test_nothing_of_the_channel_is_kept(make_spec: Make) -> None:
    cut = Recut().spec(make_spec(snapshot_s=5, files=False), NEW, 5)
    assert (cut.channel_url, cut.token, cut.snapshot_s, cut.files) == ("", None, 0, True)
    assert cut.storage.prefix == "a/b/"
    assert RecordingSpec.model_validate(cut.model_dump()) == cut
