"""Settings of every Tapefarm process, read once and frozen."""

import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyAddress,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from media.cut.encoder import Encoder
from media.rtc.network import IceServer, ice_server, port_range


class App(BaseModel):
    """One customer: who may call, and who is called back."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    app_id: str
    customer_key: str
    customer_secret: SecretStr
    callback_url: str = ""
    callback_secret: SecretStr = SecretStr("")


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
    requests_per_second: float | None = Field(None, gt=0)  # quota of each app; None: no quota
    storage_check_s: float = Field(1.0, gt=0, le=10)
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
