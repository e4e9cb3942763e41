"""What customers are told of the MP4 files of a mix."""

from tests.api.farm import Farm
from workers.job.state import State
from workers.job.status import FileEntry


def test_many_files_are_listed_in_order_and_the_playlist_last(farm: Farm) -> None:
    resource_id, sid = farm.started(mp4=True)
    assert farm.control.specs[sid].mp4
    farm.control.move(sid, State.RECORDING)
    answer = farm.query(resource_id, sid).json["serverResponse"]
    assert (answer["fileListMode"], answer["fileList"]) == ("json", [])
    names = [f"{sid}_demo-room-7.m3u8", *(f"{sid}_demo-room-7_{n}.mp4" for n in range(12))]
    for name in sorted(names):  # as Redis has them
        number = int(name[:-4].rpartition("_")[2]) if name.endswith("mp4") else 0
        start_ms = 1_760_000_000_150 + number * 7_200_000
        farm.control.deliver(sid, FileEntry(name, "audio_and_video", "0", True, True, start_ms))
    for answer in (farm.query(resource_id, sid), farm.stop(resource_id, sid)):
        listed = [row["fileName"] for row in answer.json["serverResponse"]["fileList"]]
        assert listed == [*names[1:], names[0]]


def test_a_mix_without_mp4_has_none(farm: Farm) -> None:
    _, sid = farm.started()
    assert not farm.control.specs[sid].mp4
