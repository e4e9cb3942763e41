"""Session descriptions come from anybody: what cannot be read is refused, and nothing else."""

import random
import re
from contextlib import suppress
from pathlib import Path

import pytest

from media.capture.offers import CODECS, EXTENSIONS
from media.room import negotiate
from media.room.errors import RoomError
from media.rtc import sdp
from media.tape.model import Kind

SAMPLES = Path(__file__).parents[1] / "media" / "rtc" / "samples"
_NUMBER = re.compile(r"\d+")
_NUMBERS = ("0", "-1", "1", "65536", "4294967296", "99999999999999999999999", "1e9", "٣", "")
_TOKENS = ("", ":", "=", " ", "/", ";", "*", "\0", "é", "a" * 3000, "audio", "RTX", "%s")


_CANDIDATE = sdp.Candidate("1", 1, "udp", 1, "127.0.0.1", 5000, "host")


def descriptions() -> list[str]:
    """Of browsers, and our own."""
    media = [
        sdp.MediaSection(
            kind.value,
            str(mid),
            "sendonly",
            codecs=CODECS[kind],
            extensions=EXTENSIONS[kind],
            ssrcs=(mid + 1,),
            cname="c",
        )
        for mid, kind in enumerate(Kind)
    ]
    fingerprint = sdp.Fingerprint("sha-256", ":".join(["AB"] * 32))
    ours = sdp.Description(
        "offer", tuple(media), "ufrag", "p" * 22, (fingerprint,), "actpass", (_CANDIDATE,)
    )
    return [ours.to_sdp(), *(path.read_text() for path in sorted(SAMPLES.glob("*.sdp")))]


def _delete(dice: random.Random, lines: list[str], at: int) -> None:
    del lines[at]


def _delete_many(dice: random.Random, lines: list[str], at: int) -> None:
    del lines[at : at + dice.randrange(30)]


def _double(dice: random.Random, lines: list[str], at: int) -> None:
    lines.insert(dice.randrange(len(lines)), lines[at])


def _swap(dice: random.Random, lines: list[str], at: int) -> None:
    other = dice.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]


def _number(dice: random.Random, lines: list[str], at: int) -> None:
    numbers = list(_NUMBER.finditer(lines[at]))
    if numbers:
        begin, end = dice.choice(numbers).span()
        lines[at] = lines[at][:begin] + dice.choice(_NUMBERS) + lines[at][end:]


def _token(dice: random.Random, lines: list[str], at: int) -> None:
    words = re.split(r"([ :=/;])", lines[at])
    words[dice.randrange(len(words))] = dice.choice(_TOKENS)
    lines[at] = "".join(words)


def _cut(dice: random.Random, lines: list[str], at: int) -> None:
    lines[at] = lines[at][: dice.randrange(len(lines[at]) + 1)]


def _letter(dice: random.Random, lines: list[str], at: int) -> None:
    place = dice.randrange(len(lines[at]) + 1)
    lines[at] = lines[at][:place] + chr(dice.randrange(1, 0x250)) + lines[at][place:]


_WAYS = (_delete, _delete_many, _double, _swap, _number, _number, _token, _token, _cut, _letter)


def mutated(dice: random.Random, texts: list[str]) -> str:
    """One to four lines of a description are wrong, or stand in another one."""
    lines = dice.choice(texts).splitlines()
    if dice.random() < 0.1:
        lines.insert(dice.randrange(len(lines)), dice.choice(dice.choice(texts).splitlines()))
    for _ in range(dice.randint(1, 4)):
        if lines:
            dice.choice(_WAYS)(dice, lines, dice.randrange(len(lines)))
    return "\r\n".join(lines) + "\r\n"


def read(text: str) -> bool:
    """Whether it can be read; then everything is done with it that we do with an offer."""
    try:
        description = sdp.parse(text)
    except sdp.BadDescription:
        return False
    tracks: tuple[negotiate.Sent, ...] = ()
    with suppress(RoomError):
        answer, tracks = negotiate.take(description)
        _printable(description, answer)
    sent = {track.kind: track for track in tracks}
    with suppress(RoomError):
        _printable(description, negotiate.give(description, sent, stream="s")[0])
    names = {codec.key for kind in Kind for codec in CODECS[kind]}
    _printable(description, tuple(section.answer(codecs=names) for section in description.media))
    return True


def _printable(offer: sdp.Description, media: tuple[sdp.MediaSection, ...]) -> None:
    """What we answer can be sent; the other side may refuse an answer with nothing in it."""
    answer = sdp.Description(
        "answer", media, offer.ufrag, offer.pwd, offer.fingerprints, "active", (_CANDIDATE,)
    ).to_sdp()
    with suppress(sdp.BadDescription):
        sdp.parse(answer)


@pytest.mark.parametrize(
    "count", [3000, pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_broken_descriptions_are_refused_and_do_no_harm(count: int) -> None:
    dice, texts = random.Random(count), descriptions()
    good = sum(read(mutated(dice, texts)) for _ in range(count))
    assert count * 0.1 < good < count * 0.95  # or the mutations are too coarse, or too fine
