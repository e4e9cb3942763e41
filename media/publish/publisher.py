"""`tapefarm publish`: joins a channel, sends until it is told to stop, leaves."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from media.errors import ChannelError, ChannelRefused
from media.publish.clock import MediaClock
from media.publish.encoders import CannotEncode
from media.publish.media_file import FileSource
from media.publish.offer import check, codecs, sections
from media.publish.options import Audio, PublishOptions, PublishReport, Ready, Video
from media.publish.payload_log import PayloadLog
from media.publish.sender import Sender
from media.publish.signalling import Signalling, open_signalling
from media.publish.sources import MediaSource, PatternSource
from media.publish.track import OutgoingTrack
from media.rtc.drain import Drain
from media.rtc.interfaces import addresses_for
from media.rtc.network import Network
from media.rtc.peer import Peer
from media.rtc.sdp import parse
from media.tape.model import Kind

_log = structlog.get_logger(__name__)

_PATTERN_SIZE = (640, 360)
_PATTERN_BITRATE = 400_000
_DRAIN_S = 0.02  # feedback may wait that long; media never passes through the drain


@dataclass(frozen=True, slots=True)
class Mute:
    """Stop or go on with a track."""

    kind: Kind
    muted: bool


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave the channel."""


Command = Mute | Leave


async def publish(
    options: PublishOptions,
    stop: asyncio.Event,
    *,
    on_ready: Callable[[Ready], None],
    commands: asyncio.Queue[Command] | None = None,
) -> PublishReport:
    """Publish until ``stop``, a Leave, or ``options.seconds``; ``on_ready`` when connected.

    Raises ChannelRefused, ChannelError (also when the connection is lost), UnreadableMedia,
    CannotEncode.
    """
    source = await asyncio.to_thread(open_source, options)
    signalling = open_signalling(
        options.channel, cname=options.cname, uid=options.uid, source=options.source
    )
    log = (
        await asyncio.to_thread(PayloadLog, options.log_payloads)
        if options.log_payloads is not None
        else None
    )
    publisher = _Publisher(options, source, signalling, log)
    try:
        return await publisher.run(stop, commands or asyncio.Queue(), on_ready)
    finally:
        await publisher.close()


def open_source(options: PublishOptions) -> MediaSource:
    """The media that the options ask for; blocks while a file is inspected."""
    audio = None if options.audio is Audio.NONE else options.audio.value
    if options.video is Video.NONE and audio is None:
        raise ChannelRefused("there is nothing to publish without sound and picture")
    if options.media is not None:
        if audio not in (None, Audio.OPUS):
            raise CannotEncode(f"{audio} can be published with the pattern only")
        return FileSource(
            options.media,
            video=_wanted(options.video, "auto"),
            audio=audio is not None,
            size=options.size,
            bitrate=options.bitrate,
        )
    return PatternSource(
        options.uid,
        video=_wanted(options.video, Video.VP8.value),
        audio=audio,
        size=options.size or _PATTERN_SIZE,
        fps=options.fps,
        bitrate=options.bitrate or _PATTERN_BITRATE,
    )


def _wanted(video: Video | None, default: str) -> str | None:
    if video is Video.NONE:
        return None
    return default if video is None else video.value


