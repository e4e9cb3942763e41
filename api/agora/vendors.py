"""Vendors and regions by their numbers, and where each of them is (reference §6)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from api.agora.errors import InvalidField, NotAvailable
from api.agora.models import StorageConfig
from workers.storage.endpoint import Endpoint, read_endpoint
from workers.storage.extra import NO_AZURE, has_azure

FIELD: Final = "storageConfig"
AMAZON, ALIBABA, TENCENT, AZURE, GOOGLE, HUAWEI, BAIDU, SELF_BUILT = 1, 2, 3, 5, 6, 7, 8, 11
WITH_STS: Final = frozenset({AMAZON, ALIBABA, TENCENT})
WITH_SSE: Final = frozenset({AMAZON})
WITH_TAG: Final = frozenset({AMAZON, ALIBABA, SELF_BUILT})
_LEGACY: Final[Mapping[int, str]] = {0: "vendor 0 (Qiniu)", 4: "vendor 4 (Kingsoft)"}
_ENDPOINT: Final = f"{FIELD}.extensionParams.endpoint"

# Dots in a bucket's name need path style under TLS; these vendors have no such names, and the first
# of them no path style either.
_NO_DOTS: Final = frozenset({ALIBABA, TENCENT, BAIDU})
_PLAIN_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_CONTAINER: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_ACCOUNT: Final = re.compile(r"[a-z0-9]{3,24}")


def _numbered(names: str) -> dict[int, str]:
    return dict(enumerate(names.split()))


# By ``region`` number.  Numbers whose address nobody publishes are left out and refused.
_AMAZON_REGIONS: Mapping[int, str] = _numbered(
    "us-east-1 us-east-2 us-west-1 us-west-2 eu-west-1 eu-west-2 eu-west-3 eu-central-1 "
    "ap-southeast-1 ap-southeast-2 ap-northeast-1 ap-northeast-2 sa-east-1 ca-central-1 "
    "ap-south-1 cn-north-1 cn-northwest-1 us-gov-west-1 af-south-1 ap-east-1 ap-northeast-3 "
    "eu-north-1 me-south-1 us-gov-east-1 ap-southeast-3 eu-south-1"
) | {28: "il-central-1"}
_ALIBABA_REGIONS: Mapping[int, str] = _numbered(
    "cn-hangzhou cn-shanghai cn-qingdao cn-beijing cn-zhangjiakou cn-huhehaote cn-shenzhen "
    "cn-hongkong us-west-1 us-east-1 ap-southeast-1 ap-southeast-2 ap-southeast-3 "
    "ap-southeast-5 ap-northeast-1 ap-south-1 eu-central-1 eu-west-1"
) | {
    19: "ap-southeast-6",
    20: "cn-heyuan",
    21: "cn-guangzhou",
    22: "cn-chengdu",
    23: "cn-nanjing",
    24: "cn-fuzhou",
    25: "cn-wulanchabu",
}
_TENCENT_REGIONS: Mapping[int, str] = _numbered(
    "ap-beijing-1 ap-beijing ap-shanghai ap-guangzhou ap-chengdu ap-chongqing "
    "ap-shenzhen-fsi ap-shanghai-fsi ap-beijing-fsi ap-hongkong ap-singapore ap-mumbai "
    "ap-seoul ap-bangkok ap-tokyo na-siliconvalley na-ashburn na-toronto eu-frankfurt "
    "eu-moscow"
)
_HUAWEI_REGIONS: Mapping[int, str] = _numbered(
    "cn-north-1 cn-north-4 cn-east-2 cn-east-3 cn-south-1 cn-southwest-2 ap-southeast-1 "
    "ap-southeast-2 ap-southeast-3 af-south-1"
) | {12: "na-mexico-1", 13: "sa-brazil-1", 14: "la-south-2"}
_BAIDU_REGIONS: Mapping[int, str] = _numbered("bj bd su gz hkg sin fwh fsh")
# Vendors with a host for each region; those of Amazon in China have another ending.
_HOSTS: Mapping[int, tuple[str, Mapping[int, str]]] = {
    AMAZON: ("s3.{}.amazonaws.com", _AMAZON_REGIONS),
    ALIBABA: ("s3.oss-{}.aliyuncs.com", _ALIBABA_REGIONS),
    TENCENT: ("cos.{}.myqcloud.com", _TENCENT_REGIONS),
    HUAWEI: ("obs.{}.myhuaweicloud.com", _HUAWEI_REGIONS),
    BAIDU: ("s3.{}.bcebos.com", _BAIDU_REGIONS),
}
NUMBERED: Final = frozenset(_HOSTS)  # whose region counts


@dataclass(frozen=True, slots=True)
class Place:
    """Where a vendor's API is."""

    endpoint: str  # host[:port]
    region: str = ""  # for the signature
    secure: bool = True
    path_style: bool = False

    @property
    def host(self) -> str:
        """Without its port."""
        return self.endpoint.partition(":")[0]


