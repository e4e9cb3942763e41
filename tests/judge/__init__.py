"""Judges finished media: reads the test pattern back out of files, frames and sound.

``read_frame_number``, ``is_flash``, ``tone_level``, ``beep_onsets`` … work on arrays;
``video_frames`` and ``audio_samples`` get the arrays out of a file.
"""

from media.publish.frame_code import uid_code
from media.publish.read_pattern import (
    beep_onsets,
    flash_onsets,
    is_flash,
    read_frame_number,
    tone_level,
    tone_presence,
)
from media.publish.tones import beep_hz, tone_hz
from tests.judge.files import AudioSamples, GrayFrame, audio_samples, crop_to_fill, video_frames

__all__ = [
    "AudioSamples",
    "GrayFrame",
    "audio_samples",
    "beep_hz",
    "beep_onsets",
    "crop_to_fill",
    "flash_onsets",
    "is_flash",
    "read_frame_number",
    "tone_hz",
    "tone_level",
    "tone_presence",
    "uid_code",
    "video_frames",
]
