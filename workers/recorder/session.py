"""One recording on the event loop: the capture, its tape, and their clockwork."""

import asyncio
from collections.abc import Callable

from media.capture.capture import Capture
from media.channels.base import Wants
from media.errors import TapeUnsealed
from media.rtc import steady
from media.rtc.drain import Drain
from media.rtc.network import Network
from media.tape.model import NS, PartManifest
from media.tape.wanted import Wanted
from media.tape.writer import TapeWriter
from workers.job.ending import STOPPED, TOKEN_EXPIRED
from workers.job.order import Order
from workers.job.spec import SLICE_SECONDS, Mode, RecordingSpec
from workers.metrics.metrics import Metrics
from workers.recorder.notices import Notice, Observer, PartSealed
from workers.recorder.pace import beat
from workers.recorder.timeline import open_from_ns
from workers.settings import Settings
from workers.spool.spool import Folder

_SLICE_NS = SLICE_SECONDS * NS
_BEFORE_BOUNDARY_NS = NS // 4  # a key frame takes this long to be asked for, made and sent
# An individual video slice ends at the first key frame after 15 s; a little more, so that one
# that is answered faster than the one before still comes late enough.
_KEYFRAME_EVERY_S = SLICE_SECONDS + 0.5
_LOOK_AGAIN_S = 3600.0
_LOWEST = 0  # layer of simulcast
_LINGER_S = 0.3  # after the stop: packets under way still belong to the recording


class Session:
    """Lives on the event loop; tells the slot's thread through ``notify``, which never blocks."""

    def __init__(
        self,
        spec: RecordingSpec,
        settings: Settings,
        folder: Folder,
        *,
        fence: int,
        first_number: int,
        drain: Drain,
        network: Network,
        metrics: Metrics,
        notify: Callable[[Notice], None],
        origin_ns: int = 0,
        sealed_ns: int = 0,
        before: PartManifest | None = None,
    ) -> None:
        """``sealed_ns`` says how far the tape is that owners before us left, ``before`` is its end.

        ``origin_ns`` is where its timeline begins, 0 if it has not.
        """
        self._settings = settings
        self._late_ns = int(settings.late_s * NS)
        self._origin_ns, self._sealed_ns = origin_ns, sealed_ns
        self._ordered_ns = 0  # when the last order took effect
        self._individual = spec.mode is not Mode.MIX
        self._drain = drain
        self._stop = asyncio.Event()
        self._beats: list[asyncio.Task[None]] = []
        self._until_ns = spec.limits.until_ns
        self._expiry: asyncio.TimerHandle | None = None
        self._expired = False
        self._writer = TapeWriter(
            folder.tape,
            fence=fence,
            first_number=first_number,
            before=before,
            on_sealed=lambda part: notify(PartSealed(part)),
        )
        self._capture = Capture(
            channel_url=spec.channel_url,
            cname=spec.cname,
            recorder_uid=spec.recorder_uid,
            token=spec.token.get_secret_value() if spec.token else None,
            wants=_wants(spec.subscription.wanted),
            writer=self._writer,
            live=spec.live,
            max_idle_s=spec.limits.max_idle_s,
            observer=Observer(metrics, notify),
            track_prefix=str(fence),
            drain=drain,
            network=network,
            simulcast_substream=_LOWEST if spec.low_stream else settings.simulcast_substream,
            keyframe_every_s=_KEYFRAME_EVERY_S if self._individual else 0,
        )

    async def run(self) -> str:
        """Tape until there is a reason to end, see workers/job/ending.py; returns it.

        The tape is sealed afterwards.  Raises TapeUnsealed.
        """
        self._keep_pace(steady.now_ns())
        self._watch_token()
        try:
            reason = await self._capture.run(self._stop)
            return TOKEN_EXPIRED if self._expired and reason == STOPPED else reason
        finally:
            self._end_beats()
            if self._expiry is not None:
                self._expiry.cancel()
                self._expiry = None
            await self._seal()

    async def _seal(self) -> None:
        """Raises TapeUnsealed when the disk refuses for too long: another owner has to go on."""
        try:
            async with asyncio.timeout(self._settings.tape_seal_s):
                await self._writer.close(steady.now_ns())
        except TimeoutError as exc:
            why = self._writer.error
            self._writer.abandon()
            raise TapeUnsealed(f"the tape could not be sealed: {why}") from exc

    def obey(self, order: Order, at_ns: int) -> None:
        """Put an order on the tape, in effect from ``at_ns`` on, and record whom it wants.

        An order that comes so late that its slice may have been cut takes effect after that one.
        """
        open_ns = open_from_ns(self._origin_ns, self._sealed_ns, self._late_ns)
        at_ns = self._ordered_ns = max(at_ns, open_ns, self._ordered_ns)
        if not self._writer.sealed_ns:
            self._writer.rotate(steady.now_ns())  # or our first part would begin that long ago
        self._writer.event(order.event(at_ns))
        if order.wanted is not None:
            self._capture.want(_wants(order.wanted), at_ns)

    def stop_at(self, at_ns: int) -> None:
        """End the recording at this steady time, and a little later."""
        delay_s = (at_ns - steady.now_ns()) / NS + _LINGER_S
        asyncio.get_running_loop().call_later(max(delay_s, 0), self._stop.set)

    def _watch_token(self) -> None:
        """Look again when the token expires, or in an hour: clocks go apart."""
        if not self._until_ns:
            return
        left_s = (steady.of_wall(self._until_ns) - steady.now_ns()) / NS
        if left_s > 0:
            later = asyncio.get_running_loop().call_later
            self._expiry = later(min(left_s, _LOOK_AGAIN_S), self._watch_token)
        elif not self._stop.is_set():
            self._expired = True
            self.stop_at(steady.now_ns())

    def stop_now(self) -> None:
        """End at once: another recorder goes on, or somebody else owns the recording."""
        self._stop.set()

    def count_from(self, origin_ns: int) -> None:
        """Slices are counted from here: parts and key frames follow their grid."""
        self._origin_ns = origin_ns
        self._keep_pace(origin_ns)

    def _keep_pace(self, base_ns: int) -> None:
        self._end_beats()
        part_ns = self._settings.part_s * NS
        self._beats = [asyncio.create_task(beat(base_ns, part_ns, self._late_ns, self._rotate))]
        if not self._individual:
            self._beats.append(
                asyncio.create_task(
                    beat(base_ns, _SLICE_NS, -_BEFORE_BOUNDARY_NS, self._ask_keyframes)
                )
            )

    def _end_beats(self) -> None:
        for task in self._beats:
            task.cancel()
        self._beats.clear()  # their tracebacks know us, and would keep us (media/weakly.py)

    def _rotate(self, at_ns: int) -> None:
        # After a stall, what came in its time belongs to the part that ends.
        self._drain.catch_up()
        self._writer.rotate(at_ns)
        self._sealed_ns = at_ns

    def _ask_keyframes(self, _: int) -> None:
        self._capture.request_keyframes()


def _wants(wanted: Wanted) -> Wants:
    return Wants(
        audio_uids=wanted.audio_uids,
        video_uids=wanted.video_uids,
        not_audio_uids=wanted.not_audio_uids,
        not_video_uids=wanted.not_video_uids,
    )
