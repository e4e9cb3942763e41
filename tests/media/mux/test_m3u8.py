import itertools
import re

from media.mux.m3u8 import Entry, Playlist, Rotation, TrackStart, render, utc17
from tests.judge.rfc8216 import check, check_update, durations, names

AT_NS = 1_760_000_000_310_999_999  # 2025-10-09 08:53:20.310


def _entries(count: int) -> tuple[Entry, ...]:
    return tuple(Entry(f"s_{i}.ts", 15.018667) for i in range(count))


def test_a_playlist_reads_as_the_reference_prints_it():
    first = Entry(
        "a.ts",
        15.24,
        starts=(TrackStart("VIDEO", AT_NS),),
        rotations=(Rotation(1280, 720, AT_NS),),
    )
    second = Entry("b.ts", 9.8, True, rotations=(Rotation(640, 360, AT_NS, 90),))
    assert render(Playlist((first, second), ended=True)) == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:3\n"
        "#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-ALLOW-CACHE:YES\n"
        "#EXT-X-TARGETDURATION:16\n"
        "#EXT-X-DISCONTINUITY\n"
        "#EXT-X-AGORA-ROTATE:WIDTH=1280,HEIGHT=720,ROTATE=0,TIME=20251009085320310\n"
        "#EXT-X-AGORA-TRACK-EVENT:EVENT=START,TRACK_TYPE=VIDEO,TIME=20251009085320310\n"
        "#EXTINF:15.240000,\n"
        "a.ts\n"
        "#EXT-X-DISCONTINUITY\n"
        "#EXT-X-AGORA-ROTATE:WIDTH=640,HEIGHT=360,ROTATE=90,TIME=20251009085320310\n"
        "#EXTINF:9.800000,\n"
        "b.ts\n"
        "#EXT-X-ENDLIST\n"
    )


def test_a_growing_playlist_is_strictly_valid_at_every_moment():
    texts = [render(Playlist(_entries(count))) for count in range(4)]
    texts.append(render(Playlist(_entries(4), ended=True)))
    assert [problem for text in texts for problem in check(text)] == []
    for before, after in itertools.pairwise(texts):
        assert check_update(before, after) == []
    assert names(texts[-1]) == ["s_0.ts", "s_1.ts", "s_2.ts", "s_3.ts"]


def test_the_target_duration_rises_only_when_a_slice_exceeds_it():
    assert "TARGETDURATION:18\n" in render(Playlist((Entry("a.ts", 17.9),), target_s=18))
    assert "TARGETDURATION:34\n" in render(Playlist((Entry("a.ts", 33.326),), target_s=18))


def test_durations_match_the_patterns_of_published_readers():
    text = render(Playlist(_entries(1)))
    assert re.findall(r"#EXTINF:(\d+\.\d+)", text) == ["15.018667"]
    assert durations(text) == [15.018667]


def test_utc17_is_cut_to_milliseconds_never_rounded():
    assert utc17(AT_NS) == "20251009085320310"


def test_the_judge_sees_what_is_wrong():
    good = render(Playlist(_entries(2), ended=True))
    for broken in (
        good.replace(",\n", "\n"),
        good.replace("TARGETDURATION:16", "TARGETDURATION:14"),
        good.replace("#EXT-X-VERSION:3\n", ""),
        good.replace("#EXTM3U\n", "\n#EXTM3U\n"),
        good.replace("s_0.ts\n", ""),
        good.replace("#EXTINF:15.018667,\ns_1", "s_1"),
        good.rstrip("\n"),
        good + "#EXT-X-ENDLIST\n",
    ):
        assert check(broken), broken
    assert check_update(good, good + "x\n")
