"""``storageConfig`` to a bucket behind the S3 API (reference §2.7, §6)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from api.agora.errors import InvalidField, NotAvailable
from api.agora.models import StorageConfig
from workers.job.spec import Storage

NS = 1_000_000_000
_FIELD = "storageConfig"
_STS_LASTS_S: Final = 4 * 3600
_PREFIX_CHARS: Final = 128
_SELF_BUILT: Final = 11
_WITH_STS: Final = frozenset({1, 2, 3})
_OTHERS: Mapping[int, str] = {
    0: "vendor 0 (Qiniu)",
    4: "vendor 4 (Kingsoft)",
    5: "vendor 5 (Azure Blob)",
}

_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")


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


@dataclass(frozen=True, slots=True)
class Place:
    """Where a vendor's S3 API is."""

    endpoint: str  # host[:port]
    region: str = ""  # for the signature
    secure: bool = True
    path_style: bool = False


def to_storage(config: StorageConfig, now_ns: int) -> Storage:
    """The bucket.  Raises InvalidField and NotAvailable."""
    place = _place(config)
    _check_extras(config)
    return Storage(
        endpoint=place.endpoint,
        secure=place.secure,
        region=place.region,
        path_style=place.path_style,
        bucket=_bucket(config),
        access_key=config.access_key.get_secret_value(),
        secret_key=config.secret_key,
        session_token=_session_token(config, now_ns),
        prefix=_prefix(config),
    )


def host_of(storage: Storage) -> str:
    """The host to look up, without its port."""
    return storage.endpoint.partition(":")[0]


def chosen_by_customer(config: StorageConfig) -> bool:
    """Whether the host comes from the request and not from our tables."""
    return config.vendor == _SELF_BUILT


def _place(config: StorageConfig) -> Place:
    match config.vendor:
        case 1:
            return _amazon(_region(config, _AMAZON_REGIONS))
        case 2:
            region = _region(config, _ALIBABA_REGIONS)
            return Place(f"s3.oss-{region}.aliyuncs.com", region)
        case 3:
            region = _region(config, _TENCENT_REGIONS)
            return Place(f"cos.{region}.myqcloud.com", region)
        case 6:
            return Place("storage.googleapis.com", "auto", path_style=True)
        case 7:
            region = _region(config, _HUAWEI_REGIONS)
            return Place(f"obs.{region}.myhuaweicloud.com", region)
        case 8:
            region = _region(config, _BAIDU_REGIONS)
            return Place(f"s3.{region}.bcebos.com", region)
        case 11:
            return parse_endpoint(config.extension_params.endpoint)
        case other if other in _OTHERS:
            raise NotAvailable(f"{_FIELD}.{_OTHERS[other]}")
        case _:
            raise InvalidField(f"{_FIELD}.vendor", "No storage has this number")


def _amazon(region: str) -> Place:
    suffix = ".cn" if region.startswith("cn-") else ""
    return Place(f"s3.{region}.amazonaws.com{suffix}", region)


def _region(config: StorageConfig, regions: Mapping[int, str]) -> str:
    if config.region not in regions:
        raise InvalidField(
            f"{_FIELD}.region",
            "The vendor's address for it is not known; vendor 11 takes any S3 endpoint",
        )
    return regions[config.region]


def parse_endpoint(text: str) -> Place:
    """``[http[s]://]host[:port]`` of a self-built storage.  Raises InvalidField."""
    field = f"{_FIELD}.extensionParams.endpoint"
    scheme, mark, rest = text.rpartition("://")
    if mark and scheme.lower() not in {"http", "https"}:
        raise InvalidField(field, "The scheme must be http or https")
    host, colon, port = rest.removesuffix("/").partition(":")
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise InvalidField(field, "It must be [http[s]://]host[:port]")
    if colon and not (re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        raise InvalidField(field, "The port must be an integer from 1 to 65535")
    return Place(host.lower() + colon + port, "", scheme.lower() != "http", path_style=True)


def _bucket(config: StorageConfig) -> str:
    if ".." in config.bucket or re.fullmatch(r"[0-9.]+", config.bucket):
        raise InvalidField(f"{_FIELD}.bucket", "It must not look like an IP address or hold '..'")
    return config.bucket


def _check_extras(config: StorageConfig) -> None:
    for name in ("sse", "tag"):
        if getattr(config.extension_params, name):
            raise NotAvailable(f"{_FIELD}.extensionParams.{name}")


def _session_token(config: StorageConfig, now_ns: int) -> SecretStr | None:
    if not config.sts_token.get_secret_value():
        return None
    if config.vendor not in _WITH_STS:
        raise InvalidField(f"{_FIELD}.stsToken", "Only vendors 1, 2 and 3 take one")
    if (config.sts_expiration or 0) < now_ns // NS + _STS_LASTS_S:
        raise InvalidField(
            f"{_FIELD}.stsExpiration", "It must be Unix seconds at least 4 hours from now"
        )
    return config.sts_token


def _prefix(config: StorageConfig) -> str:
    joined = "/".join(config.file_name_prefix)
    if len(joined) > _PREFIX_CHARS:
        raise InvalidField(
            f"{_FIELD}.fileNamePrefix",
            f"Joined by slashes it must not be longer than {_PREFIX_CHARS} characters",
        )
    return f"{joined}/" if joined else ""
