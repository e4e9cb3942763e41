"""Vendors and regions become endpoints."""

from typing import Any

import pytest

from api.agora.errors import AgoraError, NotAvailable
from api.agora.models import StorageConfig
from api.agora.storage import to_storage
from tests.api.farm import NOW_NS, STORAGE

PLACES = [  # vendor, region, endpoint, region of the signature
    (1, 0, "s3.us-east-1.amazonaws.com", "us-east-1"),
    (1, 7, "s3.eu-central-1.amazonaws.com", "eu-central-1"),
    (1, 15, "s3.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    (1, 21, "s3.eu-north-1.amazonaws.com", "eu-north-1"),
    (1, 25, "s3.eu-south-1.amazonaws.com", "eu-south-1"),
    (1, 28, "s3.il-central-1.amazonaws.com", "il-central-1"),
    (2, 3, "s3.oss-cn-beijing.aliyuncs.com", "cn-beijing"),
    (2, 17, "s3.oss-eu-west-1.aliyuncs.com", "eu-west-1"),
    (3, 18, "cos.eu-frankfurt.myqcloud.com", "eu-frankfurt"),
    (6, 0, "storage.googleapis.com", "auto"),
    (7, 9, "obs.af-south-1.myhuaweicloud.com", "af-south-1"),
    (8, 7, "s3.fsh.bcebos.com", "fsh"),
]


def storage_of(**changes: Any) -> Any:
    return to_storage(StorageConfig.model_validate(STORAGE | changes), NOW_NS)


@pytest.mark.parametrize(("vendor", "region", "endpoint", "signed"), PLACES)
def test_a_vendor_and_region_have_an_endpoint(
    vendor: int, region: int, endpoint: str, signed: str
) -> None:
    storage = storage_of(vendor=vendor, region=region)
    assert (storage.endpoint, storage.region, storage.secure) == (endpoint, signed, True)


@pytest.mark.parametrize("vendor", [0, 4, 5])
def test_vendors_without_the_s3_api_are_refused(vendor: int) -> None:
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
