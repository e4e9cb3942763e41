"""``storageConfig`` to a bucket, at the start and when its keys change (reference §2.7, §2.9)."""

import re
from collections.abc import Iterator
from typing import Final, Literal
from urllib.parse import unquote_plus

from pydantic import SecretStr

from api.agora import vendors
from api.agora.errors import InvalidField
from api.agora.models import ExtensionParams, StorageConfig, StorageUpdate
from api.agora.owner import ANYTHING, Owner
from workers.job.spec import Storage

NS = 1_000_000_000
_FIELD = vendors.FIELD
_STS_LASTS_S: Final = 4 * 3600
_PREFIX_CHARS: Final = 128
_ENCRYPTION: Final[dict[str, Literal["", "s3", "kms"]]] = {"": "", "aes256": "s3", "kms": "kms"}
# What S3 has of object tags.
_MOST_TAGS, _TAG_KEY, _TAG_VALUE = 10, 128, 256
_TAG: Final = re.compile(r"[\w +\-=.:/@]*")
_FIXED = "It cannot change while a recording goes on"


def to_storage(config: StorageConfig, now_ns: int, owner: Owner = ANYTHING) -> Storage:
    """The bucket.  Raises InvalidField and NotAvailable."""
    owner.check(config)
    place = owner.redirect(config.vendor) or vendors.place_of(config)
    owner.check_host(config, place)
    vendors.check_names(config)
    extras = config.extension_params
    return Storage(
        kind="azure" if config.vendor == vendors.AZURE else "s3",
        vendor=config.vendor,
        vendor_region=config.region,
        endpoint=place.endpoint,
        secure=place.secure,
        region=place.region,
        path_style=place.path_style,
        bucket=config.bucket,
        access_key=config.access_key.get_secret_value(),
        secret_key=config.secret_key,
        session_token=_session_token(config.vendor, config, now_ns),
        prefix=_prefix(config.file_name_prefix),
        encryption=_encryption(config.vendor, extras),
        tags=_tags(config.vendor, extras),
    )


def renewed(
    storage: Storage, config: StorageUpdate, now_ns: int, owner: Owner = ANYTHING
) -> Storage:
    """The same bucket with other keys.

    What is left out stays as it is, and what says where the bucket is may be said again.  Raises
    InvalidField.
    """
    for name, is_same in _sameness(storage, config, owner):
        if not is_same:
            raise InvalidField(f"{_FIELD}.{name}", _FIXED)
    if not config.sts_token.get_secret_value():
        if storage.session_token is not None:
            raise InvalidField(f"{_FIELD}.stsToken", "It is required")
        for name, key in (("accessKey", config.access_key), ("secretKey", config.secret_key)):
            if key is None:
                raise InvalidField(f"{_FIELD}.{name}", "It is required")
    access_key = config.access_key.get_secret_value() if config.access_key else storage.access_key
    if storage.kind == "azure" and access_key != storage.access_key:
        raise InvalidField(f"{_FIELD}.accessKey", _FIXED)
    return storage.model_copy(
        update={
            "access_key": access_key,
            "secret_key": config.secret_key or storage.secret_key,
            "session_token": _session_token(storage.vendor, config, now_ns),
            "renewed_ns": max(now_ns, storage.renewed_ns + 1),
        }
    )


def host_of(storage: Storage) -> str:
    """The host to look up, without its port."""
    return storage.endpoint.partition(":")[0]


def _sameness(storage: Storage, config: StorageUpdate, owner: Owner) -> Iterator[tuple[str, bool]]:
    """Each field that may be said again, and whether it says the same."""
    extras, numbered = config.extension_params, storage.vendor in vendors.NUMBERED
    yield "vendor", config.vendor in (None, storage.vendor)
    yield "region", not numbered or config.region in (None, storage.vendor_region)
    yield "bucket", config.bucket in (None, storage.bucket)
    yield "fileNamePrefix", _prefix(config.file_name_prefix) in ("", storage.prefix)
    yield "extensionParams.sse", _ENCRYPTION[extras.sse] in ("", storage.encryption)
    yield "extensionParams.tag", _tags(storage.vendor, extras) in ((), storage.tags)
    redirected = owner.redirect(storage.vendor) is not None
    yield "extensionParams.endpoint", redirected or _is_endpoint_of(storage, extras.endpoint)


def _is_endpoint_of(storage: Storage, text: str) -> bool:
    """Only where it says where the bucket is; to others it says nothing at start either."""
    if not text or storage.vendor not in (vendors.SELF_BUILT, vendors.AZURE):
        return True
    address = text.rpartition("://")[2].partition("/")[0].lower()
    return address == storage.endpoint


def _session_token(
    vendor: int, config: StorageConfig | StorageUpdate, now_ns: int
) -> SecretStr | None:
    if not config.sts_token.get_secret_value():
        return None
    if vendor not in vendors.WITH_STS:
        raise InvalidField(f"{_FIELD}.stsToken", "Only vendors 1, 2 and 3 take one")
    if (config.sts_expiration or 0) < now_ns // NS + _STS_LASTS_S:
        raise InvalidField(
            f"{_FIELD}.stsExpiration", "It must be Unix seconds at least 4 hours from now"
        )
    return config.sts_token


def _prefix(names: tuple[str, ...]) -> str:
    joined = "/".join(names)
    if len(joined) > _PREFIX_CHARS:
        raise InvalidField(
            f"{_FIELD}.fileNamePrefix",
            f"Joined by slashes it must not be longer than {_PREFIX_CHARS} characters",
        )
    return f"{joined}/" if joined else ""


def _encryption(vendor: int, extras: ExtensionParams) -> Literal["", "s3", "kms"]:
    if extras.sse and vendor not in vendors.WITH_SSE:
        raise InvalidField(f"{_FIELD}.extensionParams.sse", "Only vendor 1 takes it")
    return _ENCRYPTION[extras.sse]


def _tags(vendor: int, extras: ExtensionParams) -> tuple[tuple[str, str], ...]:
    """``k=v&k2=v2``, as the headers of S3 and of Alibaba Cloud hold it."""
    if not extras.tag:
        return ()
    field = f"{_FIELD}.extensionParams.tag"
    if vendor not in vendors.WITH_TAG:
        raise InvalidField(field, "Only vendors 1, 2 and 11 take it")
    pairs = [part.partition("=") for part in extras.tag.split("&")]
    tags = tuple((unquote_plus(key), unquote_plus(value)) for key, _, value in pairs)
    if not all(mark for _, mark, _ in pairs) or not all(key for key, _ in tags):
        raise InvalidField(field, "It must look like key=value&key2=value2")
    if len(tags) > _MOST_TAGS or len({key for key, _ in tags}) < len(tags):
        raise InvalidField(field, f"It must hold at most {_MOST_TAGS} tags, with different keys")
    if any(len(key) > _TAG_KEY or len(value) > _TAG_VALUE for key, value in tags):
        raise InvalidField(
            field, f"A key has at most {_TAG_KEY} characters and a value {_TAG_VALUE}"
        )
    if not all(_TAG.fullmatch(text) for pair in tags for text in pair):
        raise InvalidField(field, "Tags hold letters, digits, spaces and + - = . _ : / @ alone")
    if any(key.lower().startswith("aws:") for key, _ in tags):
        raise InvalidField(field, "Keys must not begin with aws:")
    return tags
