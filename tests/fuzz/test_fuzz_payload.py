"""Frames with one broken payload: a picture or BadPacket, whatever the codec."""

import random
import time

import pytest

from media.capture.offers import CODECS
from media.errors import BadPacket
from media.rtp.codec import RTX
from media.tape.model import Kind
from media.tape.payload.formats import depacketizer
from media.tape.payload.model import Depacketizer, Picture
from media.tape.payload.parameter_sets import ParameterSets
from tests.fuzz import corpus
from tests.fuzz.mutate import Mutator

NAMES = sorted({codec.key for kind in Kind for codec in CODECS[kind]} - {RTX})
HEADER = bytes(12)  # the mutations are those of packets


def broken(dice: random.Random, mutator: Mutator, frame: tuple[bytes, ...]) -> list[bytes]:
    """The frame with one payload or two mutated, lost, doubled or in the wrong place."""
    payloads = list(frame)
    for _ in range(dice.choice((1, 1, 2))):
        at = dice.randrange(len(payloads))
        match dice.randrange(8):
            case 0:
                payloads[at] = dice.choice(payloads)
            case 1:
                payloads.insert(at, dice.choice(payloads))
            case 2 if len(payloads) > 1:
                del payloads[at]
            case _:
                payloads[at] = mutator.rtp(HEADER + payloads[at])[len(HEADER) :]
    return [payload for payload in payloads if payload] or [b"\0"]


def joined(format_: Depacketizer, payloads: list[bytes]) -> bool:
    for payload in payloads:
        assert format_.begins(payload) in (True, False)
    try:
        picture = format_.join(payloads)
    except BadPacket:
        format_.glean(payloads)
        return False
    assert isinstance(picture, Picture)
    # What comes out is what came in, and little more: start codes, sizes, parameter sets.
    assert len(picture.data) <= 6 * sum(map(len, payloads)) + 64 * 2048 + 100
    return True


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "count", [3000, pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_a_broken_frame_is_refused_or_a_picture(name: str, count: int) -> None:
    mutator = Mutator(count)
    dice, frames = mutator.dice, corpus.payloads(name)
    format_ = depacketizer(name, "", ParameterSets())
    assert format_ is not None
    good = most_ns = 0
    for _ in range(count):
        payloads = broken(dice, mutator, dice.choice(frames))
        began_ns = time.thread_time_ns()
        good += joined(format_, payloads)
        most_ns = max(most_ns, time.thread_time_ns() - began_ns)
    print(name, good, most_ns // 1000, "us")
    assert good > count // 20