def place_of(config: StorageConfig) -> Place:
    """Where the bucket's API is.  Raises InvalidField and NotAvailable."""
    vendor = config.vendor
    if vendor in _HOSTS:
        return _regional(config)
    if vendor == AZURE:
        return _azure(config)
    if vendor == GOOGLE:
        return Place("storage.googleapis.com", "auto", path_style=True)
    if vendor == SELF_BUILT:
        return parse_endpoint(config.extension_params.endpoint)
    if vendor in _LEGACY:
        raise NotAvailable(f"{FIELD}.{_LEGACY[vendor]}")
    raise InvalidField(f"{FIELD}.vendor", "No storage has this number")


def check_names(config: StorageConfig) -> None:
    """Names that this vendor's buckets cannot have.  Raises InvalidField."""
    field, bucket = f"{FIELD}.bucket", config.bucket
    if ".." in bucket or re.fullmatch(r"[0-9.]+", bucket):
        raise InvalidField(field, "It must not look like an IP address or hold '..'")
    if config.vendor in _NO_DOTS and not _PLAIN_BUCKET.fullmatch(bucket):
        raise InvalidField(field, "This vendor's names hold a-z, 0-9 and '-' alone")
    if config.vendor != AZURE:
        return
    if not _CONTAINER.fullmatch(bucket):
        raise InvalidField(field, "A container's name holds a-z, 0-9 and single '-' alone")
    if not _ACCOUNT.fullmatch(config.access_key.get_secret_value()):
        raise InvalidField(f"{FIELD}.accessKey", "It must be the name of a storage account")


def parse_endpoint(text: str) -> Place:
    """``[http[s]://]host[:port]`` of a self-built storage.  Raises InvalidField."""
    endpoint = _read(text)
    if endpoint.path:
        raise InvalidField(_ENDPOINT, "It must be [http[s]://]host[:port]")
    return Place(endpoint.address, "", endpoint.secure, path_style=True)


def chosen_by_customer(config: StorageConfig) -> bool:
    """Whether the host comes from the request and not from our tables."""
    own = config.vendor == AZURE and bool(config.extension_params.endpoint)
    return own or config.vendor == SELF_BUILT


def _azure(config: StorageConfig) -> Place:
    """An account's own host, or with an endpoint that host, or the account in the path there."""
    if not has_azure():
        raise InvalidField(f"{FIELD}.vendor", NO_AZURE)
    account = config.access_key.get_secret_value()
    if not config.extension_params.endpoint:
        return Place(f"{account}.blob.core.windows.net")
    endpoint = _read(config.extension_params.endpoint)
    if endpoint.path not in ("", account):
        raise InvalidField(_ENDPOINT, "Its path must be the account (accessKey), or nothing")
    return Place(endpoint.address, "", endpoint.secure, path_style=bool(endpoint.path))


def _regional(config: StorageConfig) -> Place:
    host, regions = _HOSTS[config.vendor]
    if config.region not in regions:
        raise InvalidField(
            f"{FIELD}.region",
            "The vendor's address for it is not known; vendor 11 takes any S3 endpoint",
        )
    region = regions[config.region]
    china = config.vendor == AMAZON and region.startswith("cn-")
    return Place(host.format(region) + (".cn" if china else ""), region)


def _read(text: str) -> Endpoint:
    try:
        return read_endpoint(text)
    except ValueError as exc:
        raise InvalidField(_ENDPOINT, str(exc)) from None
