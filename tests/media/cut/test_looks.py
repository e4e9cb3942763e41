"""What updateLayout and update change, images and their order, and how regions lie on another."""

import json
from dataclasses import replace

import pytest

from media.cut.composite import cut_composite
from media.cut.look import BEST_FIT, CUSTOM, FLOATING, VERTICAL, Look, Place, UserImage
from media.cut.model import CompositeSpec, Slice
from media.tape.model import NS, EventType, Source, TapeEvent
from media.tape.wanted import EVERYBODY, Wanted
from tests.media.cut.crowd import camera, colour, crowd, joined, shown
from tests.media.cut.look import like, shots, sound
from tests.media.cut.scene import OPUS, ORIGIN_NS, Colour, presence, tone, track
from tests.media.cut.stills import BLUE, GREEN, RED, image, is_rgb
from tests.media.cut.tapes import on_tape

BLACK = Colour(16, 128, 128)
SPEC = CompositeSpec(320, 180, bitrate=4000, look=Look(BEST_FIT), audio=False)
STOPPED_S = 0.5
LEFT, RIGHT = (0.25, 0.5), (0.75, 0.5)
USER, DEFAULT, BACK = "https://a/user.png", "https://a/default.jpg", "https://a/back.bmp"


def cut(tape, out, spec=SPEC, *, start_s=0.0, end_s=1.0, images=None):
    part = Slice(0, ORIGIN_NS + round(start_s * NS), ORIGIN_NS + round(end_s * NS))
    images = images or {}
    made = cut_composite(
        tape, spec, origin_ns=ORIGIN_NS, slice=part, out_dir=out, images=images
    ).segments[0]
    return made.path


def at(seconds):
    return ORIGIN_NS + round(seconds * NS)


def with_look(**look):
    return replace(SPEC, look=Look(**look))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    home = tmp_path_factory.mktemp("images")
    return {
        USER: image(home / "user.png", RED, size=(64, 36), edge=BLUE),
        DEFAULT: image(home / "default.jpg", GREEN),
        BACK: image(home / "back.bmp", BLUE),
    }


class TestOrders:
    """Looks and lists that change while a slice lasts."""

    @pytest.mark.parametrize("odd_s", [0.301, 0.5, 0.7777])
    def test_a_new_look_shows_at_its_time_within_a_tick(self, tmp_path, odd_s):
        look = Look(VERTICAL, max_resolution_uid="2", background_color="#C81E1E")
        tape = crowd(tmp_path / "t", 2, [look.event(at(odd_s))])
        seen = shots(cut(tape, tmp_path))
        before = [shot for shot in seen if shot.time_s < odd_s - 1e-3]
        after = [shot for shot in seen if shot.time_s >= odd_s]
        assert len(before) + len(after) == len(seen) == 15
        assert all(like(shot.colour(*LEFT), colour(1)) for shot in before)
        assert all(like(shot.colour(*RIGHT), colour(2)) for shot in before)
        for shot in after:
            assert like(shot.colour(0.4, 0.5), colour(2))
            assert like(shot.colour(0.9, 0.1), colour(1))
            assert is_rgb(shot, 0.9, 0.6, RED)

    def test_each_look_replaces_the_one_before_as_a_whole(self, tmp_path):
        first = Look(VERTICAL, "2", "#C81E1E")
        tape = crowd(tmp_path / "t", 1, [first.event(at(0.2)), Look().event(at(0.6))])
        shot = shots(cut(tape, tmp_path))[-1]
        assert like(shot.colour(0.9, 0.9), colour(1))

    def test_the_look_holds_in_later_slices_and_on_a_trimmed_tape(self, tmp_path):
        tracks = [shown(camera(1), colour(1), seconds=30)]
        look = Look(VERTICAL, "1")
        tape = on_tape(tmp_path / "t", tracks, [*joined([1]), look.event(at(3))])
        data = cut(tape, tmp_path, start_s=28, end_s=29).read_bytes()
        tape.trim(at(20))
        assert tape.manifests()[0].from_ns > at(10)
        path = cut(tape, tmp_path, start_s=28, end_s=29)
        assert path.read_bytes() == data
        assert like(shots(path)[0].colour(0.9, 0.5), BLACK)

    def test_a_cut_with_a_look_of_its_own_does_not_follow(self, tmp_path):
        tape = crowd(tmp_path / "t", 2, [Look(VERTICAL).event(at(0.2))])
        shot = shots(cut(tape, tmp_path, replace(SPEC, follow=False)))[-1]
        assert like(shot.colour(*LEFT), colour(1))

    @pytest.mark.parametrize("detail", ["", "{", "[]", '{"layout":9}', '{"places":[{"x":1}]}'])
    def test_an_order_that_makes_no_sense_changes_nothing(self, tmp_path, detail):
        events = [TapeEvent(kind, at(0.2), detail=detail) for kind in (EventType.LOOK,)]
        seen = shots(cut(crowd(tmp_path / "t", 2, events), tmp_path))
        assert like(seen[-1].colour(*LEFT), colour(1))

    def test_who_is_not_wanted_has_no_region_from_that_time_on(self, tmp_path):
        wanted = Wanted(not_video_uids=frozenset("1"), not_audio_uids=frozenset("1"))
        events = [wanted.event(at(0.41)), EVERYBODY.event(at(0.75))]
        seen = shots(cut(crowd(tmp_path / "t", 2, events), tmp_path))
        for shot in seen:
            alone = 0.41 <= shot.time_s < 0.75 - 1e-3
            assert like(shot.colour(*LEFT), colour(2 if alone else 1)), shot.time_s

    def test_lists_at_the_start_and_those_of_a_cut_of_its_own(self, tmp_path):
        tape = crowd(tmp_path / "t", 3)
        only = replace(SPEC, wanted=Wanted(not_video_uids=frozenset("2")))
        shot = shots(cut(tape, tmp_path, only))[-1]
        assert like(shot.colour(*LEFT), colour(1))
        assert like(shot.colour(*RIGHT), colour(3))
        again = replace(only, only=Wanted(video_uids=frozenset("23")))
        assert like(shots(cut(tape, tmp_path, again))[-1].colour(*LEFT), colour(3))

    def test_sound_that_is_not_wanted_is_cut_out_without_a_click(self, tmp_path):
        mics = [track(uid, Source.MICROPHONE, OPUS) for uid in "12"]
        tones = [
            tone(mic, hz, start_ns=at(-5), seconds=10)
            for mic, hz in zip(mics, (500, 1300), strict=True)
        ]
        events = [one for mic in mics for one in presence(mic, at(-5))]
        events += [Wanted(not_audio_uids=frozenset("1")).event(at(1))]
        events += [EVERYBODY.event(at(2))]
        tape = on_tape(tmp_path / "t", tones, events)
        heard = sound(cut(tape, tmp_path, replace(SPEC, audio=True, video=False), end_s=3))
        for begin, end, there in ((0.3, 0.9, True), (1.1, 1.9, False), (2.1, 2.9, True)):
            assert (heard.level(500, begin, end) > 0.15) is there
            assert heard.level(1300, begin, end) > 0.15
        for edge in (1, 2):  # a click would be heard at all frequencies
            assert heard.level(6000, edge - 0.03, edge + 0.03) < 0.004


