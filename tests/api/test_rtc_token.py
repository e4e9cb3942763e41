"""RTC tokens: published ones, ones of our own making, and what must not pass."""

import base64
import dataclasses
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.agora.errors import TokenExpired, TokenWrong
from api.agora.rtc_token import Bearer, expires_ns
from tests.api import token_builder as build
from tests.api.token_builder import Token006, Token007

NS = 1_000_000_000
# From the test suites of AgoraIO/Tools, DynamicKey/AgoraDynamicKey/python3/test.
APP_ID = "970CA35de60c44645bbae8a215061b33"
CERTIFICATE = "5CFd2fd1755d40ecb72977518be15d3b"
CNAME = "7d72365eb983485397e3e3f9d460bdda"
UID = "2882341273"
ISSUED_S, LASTS_S = 1111111, 600
END_006_S = 1111111  # the token itself ends long before its privilege (1446455471)
PUBLISHED_006 = (
    "006970CA35de60c44645bbae8a215061b33IACV0fZUBw+72cVoL9eyGGh3Q6Poi8bgjwVLnyKSJyOXR7dIfRBXoFHlEA"
    "ABAAAAR/QQAAEAAQCvKDdW"
)
PUBLISHED_006_UID_0 = (
    "006970CA35de60c44645bbae8a215061b33IACw1o7htY6ISdNRtku3p9tjTPi0jCKf9t49UHJhzCmL6bdIfRAAAAAAEA"
    "ABAAAAR/QQAAEAAQCvKDdW"
)
# From the documentation of the Hex package agora 2.0.0, where uid 0 is written as "0".
PUBLISHED_006_UID_ZERO = (
    "006970CA35de60c44645bbae8a215061b33IABNRUO/126HmzFc+J8lQFfnkssUdUXqiePeE2WNZ7lyubdIfRAh39v0EA"
    "ABAAAAR/QQAAEAAQCvKDdW"
)
PUBLISHED_007 = (
    "007eJxTYBBbsMMnKq7p9Hf/HcIX5kce9b518kCiQgSr5Zrp4X1Tu6UUGCzNDZwdjU1TUs0Mkk1MzExMk5ISUy0SjQxNDcw"
    "Mk4yN3b8IMEQwMTAwMoAwBIL4CgzmKeZGxmamqUmWFsYmFqbGluapxqnGaZYpJmYGSSkpiVwMRhYWRsYmhkbmxgDCaiTj"
)
PUBLISHED_007_UID_0 = (
    "007eJxTYLhzZP08Lxa1Pg57+TcXb/3cZ3wi4V6kbpbOog0G2dOYk20UGCzNDZwdjU1TUs0Mkk1MzExMk5ISUy0SjQxNDcw"
    "Mk4yN3b8IMEQwMTAwMoAwBIL4CgzmKeZGxmamqUmWFsYmFqbGluapxqnGaZYpJmYGSSkpiQwMADacImo="
)
PUBLISHED_007_MANY_SERVICES = (
    "007eJxTYAh5UWu1drfhsnu9etvupS0v/iFs+3PC/Sbl8gdht55xSusqMFiaGzg7GpumpJoZJJuYmJmYJiUlplokGhmaGpg"
    "ZJhkbu38RYIhgYmBgZGBgYAWSLEAM4jOBSWYwyQImFRjMU8yNjM1MU5MsLYxNLEyNLc1TjVON0yxTTMwMklJSErkYjCwsj"
    "IxNDI3MjZmA5kBM4mQoSS0uiS8tTi1iZmBCMZ40I1mgToSYgCwDAGL1OcI="
)
PUBLISHED_007_CHAT = (
    "007eJxTYNAIsnbS3v/A5t2TC6feR15r+6cq8bqAvfaW+tk/Vzz+p6xTYLA0N3B2NDZNSTUzSDYxMTMxTUpKTLVINDI0NTA"
    "zTDI2dv8iwBDBxMDAyADCrEDMCOZzMRhZWBgZmxgamRsDAB+lHrg="
)

WHO = Bearer(APP_ID, CNAME, UID)
NOW_S = 1_760_000_000


