"""Vendors and regions become endpoints."""

from typing import Any

import pytest

from api.agora.errors import AgoraError, NotAvailable
from api.agora.models import StorageConfig
from api.agora.storage import to_storage
from tests.api.farm import NOW_NS, STORAGE
from workers.job.spec import Storage
from workers.storage.s3 import S3Bucket


def numbered(names: str) -> dict[int, str]:
    return dict(enumerate(names.split()))


# Every number that the reference's §6.1 to 6.4 publish, as the vendors spell it; "-" where no
# address is known for it.
AMAZON = numbered(
    "us-east-1 us-east-2 us-west-1 us-west-2 eu-west-1 eu-west-2 eu-west-3 eu-central-1 "
    "ap-southeast-1 ap-southeast-2 ap-northeast-1 ap-northeast-2 sa-east-1 ca-central-1 "
    "ap-south-1 cn-north-1 cn-northwest-1 us-gov-west-1 af-south-1 ap-east-1 ap-northeast-3 "
    "eu-north-1 me-south-1 us-gov-east-1 ap-southeast-3 eu-south-1 - - il-central-1"
)
ALIBABA = numbered(
    "cn-hangzhou cn-shanghai cn-qingdao cn-beijing cn-zhangjiakou cn-huhehaote cn-shenzhen "
    "cn-hongkong us-west-1 us-east-1 ap-southeast-1 ap-southeast-2 ap-southeast-3 "
    "ap-southeast-5 ap-northeast-1 ap-south-1 eu-central-1 eu-west-1 - ap-southeast-6 "
    "cn-heyuan cn-guangzhou cn-chengdu cn-nanjing cn-fuzhou cn-wulanchabu - -"
)
TENCENT = numbered(
    "ap-beijing-1 ap-beijing ap-shanghai ap-guangzhou ap-chengdu ap-chongqing "
    "ap-shenzhen-fsi ap-shanghai-fsi ap-beijing-fsi ap-hongkong ap-singapore ap-mumbai "
    "ap-seoul ap-bangkok ap-tokyo na-siliconvalley na-ashburn na-toronto eu-frankfurt "
    "eu-moscow"
)
HUAWEI = numbered(
    "cn-north-1 cn-north-4 cn-east-2 cn-east-3 cn-south-1 cn-southwest-2 ap-southeast-1 "
    "ap-southeast-2 ap-southeast-3 af-south-1 - - na-mexico-1 sa-brazil-1 la-south-2 -"
)
BAIDU = numbered("bj bd su gz hkg sin fwh fsh")
HOSTS = {  # vendor -> regions, host
    1: (AMAZON, "s3.{}.amazonaws.com"),
    2: (ALIBABA, "s3.oss-{}.aliyuncs.com"),
    3: (TENCENT, "cos.{}.myqcloud.com"),
    7: (HUAWEI, "obs.{}.myhuaweicloud.com"),
    8: (BAIDU, "s3.{}.bcebos.com"),
}
PLACES = [
    (vendor, number, name)
    for vendor, (regions, _) in HOSTS.items()
    for number, name in regions.items()
]
NEW = {"stsToken": "new token", "stsExpiration": NOW_NS // 10**9 + 4 * 3600}


def storage_of(**changes: Any) -> Any:
    return to_storage(StorageConfig.model_validate(STORAGE | changes), NOW_NS)


@pytest.mark.parametrize(("vendor", "region", "name"), PLACES)
def test_every_published_region_has_an_endpoint_or_is_refused(
    vendor: int, region: int, name: str
) -> None:
    if name == "-":
        with pytest.raises(AgoraError, match=r"storageConfig.region.*not known.*vendor 11"):
            storage_of(vendor=vendor, region=region)
        return
    storage = storage_of(vendor=vendor, region=region)
    host = HOSTS[vendor][1].format(name) + (".cn" if vendor == 1 and name[:3] == "cn-" else "")
    assert (storage.endpoint, storage.region, storage.secure) == (host, name, True)
    assert url_of(storage) == f"https://rec-bucket.{host}/x"


def url_of(storage: Storage) -> str:
    """Where the client would put an object."""
    built = S3Bucket(storage).client._base_url.build(
        method="PUT", region=storage.region, bucket_name=storage.bucket, object_name="x"
    )
    return str(built.geturl())


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({"vendor": 6}, "https://storage.googleapis.com/rec-bucket/x"),
        ({}, "https://s3.example.com/rec-bucket/x"),
        # A certificate for *.host does not hold for a bucket with a dot.
        (
            {"vendor": 1, "bucket": "rec.bucket"},
            "https://s3.us-east-1.amazonaws.com/rec.bucket/x",
        ),
        (
            {"vendor": 7, "bucket": "rec.bucket"},
            "https://obs.cn-north-1.myhuaweicloud.com/rec.bucket/x",
        ),
    ],
)
def test_path_style_where_it_must_be(changes: dict[str, Any], url: str) -> None:
    assert url_of(storage_of(**changes)) == url


@pytest.mark.parametrize("vendor", [2, 3, 8])
def test_names_that_would_need_path_style_where_there_is_none(vendor: int) -> None:
    with pytest.raises(AgoraError, match=r"storageConfig.bucket"):
        storage_of(vendor=vendor, bucket="rec.bucket")


@pytest.mark.parametrize("vendor", [0, 4])
def test_vendors_that_are_no_more_are_refused(vendor: int) -> None:
    with pytest.raises(NotAvailable):
        storage_of(vendor=vendor)