class _Publisher:
    """One publisher's life: joined once, left once."""

    def __init__(
        self,
        options: PublishOptions,
        source: MediaSource,
        signalling: Signalling,
        payload_log: PayloadLog | None,
    ) -> None:
        self._options, self._signalling, self._payload_log = options, signalling, payload_log
        self._source = source
        self._drain = Drain(interval_s=_DRAIN_S)
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._peer = Peer(
            controlling=True,
            on_rtp=_ignore,
            on_rtcp=self._on_rtcp,
            on_closed=self._on_closed,
            drain=self._drain,
            network=Network(addresses=addresses_for(options.channel)),
        )
        self._sender: Sender | None = None

    async def run(
        self,
        stop: asyncio.Event,
        commands: asyncio.Queue[Command],
        on_ready: Callable[[Ready], None],
    ) -> PublishReport:
        """Join, send, and say what was sent."""
        offered = {
            kind: OutgoingTrack(kind, codec, cname=self._options.uid)
            for kind, codec in codecs(self._source).items()
        }
        await self._join(list(offered.values()))
        clock = MediaClock()
        for track in offered.values():
            track.start(clock)
        self._sender = Sender(
            self._source,
            offered,
            clock,
            send_rtp=self._peer.send_rtp,
            send_rtcp=self._peer.send_rtcp,
            payload_log=self._payload_log,
        )
        on_ready(self._ready(offered))
        reason = await self._send_until_told(self._sender, stop, commands)
        self._sender.bye()
        return _report(self._options.uid, clock.now_s(), reason, offered)

    async def close(self) -> None:
        """Leave; idempotent."""
        try:
            await self._signalling.leave()
        except ChannelError as exc:
            _log.warning("the channel could not be left properly", error=str(exc))
        await self._peer.close()
        self._drain.close()
        if self._sender is None:
            await asyncio.to_thread(self._source.close)  # else the sender has closed it
        if self._payload_log is not None:
            await asyncio.to_thread(self._payload_log.close)

    async def _join(self, tracks: list[OutgoingTrack]) -> None:
        await self._peer.gather()
        stream = f"tapefarm-{secrets.token_hex(4)}"
        offer = self._peer.describe(sections(tracks, stream=stream))
        answer = parse(await self._signalling.join(offer.to_sdp()))
        check(answer, tracks)
        await self._peer.connect(answer)

    async def _send_until_told(
        self, sender: Sender, stop: asyncio.Event, commands: asyncio.Queue[Command]
    ) -> str:
        sending = asyncio.create_task(sender.run(), name="send")
        put_out = asyncio.create_task(self._signalling.ended(), name="put-out")
        ends: dict[asyncio.Future[Any], str] = {
            sending: "stopped",
            self._lost: "lost",
            put_out: "lost",
            asyncio.create_task(stop.wait(), name="stop"): "stopped",
            asyncio.create_task(self._obey(sender, commands), name="obey"): "left",
        }
        try:
            done, _ = await asyncio.wait(
                ends, timeout=self._options.seconds, return_when=asyncio.FIRST_COMPLETED
            )
            for end in done:
                end.result()  # raises what went wrong
            for lost in (put_out, self._lost):
                if lost in done:
                    raise ChannelError(f"the connection was lost: {lost.result()}")
            return ends[done.pop()] if done else "time is up"
        finally:
            for end in ends:
                end.cancel()
            await asyncio.wait(ends)

    async def _obey(self, sender: Sender, commands: asyncio.Queue[Command]) -> None:
        """Carry out commands until one says to leave."""
        while True:
            match await commands.get():
                case Mute(kind, muted):
                    await self._mute(sender, kind, muted=muted)
                case Leave():
                    return

    async def _mute(self, sender: Sender, kind: Kind, *, muted: bool) -> None:
        """The room withholds what is sent while muted, so we are silent from before to after."""
        if muted:
            sender.mute(kind, muted=True)
        await self._signalling.mute(kind, muted=muted)
        if not muted:
            sender.mute(kind, muted=False)

    def _ready(self, tracks: dict[Kind, OutgoingTrack]) -> Ready:
        keys = {kind: track.codec.key for kind, track in tracks.items()}
        return Ready(
            uid=self._options.uid,
            video=keys.get(Kind.VIDEO),
            audio=keys.get(Kind.AUDIO),
            ssrc={kind: track.ssrc for kind, track in tracks.items()},
            pattern=self._options.media is None,
        )

    def _on_rtcp(self, data: bytes, arrival_ns: int) -> None:
        del arrival_ns
        if self._sender is not None:
            self._sender.on_rtcp(data)

    def _on_closed(self, reason: str) -> None:
        if not self._lost.done():
            self._lost.set_result(reason)


def _ignore(packet: bytes, arrival_ns: int) -> None:
    """A publisher only sends; what comes in nevertheless is nobody's."""
    del packet, arrival_ns


def _report(
    uid: str, seconds: float, reason: str, tracks: dict[Kind, OutgoingTrack]
) -> PublishReport:
    sent = {kind: track.sent for kind, track in tracks.items()}
    return PublishReport(
        uid=uid,
        seconds=seconds,
        reason=reason,
        packets={kind: each.packets for kind, each in sent.items()},
        frames={kind: each.frames for kind, each in sent.items()},
        resent={kind: each.resent for kind, each in sent.items()},
        keyframes=sum(each.keyframes for each in sent.values()),
    )
