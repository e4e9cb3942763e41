"""Settings of every Tapefarm process, read once and frozen."""

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class App(BaseModel):
    """One customer: who may call, and who is called back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app_id: str
    customer_key: str
    customer_secret: SecretStr
    callback_url: str = ""
    callback_secret: SecretStr = SecretStr("")


class Settings(BaseSettings):
    """Read from ``TAPEFARM_*`` variables; lists and objects are JSON there."""

    model_config = SettingsConfigDict(env_prefix="TAPEFARM_", frozen=True, extra="forbid")

    redis_url: str = "redis://127.0.0.1:6379/0"
    spool: Path = Path("data/spool")
    farm_key: SecretStr = Field(min_length=16)  # encrypts customers' keys at rest
    channel_url: str = "room+http://127.0.0.1:8081"
    apps: tuple[App, ...] = ()

    host: str = "127.0.0.1"
    port: int = 8080
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0  # 0 picks a free one
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    slots: int = Field(200, ge=1, le=2000)  # recordings that one recorder process holds
    allow_private_endpoints: bool = False  # storage and callbacks on loopback or private addresses
    requests_per_second: float | None = Field(None, gt=0)  # quota of each app; None: no quota
    storage_check_s: float = Field(1.0, gt=0, le=10)
    lease_ttl_s: float = Field(4.0, ge=1, le=60)
    part_s: int = Field(5, ge=1, le=15)  # seconds on one tape part; must divide 15
    late_s: float = Field(1.3, ge=0.5, le=5)  # how long a slice waits for late packets
    # How long a synchronous stop may take; less than what an answer of Redis may (store.connect).
    stop_wait_s: float = Field(20.0, gt=0, le=25)


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