@pytest.mark.parametrize(
    ("vendor", "region"), [(9, 0), (10, 0), (-1, 0), (1, 26), (2, 18), (3, 20), (7, 15), (8, 8)]
)
def test_numbers_without_a_known_address_are_refused(vendor: int, region: int) -> None:
    with pytest.raises(AgoraError):
        storage_of(vendor=vendor, region=region)


@pytest.mark.parametrize(
    ("given", "endpoint", "secure"),
    [
        ("s3.example.com", "s3.example.com", True),
        ("https://s3.example.com", "s3.example.com", True),
        ("http://127.0.0.1:9000", "127.0.0.1:9000", False),
        ("HTTP://minio:9000/", "minio:9000", False),
        ("S3.Example.com:8443", "s3.example.com:8443", True),
    ],
)
def test_a_self_built_storage_has_any_endpoint(given: str, endpoint: str, secure: bool) -> None:
    storage = storage_of(extensionParams={"endpoint": given})
    assert (storage.endpoint, storage.secure, storage.path_style) == (endpoint, secure, True)


@pytest.mark.parametrize(
    ("parts", "prefix"), [([], ""), (["a"], "a/"), (["a", "b1"], "a/b1/"), (["x" * 128],) * 2]
)
def test_prefix_elements_become_folders(parts: list[str], prefix: Any) -> None:
    expected = prefix if isinstance(prefix, str) else f"{parts[0]}/"
    assert storage_of(fileNamePrefix=parts).prefix == expected


def azure(**changes: Any) -> dict[str, Any]:
    own = {"vendor": 5, "accessKey": "account1", "secretKey": "QUJD", "extensionParams": {}}
    return STORAGE | own | changes


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("", ("account1.blob.core.windows.net", True, False)),
        ("http://127.0.0.1:10000/account1", ("127.0.0.1:10000", False, True)),
        (
            "https://account1.blob.core.chinacloudapi.cn",
            ("account1.blob.core.chinacloudapi.cn", True, False),
        ),
    ],
)
def test_an_azure_account_has_a_host(endpoint: str, expected: tuple[str, bool, bool]) -> None:
    storage = storage_of(**azure(extensionParams={"endpoint": endpoint}))
    assert storage.kind == "azure"
    assert (storage.endpoint, storage.secure, storage.path_style) == expected


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"accessKey": "Not-An-Account"}, "accessKey"),
        ({"bucket": "two--hyphens"}, "bucket"),
        ({"bucket": "Capital"}, "bucket"),
        ({"extensionParams": {"endpoint": "http://h/another"}}, "extensionParams.endpoint"),
        ({"extensionParams": {"endpoint": "ftp://h"}}, "extensionParams.endpoint"),
        ({"extensionParams": {"sse": "kms"}}, "extensionParams.sse"),
        ({"extensionParams": {"tag": "a=b"}}, "extensionParams.tag"),
        (NEW, "stsToken"),
    ],
)
def test_what_azure_does_not_have_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(AgoraError, match=rf"storageConfig.{field}"):
        storage_of(**azure(**changes))


def test_without_its_package_azure_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.agora.vendors.has_azure", lambda: False)
    with pytest.raises(AgoraError, match=r"storageConfig.vendor.*extra `azure`"):
        storage_of(**azure())


@pytest.mark.parametrize(
    ("vendor", "extras", "encryption", "tags"),
    [
        (1, {"sse": "kms"}, "kms", ()),
        (1, {"sse": "aes256", "tag": "retention=30d"}, "s3", (("retention", "30d"),)),
        (2, {"tag": "a=b&c="}, "", (("a", "b"), ("c", ""))),
        (11, {"tag": "a%20b=c+d&e=f=g", "endpoint": "h"}, "", (("a b", "c d"), ("e", "f=g"))),
        (1, {"sse": "", "tag": ""}, "", ()),
        (3, {"sse": "", "tag": ""}, "", ()),
        (1, {"tag": "&".join(f"k{n}=v" for n in range(10))}, "", None),
        (1, {"tag": f"{'k' * 128}={'v' * 256}"}, "", None),
    ],
)
def test_encryption_and_tags(
    vendor: int, extras: dict[str, str], encryption: str, tags: Any
) -> None:
    storage = storage_of(vendor=vendor, extensionParams=extras)
    assert storage.encryption == encryption
    assert tags is None or storage.tags == tags


@pytest.mark.parametrize(
    ("vendor", "tag"),
    [
        (3, "a=b"),
        (6, "a=b"),
        (7, "a=b"),
        (8, "a=b"),
        *(
            (1, tag)
            for tag in (
                "a",
                "=b",
                "a=b&",
                "a=b&a=c",
                "&".join(f"k{n}=v" for n in range(11)),
                f"{'k' * 129}=v",
                f"k={'v' * 257}",
                "a=b;c",
                "a=%0d%0aX-Evil: 1",
                "aws:a=b",
                "a=b%26",
            )
        ),
    ],
)
def test_tags_that_cannot_be_are_refused(vendor: int, tag: str) -> None:
    with pytest.raises(AgoraError, match=r"storageConfig.extensionParams.tag"):
        storage_of(vendor=vendor, extensionParams={"tag": tag})


@pytest.mark.parametrize("vendor", [2, 3, 5, 6, 7, 8, 11])
def test_encryption_is_amazons_alone(vendor: int) -> None:
    changes = azure() if vendor == 5 else {"vendor": vendor}
    extras = {"sse": "aes256", "endpoint": "" if vendor == 5 else "h"}
    with pytest.raises(AgoraError, match=r"storageConfig.extensionParams.sse"):
        storage_of(**changes | {"extensionParams": extras})
