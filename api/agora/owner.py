"""What the farm's owner lets customers do with storage (docs/storage.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Self

from api.agora import vendors
from api.agora.errors import InvalidField
from api.agora.models import StorageConfig
from api.agora.vendors import FIELD, Place
from workers.settings import Settings
from workers.storage.endpoint import read_endpoint


@dataclass(frozen=True, slots=True)
class Owner:
    """Rules that every start call is held to; without any, all is allowed."""

    vendors: frozenset[int] | None = None  # None: all
    endpoints: tuple[str, ...] = ()  # patterns of host, or of host:port
    buckets: tuple[str, ...] = ()
    redirects: Mapping[int, Place] = field(default_factory=dict)  # by vendor

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As configured."""
        allowed = settings.storage_vendors
        return cls(
            vendors=None if allowed is None else frozenset(allowed),
            endpoints=tuple(pattern.lower() for pattern in settings.storage_endpoints),
            buckets=settings.storage_buckets,
            redirects={vendor: _place(url) for vendor, url in settings.storage_redirects.items()},
        )

    def check(self, config: StorageConfig) -> None:
        """Whether this vendor and this bucket may be used.  Raises InvalidField."""
        if self.vendors is not None and config.vendor not in self.vendors:
            raise InvalidField(f"{FIELD}.vendor", "This farm does not use it")
        if self.buckets and not _matches(config.bucket, self.buckets):
            raise InvalidField(f"{FIELD}.bucket", "This farm does not use it")

    def check_host(self, config: StorageConfig, place: Place) -> None:
        """Whether files may go there; where the owner sends them they may.

        Raises InvalidField.
        """
        if not self.endpoints or self.redirect(config.vendor) is not None:
            return
        if not _matches(place.host, self.endpoints) and not _matches(
            place.endpoint, self.endpoints
        ):
            chosen = vendors.chosen_by_customer(config)
            name = "extensionParams.endpoint" if chosen else "vendor"
            raise InvalidField(f"{FIELD}.{name}", "This farm does not send files to that host")

    def redirect(self, vendor: int) -> Place | None:
        """Where what is for a vendor goes instead."""
        return self.redirects.get(vendor)

    def chose(self, config: StorageConfig) -> bool:
        """Whether the host comes from the owner or our tables, and not from the request."""
        redirected = self.redirect(config.vendor) is not None
        return redirected or not vendors.chosen_by_customer(config)


ANYTHING = Owner()


def _place(url: str) -> Place:
    endpoint = read_endpoint(url)
    return Place(endpoint.address, "", endpoint.secure, path_style=True)


def _matches(text: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)
