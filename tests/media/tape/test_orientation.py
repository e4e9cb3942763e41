"""How a publisher's phone is held, as its packets tell it (3GPP TS 26.114 §7.4.5)."""

import pytest
from taping import MS, T0, VP8, adds, gives, recorded, track

from media.rtp.packet import build
from media.tape.orientation import URI, rotations

CAMERA = track("1.2", "7", VP8, ssrc=6, extensions=((3, "urn:other"), (4, URI)))
PLAIN = track("1.2", "7", VP8, ssrc=6)
KEY = b"\x90\x80\x05\x00\x00\x00\x9d\x01\x2a\x80\x02\x68\x01"
DELTA = b"\x90\x80\x05\x01"


def picture(number, *, key=False, told=None, padded=False):
    extensions = {} if told is None else {4: bytes([told])}
    if padded:
        extensions[3] = b"abc"
    payload = KEY if key else DELTA
    return build(
        pt=96,
        seq=number,
        timestamp=number * 3000,
        ssrc=6,
        payload=payload,
        marker=True,
        extensions=extensions or None,
    )


def frames(*packets, of=CAMERA):
    acts = [adds(of), *(gives(of, one, T0 + n * 33 * MS) for n, one in enumerate(packets))]
    return recorded(acts).frames(0, T0 * 2)[of.id]


@pytest.mark.parametrize(("told", "degrees"), [(0, 0), (1, 90), (2, 180), (3, 270), (0x0D, 90)])
def test_each_value_is_so_many_degrees_clockwise(told, degrees):
    (frame,) = frames(picture(0, key=True, told=told))
    assert (frame.rotation, frame.tells_rotation) == (degrees, True)


def test_it_holds_until_another_is_told():
    told = [1, None, None, 2, None]
    found = frames(*(picture(n, key=n == 0, told=t, padded=True) for n, t in enumerate(told)))
    assert [frame.rotation for frame in found] == [90, 90, 90, 180, 180]
    assert [frame.tells_rotation for frame in found] == [True, False, False, True, False]


def test_who_did_not_agree_to_tell_is_upright():
    found = frames(picture(0, key=True, told=1), of=PLAIN)
    assert [(frame.rotation, frame.tells_rotation) for frame in found] == [(0, False)]


def test_what_a_damaged_header_says_does_not_count():
    packet = bytearray(picture(0, key=True, told=1))
    packet[16] = 0x4F  # sixteen bytes long, it says
    assert rotations(CAMERA, [(T0, bytes(packet))]) == {}
    assert rotations(CAMERA, [(T0, b"\x90")]) == {}
