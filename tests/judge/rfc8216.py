"""A strict reader of media playlists: every rule of RFC 8216 that our playlists can break."""

import re

_ONCE = (
    "EXT-X-VERSION",
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-ENDLIST",
    "EXT-X-PLAYLIST-TYPE",
)
_INTEGERS = (
    "EXT-X-VERSION",
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
)
_EXTINF = re.compile(r"#EXTINF:(\d+(?:\.\d+)?),[^\r\n]*")
_TAG = re.compile(r"#(EXT[A-Z0-9-]*)(?::(.*))?")


def check(text: str) -> list[str]:
    """Everything that is wrong with a media playlist; empty when nothing is."""
    problems = _text_problems(text)
    lines = text.split("\n")
    problems += _head_problems(lines)
    problems += _tag_problems(lines)
    problems += _segment_problems(lines)
    return problems


def check_update(before: str, after: str) -> list[str]:
    """What a reload must not change (section 6.2.1): only additions at the end are allowed."""
    if "#EXT-X-ENDLIST" in before and before != after:
        return ["the playlist changed after EXT-X-ENDLIST"]
    kept = [line for line in before.splitlines() if line != "#EXT-X-ENDLIST"]
    if after.splitlines()[: len(kept)] != kept:
        return ["lines of the playlist changed or vanished between two reloads"]
    return []


def durations(text: str) -> list[float]:
    """The EXTINF values in order."""
    return [float(found) for found in re.findall(r"#EXTINF:(\d+(?:\.\d+)?),", text)]


def names(text: str) -> list[str]:
    """The URI lines in order."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _text_problems(text: str) -> list[str]:
    problems = []
    if text.startswith("\ufeff"):
        problems.append("a byte order mark (section 4.1)")
    if re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]", text):
        problems.append("a control character (section 4.1)")
    if not text.endswith("\n"):
        problems.append("the last line has no end")
    return problems


def _head_problems(lines: list[str]) -> list[str]:
    problems = []
    if lines[0] != "#EXTM3U":
        problems.append("the first line is not #EXTM3U (section 4.3.1.1)")
    if not any(line.startswith("#EXT-X-TARGETDURATION:") for line in lines):
        problems.append("no EXT-X-TARGETDURATION (section 4.3.3.1)")
    first = next((i for i, line in enumerate(lines) if line and line[0] != "#"), len(lines))
    late = ("#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE", "#EXT-X-VERSION")
    problems += [
        f"{line} stands after the first segment" for line in lines[first:] if line.startswith(late)
    ]
    decimals = any(re.match(r"#EXTINF:\d+\.", line) for line in lines)
    version = next((line for line in lines if line.startswith("#EXT-X-VERSION:")), "")
    if decimals and (not version or int(version.partition(":")[2] or 0) < 3):
        problems.append("decimal durations need EXT-X-VERSION 3 (section 7)")
    return problems


def _tag_problems(lines: list[str]) -> list[str]:
    problems = []
    seen: dict[str, int] = {}
    for line in lines:
        if not line.startswith("#EXT"):
            continue
        match = _TAG.fullmatch(line)
        if match is None:
            problems.append(f"not a tag: {line!r}")
            continue
        name, value = match.groups()
        seen[name] = seen.get(name, 0) + 1
        if name in _INTEGERS and not re.fullmatch(r"\d{1,20}", value or ""):
            problems.append(f"{name} is not a decimal integer")
    problems += [f"{name} occurs {seen[name]} times" for name in _ONCE if seen.get(name, 0) > 1]
    if seen.get("EXTM3U", 0) > 1:
        problems.append("EXTM3U occurs more than once")
    return problems


def _segment_problems(lines: list[str]) -> list[str]:
    problems: list[str] = []
    targets = [line for line in lines if re.fullmatch(r"#EXT-X-TARGETDURATION:\d+", line)]
    target = int(targets[0].partition(":")[2]) if targets else 0
    pending: str | None = None
    for line in lines:
        if line.startswith("#EXTINF"):
            if pending is not None:
                problems.append("two EXTINF for one segment")
            pending = line
            problems += _extinf_problems(line, target)
        elif line and not line.startswith("#"):
            if pending is None:
                problems.append(f"{line!r} has no EXTINF (section 4.3.2.1)")
            if re.search(r"\s", line):
                problems.append(f"white space in the URI {line!r}")
            pending = None
    if pending is not None:
        problems.append("an EXTINF without a segment")
    return problems


def _extinf_problems(line: str, target: int) -> list[str]:
    match = _EXTINF.fullmatch(line)
    if match is None:
        return [f"{line!r} is not '#EXTINF:<duration>,[<title>]' (section 4.3.2.1)"]
    # Rounded half up, as readers do; Python's round() is half to even.
    if int(float(match[1]) + 0.5) > target:
        return [f"{line!r} is longer than EXT-X-TARGETDURATION:{target} (section 4.3.3.1)"]
    return []
