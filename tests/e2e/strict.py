"""Decoding that ends at the first error."""

import subprocess


def decodes(ffmpeg: str, data: bytes) -> None:
    """``ffmpeg -xerror`` finds nothing wrong.

    Times are left as they are: guessing a frame rate adds errors of its own.
    """
    times = ("-fps_mode", "passthrough", "-enc_time_base", "1:90000")
    done = subprocess.run(
        [ffmpeg, "-v", "error", "-xerror", "-i", "pipe:0", *times, "-f", "null", "-"],
        input=data,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert not done.stderr, done.stderr.decode()
    assert done.returncode == 0
