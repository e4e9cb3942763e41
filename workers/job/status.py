"""What a recording looks like from outside: the values that every dialect answers with."""

from dataclasses import dataclass
from typing import Literal

from workers.job.ending import ending
from workers.job.spec import Mode
from workers.job.state import TERMINAL, State

TrackType = Literal["audio", "video", "audio_and_video"]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One playlist or MP4 that stands in the customer's bucket."""

    name: str  # object key, with the prefix
    track_type: TrackType
    uid: str  # "0" in mix
    mixed: bool
    playable: bool  # a plain HLS player can show it
    slice_start_ms: int  # Unix milliseconds of its first media


@dataclass(frozen=True, slots=True)
class RecordingStatus:
    """A recording as it stands now."""

    sid: str
    state: State
    mode: Mode
    app_id: str
    cname: str
    uid: str  # of the recorder
    audio: bool = True  # whether sound may be asked for while it runs
    video: bool = True
    mp4: bool = False  # MP4 files stand beside the playlist of a mix
    snapshots: bool = False  # screenshots are taken, alone or beside files
    files: tuple[FileEntry, ...] = ()  # only what was verified in the bucket
    slice_start_ms: int = 0  # Unix milliseconds of the first media; 0 before it
    no_data: bool = False  # it is over and nobody published anything
    tape_of: str = ""  # the recording whose tape it was cut from; "": its own
    reason: str = ""  # why its tape was closed, or why it failed
    joined: bool = False  # a recorder has been in the channel
    orphan: bool = False  # its recorder is gone and no other has it: a failover runs
    # Unix nanoseconds, 0 before it happened:
    accepted_ns: int = 0  # the start call was accepted
    stop_ns: int = 0  # somebody asked for the end
    end_ns: int = 0  # where its timeline ends, once the tape is closed
    delivered_ns: int = 0  # the last file stood in the bucket, or it failed

    @property
    def ended(self) -> bool:
        """Nothing will change any more."""
        return self.state in TERMINAL

    @property
    def exit_status(self) -> int | None:
        """0: it ended as it should, 1: something made it end; None before the end."""
        if not self.ended:
            return None
        if self.state is State.FAILED:
            return 1
        return ending(self.reason).exit_status if self.reason else 0  # not known any more


@dataclass(frozen=True, slots=True)
class TapeStatus:
    """What recuts can be made from.  Times are Unix nanoseconds."""

    from_ns: int = 0  # from when on; 0: there is no tape (any more, or yet)
    until_ns: int = 0  # how long it is kept, once the recording has ended; 0: that is not known
    recuts: tuple[str, ...] = ()  # made from it


@dataclass(frozen=True, slots=True)
class StopOutcome:
    """How far a stop call got within the time it may take."""

    status: RecordingStatus
    uploaded: bool  # every file is verified in the bucket
    no_data: bool = False  # the recording ended without any media
