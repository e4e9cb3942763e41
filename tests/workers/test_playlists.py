import re
from collections.abc import Callable, Iterable

from hypothesis import given
from hypothesis import strategies as st

from media.tape.model import NS
from workers.job.spec import Mode, RecordingSpec
from workers.spool.spool import SegmentFile, Unit
from workers.uploader import playlists

T0 = 1_760_000_000 * NS


def segment(number: int, line: str = "x", *, resumed: bool = False) -> SegmentFile:
    return SegmentFile(
        name=f"{line}_{number}.ts",
        playlist=f"{line}.m3u8",
        uid="101",
        kind="audio",
        source="microphone",
        container="ts",
        codec="aac",
        start_ns=T0 + number * 15 * NS,
        duration_s=15.018667,
        discontinuity=resumed,
        resumed=resumed,
    )


def unit(number: int, *segments: SegmentFile, final: bool = False) -> Unit:
    start = T0 + number * 15 * NS
    return Unit(
        number=number,
        start_ns=start,
        end_ns=start + 15 * NS,
        final=final,
        segments=segments,
        cursor={},
        keep_from_ns=start,
    )


def lines(units: Iterable[Unit], there: set[str]) -> dict[str, playlists.Line]:
    return {line.name: line for line in playlists.lines(units, there.__contains__)}


def test_a_playlist_ends_before_the_first_segment_that_the_bucket_lacks() -> None:
    units = [unit(n, segment(n), final=n == 2) for n in range(3)]
    line = lines(units, {"x_0.ts", "x_2.ts"})["x.m3u8"]
    assert [row.name for row in line.segments] == ["x_0.ts"]
    assert not line.whole


def test_one_publisher_who_is_late_does_not_hold_up_another() -> None:
    units = [unit(0, segment(0, "a"), segment(0, "b"), final=True)]
    found = lines(units, {"b_0.ts"})
    assert not found["a.m3u8"].segments
    assert found["b.m3u8"].whole


def test_a_playlist_is_whole_only_after_the_last_slice() -> None:
    assert not lines([unit(0, segment(0))], {"x_0.ts"})["x.m3u8"].whole
    assert lines([unit(0, segment(0), final=True)], {"x_0.ts"})["x.m3u8"].whole


@given(st.sets(st.integers(0, 9)), st.integers(1, 10))
def test_no_playlist_ever_names_what_is_not_there(there: set[int], count: int) -> None:
    names = {f"x_{n}.ts" for n in there}
    units = [unit(n, segment(n), final=n == count - 1) for n in range(count)]
    line = lines(units, names)["x.m3u8"]
    assert {row.name for row in line.segments} <= names


def test_the_text_says_where_a_track_begins_and_comes_back() -> None:
    line = playlists.Line(
        "x.m3u8", (segment(0, resumed=True), segment(1), segment(3, resumed=True)), whole=True
    )
    text = playlists.text(line)
    assert text.count("#EXT-X-AGORA-TRACK-EVENT:EVENT=START,TRACK_TYPE=AUDIO,TIME=") == 2
    assert text.count("#EXT-X-DISCONTINUITY") == 2
    assert text.splitlines()[-1] == "#EXT-X-ENDLIST"


def test_a_size_change_has_a_rotate_line_but_no_start() -> None:
    sizes = ((640, 360), (640, 360), (320, 180))
    rows = [
        segment(n, resumed=n == 0).model_copy(
            update={"kind": "video", "width": w, "height": h, "discontinuity": n != 1}
        )
        for n, (w, h) in enumerate(sizes)
    ]
    text = playlists.text(playlists.Line("x.m3u8", tuple(rows), whole=False))
    assert re.findall(r"AGORA-ROTATE:WIDTH=(\d+),HEIGHT=(\d+)", text) == [
        ("640", "360"),
        ("320", "180"),
    ]
    assert text.count("EVENT=START,TRACK_TYPE=VIDEO") == 1


def test_a_mix_starts_with_both_its_tracks() -> None:
    row = segment(0, resumed=True).model_copy(update={"kind": "audio_and_video"})
    text = playlists.text(playlists.Line("x.m3u8", (row,), whole=False))
    assert re.findall(r"TRACK_TYPE=(\w+)", text) == ["AUDIO", "VIDEO"]


def test_the_target_of_pictures_leaves_room_for_the_next_key_frame() -> None:
    index = "room__uid_s_1__uid_e_"
    targets = {
        ("room", None, "video"): 18,
        ("room", None, "audio_and_video"): 16,
        ("room", None, "audio"): 16,
        (f"{index}video", "camera", "video"): 18,
        (f"{index}audio", "microphone", "audio"): 16,
        (f"{index}h264", "microphone", "audio"): 18,
        (f"{index}aac", "microphone", "audio"): 16,
    }
    for (name, source, kind), target_s in targets.items():
        row = segment(0, name).model_copy(update={"source": source, "kind": kind})
        text = playlists.text(playlists.Line(row.playlist, (row,), whole=False))
        assert f"#EXT-X-TARGETDURATION:{target_s}\n" in text


def test_files_are_named_as_query_and_callbacks_name_them(
    make_spec: Callable[..., RecordingSpec],
) -> None:
    spec = make_spec(mode=Mode.INDIVIDUAL)
    entry = playlists.entry(spec, playlists.Line("x.m3u8", (segment(0),), whole=False))
    assert (entry.name, entry.uid, entry.mixed) == ("a/b/x.m3u8", "101", False)
    assert entry.slice_start_ms == T0 // 1_000_000


def test_names_are_listed_as_uris() -> None:
    row = segment(0, "why? #1 50%")
    text = playlists.text(playlists.Line("x.m3u8", (row,), whole=False))
    assert text.splitlines()[-1] == "why%3F%20%231%2050%25_0.ts"
