"""Screenshots of an individual recording (reference §2.6), out of a start request."""

from api.agora.errors import InvalidField
from api.agora.models import RecordingConfig, StartRequest
from workers.job.spec import Mode


def interval_s(request: StartRequest, wanted: Mode) -> int:
    """Seconds between screenshots; 0 when none are asked for.  Raises InvalidField."""
    asked = request.snapshot_config
    if asked is None:
        return 0
    if wanted is Mode.MIX:
        raise InvalidField("snapshotConfig", "A mix takes none")
    _check(request.recording_config)
    return asked.capture_interval


def only(request: StartRequest) -> bool:
    """Whether nothing else is wanted: a request for pictures that says nothing of files (§2.1)."""
    told = "recording_file_config" in request.model_fields_set
    return request.snapshot_config is not None and not told


def _check(config: RecordingConfig) -> None:
    if config.stream_types == 0:
        raise InvalidField("recordingConfig.streamTypes", "Screenshots need pictures: 1 or 2")
    video = config.subscribe_video_uids or config.un_subscribe_video_uids
    if (config.subscribe_audio_uids or config.un_subscribe_audio_uids) and not video:
        why = "Screenshots need it beside a list for audio, which alone leaves no pictures"
        raise InvalidField("recordingConfig.subscribeVideoUids", why)
