"""Names of delivered files, byte for byte as the Agora reference §5.1 has them.

Clients parse these names and build some of them themselves.
"""

import hashlib
import re
from urllib.parse import quote

from media.mux.m3u8 import utc17
from workers.job.spec import Mode, RecordingSpec

CONTENT_TYPES = {
    "m3u8": "application/x-mpegURL",
    "ts": "video/MP2T",
    "webm": "video/webm",
    "mp4": "video/mp4",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "json": "application/json",
    "mpd": "application/dash+xml",
    "jpg": "image/jpeg",
}
_URI_SAFE = "!$&'()*+,;=@~"
# What a file name can hold everywhere: the characters of channel names, within bounds.
_PLAIN = re.compile(r"[a-zA-Z0-9 !#$%&()+\-:;<=.>?@\[\]^_{}|~,]{1,64}")


def content_type(name: str) -> str:
    """The Content-Type of a file by the end of its name."""
    return CONTENT_TYPES[name.rsplit(".", 1)[-1]]


def stem(spec: RecordingSpec, uid: str, track_type: str) -> str:
    """What the names of a playlist and its segments begin with.

    ``track_type`` is audio, video, or screen kinds, which Agora does not have.
    """
    if spec.mode is Mode.MIX:
        return f"{spec.sid}_{spec.cname}"
    return f"{_publisher(spec, uid)}{track_type}"


def _publisher(spec: RecordingSpec, uid: str) -> str:
    # A publisher's uid is the media server's word, not ours: it may hold slashes, or be too long.
    plain = uid if _PLAIN.fullmatch(uid) else hashlib.sha256(uid.encode()).hexdigest()[:32]
    return f"{spec.sid}_{spec.cname}__uid_s_{plain}__uid_e_"


def playlist(stem_: str) -> str:
    """The index file of a line of segments."""
    return f"{stem_}.m3u8"


def lists_sound_alone(playlist_: str) -> bool:
    """Whether an index of a publisher can never list pictures, by its name."""
    return playlist_.endswith(("audio.m3u8", "aac.m3u8"))


def merged(spec: RecordingSpec, uid: str, container: str) -> str:
    """The index of a publisher's audio and video together: HLS, or DASH of WebM."""
    return f"{stem(spec, uid, 'av')}.{'mpd' if container == 'webm' else 'm3u8'}"


def mp4(spec: RecordingSpec, number: int) -> str:
    """One of the MP4 files of a mix, from 0."""
    return f"{spec.sid}_{spec.cname}_{number}.mp4"


def raw(spec: RecordingSpec, uid: str, end: str, *, screen: bool = False) -> str:
    """A file of one publisher in mode ``raw``; ``end`` is what stands behind the uid.

    ``<codec>.m3u8``, ``<utc>_<codec>.ts``, ``<index>_<codec>.mp4`` or ``.mp3``, ``<codec>.mpd``,
    ``<stream index>_<segment index>_<codec>.webm``, or ``<utc>.jpg``.  Screens, which Agora does
    not have, say so before it.
    """
    return f"{_publisher(spec, uid)}{'screen_' if screen else ''}{end}"


def report(spec: RecordingSpec) -> str:
    """The quality report of a recording."""
    return f"{spec.sid}_{spec.cname}_report.json"


def uri(name: str) -> str:
    """A file name as playlists hold it (RFC 8216 §4.1): "why?" must not begin a query."""
    return quote(name, safe=_URI_SAFE)


def segment(stem_: str, start_ns: int, container: str) -> str:
    """One segment; named for where it begins."""
    return f"{stem_}_{utc17(start_ns)}.{container}"