@pytest.fixture(scope="module")
def stopping(tmp_path_factory):
    """1 mutes at half a second, 2 goes on, 3 sends only sound."""
    mic = track("3", Source.MICROPHONE, OPUS)
    tracks = [
        shown(camera(1), colour(1), seconds=0.5),
        shown(camera(2), colour(2), seconds=6),
        tone(mic, 500, start_ns=at(0), seconds=6),
    ]
    muted = TapeEvent(EventType.MUTED, at(STOPPED_S), uid="1", source=Source.CAMERA)
    events = [*joined((1, 2)), *presence(mic, at(-0.9)), muted]
    return on_tape(tmp_path_factory.mktemp("stopping"), tracks, events)


class TestImages:
    """Their order: user, default, background, and the last picture without any."""

    def seen(self, tape, out, images, **look):
        spec = replace(with_look(layout=BEST_FIT, **look), audio=True)
        return shots(cut(tape, out, spec, end_s=5, images=images))

    def test_the_last_picture_for_three_seconds_and_a_half_then_the_image(
        self, stopping, tmp_path, images
    ):
        seen = self.seen(stopping, tmp_path, images, default_user_image=DEFAULT)
        for shot in seen:
            held = shot.time_s < STOPPED_S + 3.5
            assert like(shot.colour(0.25, 0.25), colour(1)) is held, shot.time_s
            assert is_rgb(shot, 0.25, 0.25, GREEN) is not held
            assert like(shot.colour(0.75, 0.25), colour(2))
        assert is_rgb(seen[-1], 0.25, 0.75, GREEN)  # who sends only sound has it, too

    @pytest.mark.parametrize(
        ("look", "missing", "first", "third"),
        [
            ({}, (), None, "black"),
            ({"background_image": BACK}, (), BLUE, BLUE),
            ({"background_image": BACK, "default_user_image": DEFAULT}, (), GREEN, GREEN),
            ({"default_user_image": DEFAULT, "user_images": "1"}, (), RED, GREEN),
            ({"default_user_image": DEFAULT, "user_images": "1"}, (USER,), GREEN, GREEN),
            ({"background_image": BACK, "user_images": "1"}, (), RED, BLUE),
            ({"background_image": BACK, "user_images": "1"}, (USER, BACK), None, "black"),
        ],
    )
    def test_the_order_of_images(self, stopping, tmp_path, images, look, missing, first, third):
        if "user_images" in look:
            look = {**look, "user_images": (UserImage("1", USER),)}
        there = {url: path for url, path in images.items() if url not in missing}
        shot = self.seen(stopping, tmp_path, there, **look)[-1]
        if first is None:
            assert like(shot.colour(0.25, 0.25), colour(1))
        else:
            assert is_rgb(shot, 0.25, 0.25, first)
        assert is_rgb(shot, 0.25, 0.75, (0, 0, 0) if third == "black" else third)
        assert like(shot.colour(0.75, 0.25), colour(2))

    @pytest.mark.parametrize("whole", [False, True])
    def test_a_user_s_image_is_cropped_or_fitted(self, stopping, tmp_path, images, whole):
        look = {"user_images": (UserImage("1", USER, whole),), "layout": VERTICAL}
        shot = shots(cut(stopping, tmp_path, with_look(**look), end_s=5, images=images))[-1]
        # The small region is 64x44 and the image 64x36 with a border of a sixth.
        assert is_rgb(shot, 0.9, 0.125, RED)
        middle_of_top = shot.y[2, int(0.9 * 320)]
        assert bool(middle_of_top < 25) is whole

    def test_the_background_fills_the_canvas_and_is_cropped(self, tmp_path, images):
        tape = on_tape(tmp_path / "t", [], [TapeEvent(EventType.JOINED, at(0), uid="9")])
        look = with_look(background_image=USER, background_color="#00FF00")
        (shot, *_) = shots(cut(tape, tmp_path, look, images=images))
        assert is_rgb(shot, 0.5, 0.5, RED)
        for x, y in ((0.03, 0.5), (0.97, 0.5), (0.5, 0.05), (0.5, 0.95)):
            assert is_rgb(shot, x, y, BLUE)
        tall = replace(look, width=180, height=320)
        (shot, *_) = shots(cut(tape, tmp_path, tall, images=images))
        assert is_rgb(shot, 0.05, 0.5, RED)  # left and right of a wide image are cut off
        assert is_rgb(shot, 0.5, 0.03, BLUE)

    @pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8\xff" + bytes(99), b"BM"])
    def test_a_broken_image_is_as_none(self, stopping, tmp_path, images, data):
        broken = tmp_path / "broken"
        broken.write_bytes(data)
        look = {"background_image": BACK, "default_user_image": DEFAULT}
        shot = self.seen(stopping, tmp_path, {BACK: broken, DEFAULT: broken}, **look)[-1]
        assert like(shot.colour(0.25, 0.25), colour(1))
        assert is_rgb(shot, 0.25, 0.75, (0, 0, 0))

    def test_images_give_the_same_bytes_again(self, stopping, tmp_path, images):
        look = {"background_image": BACK, "user_images": (UserImage("1", USER, True),)}
        spec = with_look(layout=BEST_FIT, **look)
        made = [
            cut(stopping, tmp_path / name, spec, end_s=5, images=images).read_bytes()
            for name in "ab"
        ]
        assert made[0] == made[1]


