"""Looking up customers' hosts is bounded in time and in number."""

import threading

import pytest

from workers.addresses import Border, HostRefused, is_public


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::808:808"])
def test_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address", ["64:ff9b:1::1", "fec0::1", "::7f00:1", "::ffff:0:7f00:1", "5f00::1", "3fff::1"]
)
def test_what_only_looks_like_the_open_internet_is_not_public(address: str) -> None:
    assert not is_public(address)


def test_a_resolver_that_hangs_is_left_behind() -> None:
    release = threading.Event()

    def hang(host: str) -> list[str]:
        release.wait(10)
        return ["93.184.216.34"]

    border = Border(allow_private=False, timeout_s=0.01, resolver=hang)
    try:
        for _ in range(32):
            with pytest.raises(HostRefused, match="in time"):
                border.check("slow.example.com")
        with pytest.raises(HostRefused, match="too many"):
            border.check("slow.example.com")
    finally:
        release.set()


@pytest.mark.parametrize("fault", [OSError(), UnicodeError()])
def test_a_resolver_that_fails_means_no_such_host(fault: Exception) -> None:
    def fail(host: str) -> list[str]:
        raise fault

    with pytest.raises(HostRefused, match="cannot be resolved"):
        Border(allow_private=False, timeout_s=5, resolver=fail).check("x" * 300)
