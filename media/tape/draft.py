"""A part as the event loop makes it: blocks in memory, and what its manifest will say."""

from media.tape import format as fmt
from media.tape.model import PartManifest, TapeEvent, Track
from media.tape.standing import Standing

PIECES = 3  # blocks that one packet is added as: its head, itself, what follows


class Draft:
    """One part, from its beginning to :meth:`end`.

    The event loop adds to ``blocks`` and the disk thread takes from their beginning; each of
    both is one step of the interpreter.
    """

    def __init__(self, head: fmt.PartHead, standing: Standing) -> None:
        self.head = head
        self.blocks: list[bytes] = [fmt.section_block(head), fmt.events_interface_block()]
        self.numbers: dict[str, int] = {}  # the interface of each track that has one
        self.until_ns: int | None = None  # set when nothing more will come
        self._packed: list[bytes] = []
        self._taken = 0  # blocks that were packed
        self._tracks: list[Track] = []
        self._events: list[TapeEvent] = []
        for track in standing.tracks():
            self.add_track(track)
        for event in standing.events():
            self.add_event(event)

    # by the event loop; packets it adds itself, as PIECES blocks each

    def add_track(self, track: Track) -> int:
        """Give a track its interface; its number, from 1."""
        number = self.numbers.get(track.id)
        if number is None:
            number = len(self.numbers) + 1
            self._tracks.append(track)
            self.blocks.append(fmt.track_interface_block(track))
            self.numbers[track.id] = number
        return number

    def add_event(self, event: TapeEvent) -> None:
        """Append an event."""
        self._events.append(event)
        self.blocks.append(fmt.event_block(event))

    def end(self, until_ns: int) -> None:
        """Nothing more will come."""
        self.until_ns = max(until_ns, self.head.from_ns)

    # by the disk thread

    @property
    def waiting_bytes(self) -> int:
        """How much was formatted and not taken."""
        return sum(map(len, self._packed)) + sum(map(len, tuple(self.blocks)))

    def pack(self) -> None:
        """Make one piece of the blocks there are: small ones take twice the memory."""
        count = len(self.blocks)
        if count:
            self._packed.append(b"".join(self.blocks[:count]))
            self._taken += count
            del self.blocks[:count]

    def take(self) -> bytes:
        """What was formatted since the last call."""
        self.pack()
        pieces, self._packed = self._packed, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def manifest(self, size: int) -> PartManifest:
        """After the last :meth:`take`; ``size`` in bytes is the file's."""
        others = 2 + len(self._tracks) + len(self._events)
        return PartManifest(
            self.head.name,
            self.head.fence,
            self.head.number,
            self.head.from_ns,
            self.until_ns or 0,
            (self._taken - others) // PIECES,
            size,
            tuple(self._tracks),
            tuple(self._events),
        )