class TestStack:
    """Regions that lie on each other."""

    def test_alpha_mixes_with_what_lies_under_it(self, tmp_path):
        places = (Place("1", 0, 0, 1, 1), Place("2", 0.25, 0.25, 0.5, 0.5, alpha=0.3))
        shot = shots(
            cut(crowd(tmp_path / "t", 2), tmp_path, with_look(layout=CUSTOM, places=places))
        )
        under, over = colour(1), colour(2)
        mixed = (round(0.3 * a + 0.7 * b) for a, b in zip(_yuv(over), _yuv(under), strict=True))
        assert like(shot[-1].colour(0.4, 0.4), Colour(*mixed), 3)
        assert like(shot[-1].colour(0.1, 0.1), under, 3)

    def test_a_region_without_opacity_shows_nothing(self, tmp_path):
        places = (Place("1", 0, 0, 1, 1), Place("2", 0.25, 0.25, 0.5, 0.5, alpha=0))
        shot = shots(
            cut(crowd(tmp_path / "t", 2), tmp_path, with_look(layout=CUSTOM, places=places))
        )
        assert like(shot[-1].colour(0.4, 0.4), colour(1))

    @pytest.mark.parametrize("order", ["12", "21"])
    def test_later_places_lie_on_top(self, tmp_path, order):
        size = {"1": (0, 0, 0.6, 1), "2": (0.4, 0, 0.6, 1)}
        places = tuple(Place(uid, *size[uid]) for uid in order)
        shot = shots(
            cut(crowd(tmp_path / "t", 2), tmp_path, with_look(layout=CUSTOM, places=places))
        )
        assert like(shot[-1].colour(0.5, 0.3), colour(int(order[1])))

    def test_fitted_pictures_of_a_custom_layout_have_black_borders(self, tmp_path):
        places = (Place("1", 0.25, 0, 0.5, 1, whole=True),)
        look = {"layout": CUSTOM, "places": places, "background_color": "#C81E1E"}
        shot = shots(cut(crowd(tmp_path / "t", 1), tmp_path, with_look(**look)))[-1]
        assert like(shot.colour(0.4, 0.4), colour(1))
        assert like(shot.colour(0.5, 0.1), BLACK)
        assert is_rgb(shot, 0.1, 0.5, RED)

    def test_who_sends_only_sound_lets_the_full_picture_through(self, tmp_path):
        mic = track("2", Source.MICROPHONE, OPUS)
        tracks = [shown(camera(1), colour(1)), tone(mic, 500, start_ns=at(0), seconds=1)]
        tape = on_tape(tmp_path / "t", tracks, [*joined([1]), *presence(mic, at(-0.5))])
        shot = shots(cut(tape, tmp_path, with_look(layout=FLOATING)))[-1]
        assert like(shot.colour(0.13, 0.87), colour(1))

    def test_who_never_sends_a_picture_is_black(self, tmp_path):
        silent = shown(camera(2), colour(2))[1:]  # its key frame never came
        tape = on_tape(tmp_path / "t", [shown(camera(1), colour(1)), silent], joined((1, 2)))
        green = with_look(layout=BEST_FIT, background_color="#1EB41E")
        shot = shots(cut(tape, tmp_path, green))[-1]
        assert like(shot.colour(*LEFT), colour(1))
        assert like(shot.colour(*RIGHT), BLACK)


