"""Blocks that Agora has removed and old clients still send with start (reference §2.10).  Pure.

What changes nothing is ignored; what promises files that nobody would make is refused.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from api.agora.body import Body
from api.agora.errors import InvalidField, NotAvailable

_VOD: Final = "aliyun_vod_service"
_SERVICES: Final = "extensionServiceConfig.extensionServices"
Name = Annotated[str, Field(max_length=256)]


class AppsCollection(Body):
    """Whether recordings are transcoded after the session."""

    combination_policy: Literal["default", "postpone_transcoding"] = "default"
    """`postpone_transcoding` is not available on this farm."""


class Container(Body):
    """Of the transcoded file."""

    format: Literal["mp3", "m4a", "aac", "mp4"] = "mp3"
    """Has no effect."""


class TransConfig(Body):
    """Which kind of transcoding."""

    trans_mode: Literal["audioMix", "postponeTranscoding", ""] = ""
    """Neither is available on this farm."""


class TranscodeAudio(Body):
    """Sound of the transcoded file."""

    sample_rate: Literal["48000", "32000", "16000"] = "48000"
    """Has no effect."""
    bitrate: Literal["48000"] = "48000"
    """Has no effect."""
    channels: Literal["1", "2"] = "2"
    """Has no effect."""


class TranscodeOptions(Body):
    """How to transcode after the session."""

    container: Container = Container()
    """Has no effect."""
    trans_config: TransConfig = TransConfig()
    """Transcoding itself; without it the block has no effect."""
    audio: TranscodeAudio = TranscodeAudio()
    """Has no effect."""


class ExtensionService(Body):
    """One service beside a recording."""

    service_name: Name = ""
    """`aliyun_vod_service` is not available on this farm; others have no effect."""


class ExtensionServiceConfig(Body):
    """Services beside a recording; of web page recording, and of Alibaba's video on demand."""

    extension_services: Annotated[
        tuple[ExtensionService, ...], Field(strict=False, max_length=10)
    ] = ()
    """Of a recording of a channel none has an effect."""


def check_transcoding(apps: AppsCollection, options: TranscodeOptions) -> None:
    """Raises NotAvailable for transcoding after the session."""
    if apps.combination_policy != "default":
        raise NotAvailable("appsCollection.combinationPolicy postpone_transcoding")
    wanted = options.trans_config.trans_mode
    if wanted:
        raise NotAvailable(f"transcodeOptions.transConfig.transMode {wanted}")


def check_services(config: ExtensionServiceConfig | None, *, allowed: bool) -> None:
    """Raises InvalidField where the block is not ``allowed`` (§2.12), NotAvailable for VOD."""
    if config is None:
        return
    if not allowed:
        raise InvalidField("extensionServiceConfig", "Mode raw takes none")
    for number, service in enumerate(config.extension_services):
        if service.service_name == _VOD:
            raise NotAvailable(f"{_SERVICES}[{number}].serviceName {_VOD}")
