"""RTC tokens at start: looked at when the app has a certificate, and then to the second."""

import dataclasses
from typing import Any

import pytest
from pydantic import SecretStr

from tests.api import token_builder as build
from tests.api.farm import APP_ID, CNAME, KEY, NOW_NS, NS, SECRET, UID, Farm, error, start_body
from tests.api.token_builder import Token006, Token007
from workers.settings import App

NOW_S = NOW_NS // NS
OLD, NEW = "0" * 31 + "a", "0" * 31 + "B"


def app(*certificates: str) -> App:
    return App(
        app_id=APP_ID,
        customer_key=KEY,
        customer_secret=SecretStr(SECRET),
        certificates=tuple(map(SecretStr, certificates)),
    )


def farm_with(*certificates: str) -> Farm:
    return Farm(changes={"apps": (app(*certificates),)})


def v6(certificate: str = OLD, **changes: Any) -> str:
    made = Token006(APP_ID, certificate, CNAME, UID, NOW_S + 86400, {1: NOW_S + 600})
    return dataclasses.replace(made, **changes).build()


def v7(certificate: str = OLD, lasts_s: int = 600, cname: str = CNAME, uid: str = UID) -> str:
    services = [build.rtc(cname, uid, {1: 0})]
    return Token007(APP_ID, certificate, NOW_S, lasts_s, services).build()


def start(farm: Farm, token: str | None) -> Any:
    return farm.start(farm.acquire(), start_body() | ({} if token is None else {"token": token}))


@pytest.mark.parametrize("token", [v6(), v6(uid=""), v7(), v7(uid=""), v7(NEW), v6(NEW)])
def test_a_good_token_starts_a_recording_that_ends_with_it(token: str) -> None:
    farm = farm_with(OLD, NEW)
    assert start(farm, token).status_code == 200
    [spec] = farm.control.specs.values()
    assert spec.limits.until_ns == (NOW_S + 600) * NS
    assert spec.token is not None
    assert spec.token.get_secret_value() == token  # the media server may ask for it as well


WRONG = [
    *(None, "", "not a token", v6(cname="else"), v6(uid="7"), v6(NEW), v6(app_id="0" * 32)),
    *(v6(rights={2: NOW_S + 600}), v7(cname="else"), v7(uid="7"), v7(NEW), v7()[:-4]),
]


@pytest.mark.parametrize("token", WRONG)
def test_a_wrong_token_is_110_and_begins_nothing(token: str | None) -> None:
    farm = farm_with(OLD)
    ticket = farm.acquire()
    answer = farm.start(ticket, start_body() | ({} if token is None else {"token": token}))
    assert error(answer) == (400, 110)
    assert token is None or len(token) < 5 or token not in answer.text
    assert not farm.control.specs
    assert not farm.control.checked  # no bucket was asked for somebody with a wrong token
    assert farm.start(ticket, start_body() | {"token": v7()}).status_code == 200


@pytest.mark.parametrize(
    "token", [v6(ends_s=NOW_S), v6(rights={1: NOW_S}), v6(rights={1: 1}), v7(lasts_s=0)]
)
def test_an_expired_token_is_109(token: str) -> None:
    farm = farm_with(OLD)
    assert error(start(farm, token)) == (400, 109)
    assert not farm.control.specs


def test_the_wrong_kind_of_wrong_comes_first() -> None:
    """Of a token that somebody else signed nobody is told that it is too old."""
    assert error(start(farm_with(OLD), v7(NEW, lasts_s=0))) == (400, 110)


@pytest.mark.parametrize("token", [None, "", "what my media server likes", v7(lasts_s=0)])
def test_without_a_certificate_a_token_is_the_media_servers_own(token: str | None) -> None:
    farm = farm_with()
    assert start(farm, token).status_code == 200
    [spec] = farm.control.specs.values()
    assert spec.limits.until_ns == 0
    assert (spec.token.get_secret_value() if spec.token else "") == (token or "")


def test_a_repeated_start_is_told_so_also_when_its_token_is_over() -> None:
    farm = farm_with(OLD)
    ticket = farm.acquire()
    assert farm.start(ticket, start_body() | {"token": v7()}).status_code == 200
    farm.now_ns += 700 * NS
    assert error(farm.start(ticket, start_body() | {"token": v7()})) == (201, 7)