def _yuv(of):
    return of.y, of.u, of.v


def test_a_hand_over_of_recorders_does_not_flicker(tmp_path):
    again = [camera(n, take=2) for n in (1, 2)]
    old = [shown(camera(n), colour(n), seconds=6) for n in (1, 2)]
    on_tape(tmp_path / "t", old, joined((1, 2)))
    # The next one hears them again after two seconds; its key frames come half a second later.
    new = [shown(of, colour(n), start_s=8.5, seconds=3) for n, of in enumerate(again, start=1)]
    events = [one for i, of in enumerate(again) for one in presence(of, at(8) + i)]
    tape = on_tape(tmp_path / "t", new, events, fence=2)
    for number in (0, 1):
        path = cut(tape, tmp_path, start_s=number * 5, end_s=number * 5 + 5)
        for shot in shots(path)[number == 0 :]:
            assert like(shot.colour(*LEFT), colour(1)), shot.time_s
            assert like(shot.colour(*RIGHT), colour(2))


def test_a_look_is_the_same_after_json():
    places = (Place("1", 0.1, 0.2, 0.3, 0.4, 0.5, True), Place("", 0, 0, 1, 1))
    look = Look(3, "7", "#123456", BACK, DEFAULT, (UserImage("1", USER, True),), places)
    assert Look.from_json(json.loads(json.dumps(look.to_json()))) == look
    assert Look.told(look.event(5).detail) == look
    assert look.urls == (BACK, DEFAULT, USER)
    assert Look().urls == ()
    lists = Wanted(frozenset("12"), None, frozenset(), frozenset("3"))
    assert Wanted.from_json(json.loads(json.dumps(lists.to_json()))) == lists
    assert Wanted.told(lists.event(5).detail) == lists
    assert Wanted.told('{"audio_uids":"abc"}') is None


def test_black_pictures_of_a_camera_that_is_switched_off_are_not_the_last_ones(tmp_path):
    # A browser sends black, with a key frame, from the click on until the server hears of it.
    frames = [
        *shown(camera(1), colour(1), seconds=1),
        *shown(camera(1), Colour(1, 128, 128), start_s=1, seconds=0.2),
        *shown(camera(1), colour(2), start_s=40, seconds=1),
        *shown(camera(1), Colour(1, 128, 128), start_s=41, seconds=1),
    ]
    off, on = (
        TapeEvent(kind, at(at_s), uid="1", source=Source.CAMERA)
        for kind, at_s in ((EventType.MUTED, 1.15), (EventType.UNMUTED, 40))
    )
    tape = on_tape(tmp_path / "t", [frames], [*joined([1]), off, on])
    for start_s in (0, 3, 6, 20, 39):
        for shot in shots(cut(tape, tmp_path, start_s=start_s, end_s=start_s + 3)):
            time_s = shot.time_s + 1e-3
            # What is black without a mute is black.
            wanted = colour(1) if time_s < 40 else colour(2) if time_s < 41 else BLACK
            assert like(shot.colour(0.5, 0.5), wanted, 16), time_s
