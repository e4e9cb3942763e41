"""Builds RTC tokens from the published format; shares nothing with the code that reads them."""

import base64
import hashlib
import hmac
import zlib
from dataclasses import dataclass, field


def u16(value: int) -> bytes:
    return value.to_bytes(2, "little")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return u16(len(data)) + data


def privileges(rights: dict[int, int]) -> bytes:
    rows = sorted(rights.items())
    return u16(len(rows)) + b"".join(u16(right) + u32(until) for right, until in rows)


def sign(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


@dataclass
class Token006:
    app_id: str
    certificate: str
    cname: str
    uid: str
    ends_s: int  # of the token, Unix seconds
    rights: dict[int, int]  # privilege to Unix seconds
    salt: int = 1

    def build(self, tail: bytes = b"") -> str:
        message = u32(self.salt) + u32(self.ends_s) + privileges(self.rights)
        signed = (self.app_id + self.cname + self.uid).encode() + message
        content = text(sign(self.certificate.encode(), signed))
        content += u32(zlib.crc32(self.cname.encode())) + u32(zlib.crc32(self.uid.encode()))
        content += text(message) + tail
        return "006" + self.app_id + base64.b64encode(content).decode()


def rtc(cname: str, uid: str, rights: dict[int, int]) -> bytes:
    return u16(1) + privileges(rights) + text(cname) + text(uid)


def rtm(user: str, lasts_s: int) -> bytes:
    return u16(2) + privileges({1: lasts_s}) + text(user)


def education(room: str, user: str, role: int, lasts_s: int) -> bytes:
    return u16(7) + privileges({1: lasts_s}) + text(room) + text(user) + u16(role)


@dataclass
class Token007:
    app_id: str
    certificate: str
    issued_s: int  # Unix seconds
    lasts_s: int
    services: list[bytes] = field(default_factory=list)
    salt: int = 1

    def content(self) -> bytes:
        body = text(self.app_id) + u32(self.issued_s) + u32(self.lasts_s) + u32(self.salt)
        body += u16(len(self.services)) + b"".join(self.services)
        key = sign(u32(self.salt), sign(u32(self.issued_s), self.certificate.encode()))
        return text(sign(key, body)) + body

    def build(self) -> str:
        return packed(self.content())


def packed(content: bytes) -> str:
    return "007" + base64.b64encode(zlib.compress(content)).decode()