def ends_s(token: str, who: Bearer = WHO, now_s: int = 1_000_000, *certificates: str) -> int:
    return expires_ns(token, who, certificates or (CERTIFICATE,), now_s * NS) // NS


def v6(**changes: object) -> Token006:
    made = Token006(APP_ID, CERTIFICATE, CNAME, UID, NOW_S + 86400, {1: NOW_S + 600})
    return dataclasses.replace(made, **changes)


def v7(*services: bytes, **changes: object) -> Token007:
    made = list(services) or [build.rtc(CNAME, UID, {1: 600, 2: 600})]
    return dataclasses.replace(Token007(APP_ID, CERTIFICATE, NOW_S, 3600, made), **changes)


@pytest.mark.parametrize(
    ("token", "end_s"),
    [
        (PUBLISHED_006, END_006_S),
        (PUBLISHED_006_UID_0, END_006_S),
        (PUBLISHED_006_UID_ZERO, END_006_S),
        (PUBLISHED_007, ISSUED_S + LASTS_S),
        (PUBLISHED_007_UID_0, ISSUED_S + LASTS_S),
        (PUBLISHED_007_MANY_SERVICES, ISSUED_S + LASTS_S),
    ],
)
def test_published_tokens(token: str, end_s: int) -> None:
    assert ends_s(token) == end_s
    assert ends_s(token, WHO, end_s - 1) == end_s
    with pytest.raises(TokenExpired):
        ends_s(token, WHO, end_s)
    for other in ("a" * 32, CERTIFICATE.lower()):
        with pytest.raises(TokenWrong):
            ends_s(token, WHO, 0, other)


def test_what_we_build_is_what_is_published() -> None:
    rights = {1: 1446455471}
    assert v6(ends_s=END_006_S, rights=rights).build() == PUBLISHED_006
    assert v6(ends_s=END_006_S, rights=rights, uid="").build() == PUBLISHED_006_UID_0
    assert v6(ends_s=END_006_S, rights=rights, uid="0").build() == PUBLISHED_006_UID_ZERO
    old = {"issued_s": ISSUED_S, "lasts_s": LASTS_S}
    for uid, published in ((UID, PUBLISHED_007), ("", PUBLISHED_007_UID_0)):
        made = v7(build.rtc(CNAME, uid, {1: LASTS_S}), **old)
        # Two zlibs may pack the same bytes differently.
        assert made.content() == zlib.decompress(base64.b64decode(published[3:]))


@pytest.mark.parametrize(
    ("token", "end_s"),
    [
        (v6(), NOW_S + 600),
        (v6(rights={1: 0}), NOW_S + 86400),
        (v6(rights={1: NOW_S + 90_000}), NOW_S + 86400),
        (v6(uid="0"), NOW_S + 600),
        (v7(), NOW_S + 600),
        (v7(build.rtc(CNAME, UID, {1: 0})), NOW_S + 3600),
        (v7(build.rtc(CNAME, UID, {1: 7200})), NOW_S + 3600),
        (v7(build.rtc(CNAME, "0", {1: 60})), NOW_S + 60),
        (v7(build.rtc("*", "", {1: 60})), NOW_S + 60),
        (v7(build.rtm("u", 9), build.rtc(CNAME, UID, {1: 60})), NOW_S + 60),
        (v7(build.education("r", "u", 1, 9), build.rtc(CNAME, UID, {1: 60})), NOW_S + 60),
        (v7(build.rtc("other", UID, {1: 9}), build.rtc(CNAME, UID, {1: 60})), NOW_S + 60),
        (v7(lasts_s=2**32 - 1, issued_s=2**32 - 1), 2**32 - 1 + 600),
    ],
)
def test_the_earlier_end_counts(token: Token006 | Token007, end_s: int) -> None:
    assert ends_s(token.build(), WHO, NOW_S) == end_s


