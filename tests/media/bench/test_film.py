import struct

import pytest

from media.bench.film import length_s
from media.mux.boxes import box, full


def _film(version: int) -> bytes:
    layout = ">QQIQ" if version else ">IIII"
    mvhd = full("mvhd", struct.pack(layout, 1, 2, 48_000, 72_000), version=version)
    return box("ftyp", b"isom") + box("moov", mvhd) + struct.pack(">I4s", 1 << 20, b"mdat")


@pytest.mark.parametrize("version", [0, 1])
def test_its_first_bytes_say_how_long_it_is(version: int) -> None:
    assert length_s(_film(version)) == 1.5


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"\0\0\0\1none",
        box("ftyp", b"isom") + box("mdat", b"x") + _film(0),
        box("moov", bytes(8)),
    ],
)
def test_a_film_whose_index_comes_later_is_refused(begin: bytes) -> None:
    with pytest.raises(ValueError, match="index"):
        length_s(begin)
