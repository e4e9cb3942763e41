"""Settings of every Tapefarm process, read once and frozen."""

import re
import ssl
import tomllib
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    IPvAnyAddress,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from media.cut.encoder import Encoder
from media.rtc.network import IceServer, ice_server, port_range
from workers.job.allowance import Allowance
from workers.storage.endpoint import read_endpoint

_CERTIFICATE: Final = re.compile(r"[0-9A-Fa-f]{32}")


class CustomerKey(BaseModel):
    """One pair of HTTP Basic authentication; its key holds no colon (RFC 7617 §2)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    customer_key: str = Field(min_length=1, pattern="^[^:]*$", repr=False)
    customer_secret: SecretStr = Field(min_length=1)


class App(BaseModel):
    """One customer's app: who may call, what it may have, and who is called back.

    An account has pairs of key and secret, not an app (reference §1.2): apps may share them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    app_id: str = Field(min_length=1)
    customer_key: str = Field("", repr=False)  # the short form for one pair
    customer_secret: SecretStr = SecretStr("")
    keys: tuple[CustomerKey, ...] = ()  # more pairs, so that they can be changed one by one
    # App certificates (32 hex digits).  With one or more, start calls need an RTC token that one
    # of them signed.
    certificates: tuple[SecretStr, ...] = ()
    suspended: bool = False  # begins nothing; what it has going on can be stopped and asked about
    # What it may have; None: as much as the farm gives to each app.
    max_recordings: int | None = Field(None, ge=1)
    max_streams: int | None = Field(None, ge=1)
    requests_per_second: float | None = Field(None, ge=0, allow_inf_nan=False)  # 0: no quota
    callback_url: str = ""
    callback_secret: SecretStr = SecretStr("")

    @field_validator("certificates")
    @classmethod
    def _hex(cls, values: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(_CERTIFICATE.fullmatch(each.get_secret_value()) for each in values):
            raise ValueError("a certificate has 32 hexadecimal digits")
        return values

    @field_validator("callback_url")
    @classmethod
    def _reachable(cls, value: str) -> str:
        parts = urlsplit(value)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        if value and not good:
            raise ValueError("it must be an http or https URL")
        return value

    @model_validator(mode="after")
    def _can_call(self) -> Self:
        if not self.pairs:
            raise ValueError("an app needs a customer_key and customer_secret")
        return self

    @property
    def pairs(self) -> tuple[CustomerKey, ...]:
        """All pairs that own it.  Raises pydantic.ValidationError for half of a short form."""
        if not self.customer_key and not self.customer_secret:
            return self.keys
        short = CustomerKey(customer_key=self.customer_key, customer_secret=self.customer_secret)
        return (short, *self.keys)

    def allowance(self, default: Allowance) -> Allowance:
        """How much it may have going on at once."""
        return Allowance(
            recordings=_or(self.max_recordings, default.recordings),
            streams=_or(self.max_streams, default.streams),
        )


def _or(own: int | None, default: int | None) -> int | None:
    return default if own is None else own


class IceServers(BaseModel):
    """STUN or TURN servers with one account, as browsers take them (W3C webrtc-pc §4.2.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    urls: tuple[str, ...]
    username: str = ""
    credential: SecretStr = SecretStr("")

    @field_validator("urls", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _readable(self) -> Self:
        self.servers()
        return self

    def servers(self) -> tuple[IceServer, ...]:
        """One for each URL.  Raises BadIceServer, a ValueError."""
        secret = self.credential.get_secret_value()
        return tuple(ice_server(url, self.username, secret) for url in self.urls)


class Settings(BaseSettings):
    """Read from ``TAPEFARM_*`` variables; lists and objects are JSON there."""

    # Values may be secrets, and errors go to logs.
    model_config = SettingsConfigDict(
        env_prefix="TAPEFARM_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    redis_url: str = Field("redis://127.0.0.1:6379/0", repr=False)  # may hold a password
    spool: Path = Path("data/spool")
    farm_key: SecretStr = Field(min_length=16)  # encrypts customers' keys at rest
    channel_url: str = Field("room+http://127.0.0.1:8081", repr=False)  # may hold secrets
    apps: tuple[App, ...] = ()
    apps_file: Path | None = None  # TOML with [[apps]], beside those; read again when it changes

    host: str = "127.0.0.1"
    port: int = 8080
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0  # 0 picks a free one
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    # For how long the tape of a recording that ended is kept for recuts; 0: until delivered.
    tape_retention_s: int = Field(0, ge=0, le=365 * 86400)
    quality_report: bool = True  # put <sid>_<cname>_report.json beside the files
    slots: int = Field(200, ge=1, le=2000)  # recordings that one recorder process holds
    allow_private_endpoints: bool = False  # storage and callbacks on loopback or private addresses
    # What each app may have that does not say itself.  Requests are counted by each API process;
    # 0: no quota.  Of recordings and streams (RecordingSpec.streams) on the air; None: no limit.
    requests_per_second: float = Field(10.0, ge=0, allow_inf_nan=False)
    max_recordings_per_app: int | None = Field(None, ge=1)
    max_streams_per_app: int | None = Field(None, ge=1)
    # From which addresses callbacks leave this farm, as /v1/ncs/ip tells receivers.
    callback_source_ips: tuple[IPvAnyAddress, ...] = ()
    storage_check_s: float = Field(1.0, gt=0, le=10)
    # Where customers may have files brought (docs/storage.md): vendors by their numbers (None:
    # all), and patterns of hosts ("*.example.com") and of buckets ("rec-*"); without any, all.
    storage_vendors: tuple[int, ...] | None = None
    storage_endpoints: tuple[str, ...] = ()
    storage_buckets: tuple[str, ...] = ()
    # {"1": "https://minio.internal:9000"}: what is for that vendor goes there instead.
    storage_redirects: dict[int, str] = Field(default_factory=dict)
    # PEM: who may sign certificates of storage beside the system's authorities.
    storage_ca_file: FilePath | None = None
    lease_ttl_s: float = Field(4.0, ge=1, le=60)
    part_s: int = Field(5, ge=1, le=15)  # seconds on one tape part; must divide 15
    # What a recorder keeps in memory while the disk refuses; beyond it packets are dropped.
    tape_memory_bytes: int = Field(256 << 20, ge=16 << 20)
    # How long the end of a recording waits for the disk before it is left to another recorder.
    tape_seal_s: float = Field(30.0, gt=0)
    # How long a slice waits for late packets and for their clock; what a cutter reads.
    late_s: float = Field(1.5, ge=1.5, le=5)
    # How long a synchronous stop may take; less than what an answer of Redis may (store.connect).
    stop_wait_s: float = Field(20.0, gt=0, le=25)

    # How recorders connect to media servers.  ICE servers as browsers take them:
    # [{"urls": ["turn:turn.example:3478?transport=udp"], "username": "…", "credential": "…"}].
    ice_servers: tuple[IceServers, ...] = ()
    # "relay": by TURN only, for hosts that may send to the TURN server and nowhere else.
    ice_transport_policy: Literal["all", "relay"] = "all"
    # Names ("eth0") or addresses ("10.0.0.5", "::1") of this host that media uses.  Without any:
    # loopback for a room of ours on this host, all others for a server elsewhere, and both for any
    # other server on this host, as nobody knows where that one listens for media.
    ice_interfaces: tuple[str, ...] = ()
    ice_ipv6: bool = True  # whether IPv6 addresses of interfaces count
    ice_advertise: tuple[IPvAnyAddress, ...] = ()  # what a 1:1 NAT makes of this host's addresses
    ice_ports: str = ""  # "40000-40999": UDP ports of media; one per connection and address
    # How long STUN and TURN may delay a connection.  Up to 2.5 a publisher who cannot be heard is
    # told of within 10 s.
    ice_gather_s: float = Field(2.0, gt=0, le=10)
    # PEM: who may sign certificates of media servers (room+https, janus+wss, turns) beside the
    # system's authorities.
    media_ca_file: Path | None = None
    # Which simulcast layer is recorded, 0 the lowest to 2 the highest.
    simulcast_substream: int = Field(2, ge=0, le=2)

    # What encodes mixes: libx264, or h264_nvenc where there is one; where it does not work libx264
    # does.  Presets by the encoder's own names; "" is veryfast of libx264, p4 of h264_nvenc.
    mix_encoder: Literal["libx264", "h264_nvenc"] = "libx264"
    mix_preset: str = ""

    @field_validator("ice_ports")
    @classmethod
    def _range(cls, value: str) -> str:
        port_range(value)
        return value

    @field_validator("apps")
    @classmethod
    def _each_once(cls, values: tuple[App, ...]) -> tuple[App, ...]:
        if len({app.app_id for app in values}) < len(values):
            raise ValueError("an app_id is there twice")
        return values

    @property
    def allowance(self) -> Allowance:
        """What an app may have going on at once that does not say itself."""
        return Allowance(self.max_recordings_per_app, self.max_streams_per_app)

    @field_validator("storage_redirects")
    @classmethod
    def _addresses(cls, values: dict[int, str]) -> dict[int, str]:
        if any(read_endpoint(url).path for url in values.values()):
            raise ValueError("a storage is redirected to http[s]://host[:port]")
        return values

    @field_validator("storage_ca_file")
    @classmethod
    def _authorities(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
            except OSError:
                raise ValueError("no certificate (PEM) can be read from it") from None
        return value

    @model_validator(mode="after")
    def _preset_is_the_encoders(self) -> Self:
        self.encoder()
        return self

    def encoder(self) -> Encoder:
        """What encodes mixes.  Raises ValueError for a preset that it does not know."""
        return Encoder(self.mix_encoder, self.mix_preset)

    @model_validator(mode="after")
    def _relay_needs_a_server(self) -> Self:
        servers = [server for each in self.ice_servers for server in each.servers()]
        if self.ice_transport_policy == "relay" and not any(each.relays for each in servers):
            raise ValueError("ice_transport_policy relay needs a turn: or turns: server")
        return self


def load(config: Path | None = None) -> Settings:
    """Settings from the environment, or from a TOML file with the environment on top.

    Raises pydantic.ValidationError for unknown keys and bad values.
    """
    if config is None:
        return Settings()
    with config.open("rb") as file:
        rows: dict[str, Any] = tomllib.load(file)

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(  # type: ignore[no-untyped-def]  # pydantic's own signature
            cls, settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings
        ):
            return env_settings, init_settings

    return FromFile(**rows)
