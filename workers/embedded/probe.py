"""Questions whether a part is ready: None means yes, else the reason why not yet."""

import http.client
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import redis
import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException

from workers.embedded.s3_address import S3Address
from workers.storage.http import trusting

Probe = Callable[[], str | None]
PROBE_S = 2.0  # how long one question may take


def http_ok(url: str) -> str | None:
    """Whether GET answers 200."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PROBE_S)
    try:
        connection.request("GET", parts.path or "/")
        response = connection.getresponse()
        if response.status == http.client.OK:
            return None
        body = response.read(500).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as exc:
        return f"{url}: {exc or type(exc).__name__}"
    finally:
        connection.close()
    return f"{url} answers {response.status}: {body}"


def listens(url: str) -> str | None:
    """Whether the host of a URL takes connections at its port; says nothing of what it asks for."""
    parts = urlsplit(url)
    secure = parts.scheme.endswith(("https", "wss"))
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    try:
        socket.create_connection((host, port), timeout=PROBE_S).close()
    except OSError as exc:
        return f"{host}:{port}: {exc or type(exc).__name__}"
    return None


def redis_answers(url: str) -> str | None:
    """Whether Redis answers PING (not while it still loads its data)."""
    client = redis.Redis.from_url(url, socket_timeout=PROBE_S, socket_connect_timeout=PROBE_S)
    try:
        client.ping()
    except redis.RedisError as exc:
        return f"Redis does not answer: {exc}"
    finally:
        client.close()
    return None


def bucket_answers(address: S3Address) -> str | None:
    """Whether the bucket is there and lets itself be listed; it is made when missing."""
    try:
        client = s3_client(address)
        if not _exists(client, address.bucket):
            client.make_bucket(bucket_name=address.bucket)
        next(iter(client.list_objects(bucket_name=address.bucket)), None)
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as exc:
        return f"object storage at {address.endpoint} does not let us in: {exc}"
    return None


def _exists(client: Minio, bucket: str) -> bool:
    try:
        return client.bucket_exists(bucket_name=bucket)
    except InvalidResponseError:
        # rclone says "no such bucket" in a content type that the client does not read.
        return bucket in {found.name for found in client.list_buckets()}


def s3_client(address: S3Address) -> Minio:
    """A client that gives up soon, for probes."""
    return Minio(
        endpoint=address.endpoint,
        access_key=address.access_key,
        secret_key=address.secret_key,
        secure=address.secure,
        http_client=urllib3.PoolManager(
            timeout=PROBE_S, retries=False, ssl_context=storage_authorities()
        ),
    )


def storage_authorities() -> ssl.SSLContext | None:
    """Whom the farm's processes will trust beside the system: their settings come from here.

    Raises OSError.
    """
    ca_file = os.environ.get("TAPEFARM_STORAGE_CA_FILE")
    return trusting(Path(ca_file)) if ca_file else None