WRONG: list[tuple[str, Token006 | Token007]] = [
    ("another app", v6(app_id="0" * 32)),
    ("another channel", v6(cname="elsewhere")),
    ("another channel", v6(cname="*")),
    ("another uid", v6(uid="7")),
    ("signature", v6(certificate="0" * 32)),
    ("not allow", v6(rights={2: 0})),
    ("not allow", v6(rights={})),
    ("another app", v7(app_id="0" * 32)),
    ("another channel", v7(build.rtc("elsewhere", UID, {1: 9}))),
    ("another uid", v7(build.rtc(CNAME, "7", {1: 9}))),
    ("signature", v7(certificate="0" * 32)),
    ("not allow", v7(build.rtc(CNAME, UID, {2: 9}))),
    ("another channel", v7(build.rtm(UID, 9))),
    ("another channel", v7(build.u16(999) + build.privileges({}), build.rtc(CNAME, UID, {1: 9}))),
    ("damaged", v7(build.rtc(CNAME, UID, {1: 9})[:-1])),
]


@pytest.mark.parametrize(("why", "token"), WRONG)
def test_wrong_tokens(why: str, token: Token006 | Token007) -> None:
    with pytest.raises(TokenWrong, match=why):
        ends_s(token.build(), WHO, NOW_S)


@pytest.mark.parametrize("made", [v6(), v7()])
def test_any_certificate_of_the_app_will_do(made: Token006 | Token007) -> None:
    others = "0" * 32, "1" * 32
    assert ends_s(made.build(), WHO, NOW_S, *others, CERTIFICATE) == NOW_S + 600
    assert ends_s(made.build(), WHO, NOW_S, CERTIFICATE, *others) == NOW_S + 600


@pytest.mark.parametrize(
    "token",
    [
        *("", "0", "006", "007", "005" + "a" * 100, "007====", "007\ud800", "006" + APP_ID, "00é"),
        PUBLISHED_007_CHAT,
        PUBLISHED_006 + "AAAA",
        PUBLISHED_006 + "=",
        PUBLISHED_006 + "\n",
        PUBLISHED_007 + "AAAA",
        v6().build(tail=b"x"),
        build.packed(v7().content() + b"x"),
        "007" + base64.b64encode(zlib.compress(v7().content()) + b"x").decode(),
        "007" + base64.b64encode(zlib.compress(v7().content())[:-1]).decode(),
        "007" + base64.urlsafe_b64encode(b"\xff\xfe" * 30).decode(),
        "007" + "A" * 100_000,
    ],
)
def test_what_is_no_token_of_ours(token: str) -> None:
    with pytest.raises(TokenWrong):
        ends_s(token, WHO, 0)


def test_a_token_does_not_unfold_without_end() -> None:
    bomb = build.packed(v7().content() + bytes(2_000_000))
    assert len(bomb) < 4096
    tracemalloc.start()
    try:
        with pytest.raises(TokenWrong):
            ends_s(bomb, WHO, NOW_S)
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


MADE = [v6().build(), v6(uid="").build(), v7().build(), PUBLISHED_007_MANY_SERVICES]


@given(token=st.sampled_from(MADE), data=st.data())
def test_a_changed_token_never_says_more(token: str, data: st.DataObject) -> None:
    """Some bits of a zlib stream mean nothing; every other change is seen."""
    at = data.draw(st.integers(0, len(token) - 1))
    how_many = data.draw(st.integers(0, 3))
    changed = token[:at] + data.draw(st.text(max_size=3)) + token[at + how_many :]
    _same_or_refused(token, changed)


@given(token=st.sampled_from(MADE), data=st.data())
def test_a_changed_byte_never_says_more(token: str, data: st.DataObject) -> None:
    head = 35 if token.startswith("006") else 3
    content = bytearray(base64.b64decode(token[head:]))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    changed = token[:head] + base64.b64encode(content).decode()
    _same_or_refused(token, changed)


@given(content=st.binary(max_size=300), where=st.sampled_from([f"006{APP_ID}", "007", "zip"]))
def test_noise_is_refused(content: bytes, where: str) -> None:
    token = build.packed(content) if where == "zip" else where + base64.b64encode(content).decode()
    with pytest.raises(TokenWrong):
        ends_s(token, WHO, 0)


def _same_or_refused(token: str, changed: str) -> None:
    try:
        found = ends_s(changed, WHO, 0)
    except TokenWrong:
        return
    assert found == ends_s(token, WHO, 0)
    if changed != token:
        assert changed.startswith("007")
        assert _unpacked(changed) == _unpacked(token)


def _unpacked(token: str) -> bytes:
    return zlib.decompress(base64.b64decode(token[3:]))
