"""Who publishes in the channel, and who of them is on the tape."""

from collections.abc import Set

from media.capture.deck import Deck
from media.channels.base import Wants
from media.tape.model import Source


class Cast:
    """Of one recording.

    On the tape is who was wanted since they joined: whoever is wanted again has the old place
    among the others.  Muted there is only what is wanted.
    """

    def __init__(self, deck: Deck, wants: Wants) -> None:
        self._deck = deck
        self._wants = wants
        self._there: dict[str, set[Source]] = {}  # with what is muted; in join order
        self._silent: set[str] = set()  # of those there: they send nothing
        self._taped: set[str] = set()

    @property
    def there(self) -> tuple[str, ...]:
        """Everybody, in join order."""
        return tuple(self._there)

    @property
    def taped(self) -> frozenset[str]:
        """Who is on the tape now."""
        return frozenset(self._taped)

    def joined(self, uid: str) -> None:
        """A publisher came, or sends again."""
        muted = self._there.setdefault(uid, set())
        if uid in self._silent:
            self._silent.remove(uid)
            self._say_muted(uid, set(Source) - muted, muted=False)
        self._introduce(uid)

    def stopped(self, uid: str) -> None:
        """A publisher sends nothing any more and is there: as if all of it were muted.

        Without that a hole would look as if a connection was lost.
        """
        muted = self._there.get(uid)
        if muted is not None and uid not in self._silent:
            self._silent.add(uid)
            self._say_muted(uid, set(Source) - muted, muted=True)

    def left(self, uid: str) -> None:
        """A publisher went."""
        self._there.pop(uid, None)
        self._silent.discard(uid)
        if uid in self._taped:
            self._taped.remove(uid)
            self._deck.publisher(uid, there=False)

    def muted(self, uid: str, source: Source, *, muted: bool) -> bool:
        """A publisher muted or unmuted a track; whether it is one that is wanted."""
        known = self._there.get(uid)
        if known is None:
            return False
        (known.add if muted else known.discard)(source)
        if uid not in self._silent:
            self._say_muted(uid, {source}, muted=muted)
        return self._wants.track(uid, source.kind)

    def want(self, wants: Wants, at_ns: int) -> None:
        """Others are wanted from ``at_ns`` on: not before the beginning of the tape's open part."""
        before, self._wants = self._wants, wants
        for uid in self._there:
            if uid not in self._taped:
                self._introduce(uid, at_ns)
                continue
            for source in sorted(self._muted_now(uid)):
                was, now = (each.track(uid, source.kind) for each in (before, wants))
                if was != now:
                    self._deck.muted(uid, source, muted=now, at_ns=at_ns)

    def _muted_now(self, uid: str) -> set[Source]:
        return set(Source) if uid in self._silent else self._there[uid]

    def _introduce(self, uid: str, at_ns: int | None = None) -> None:
        """Say on the tape that a publisher is there, if that is new and of interest."""
        if uid in self._taped or not self._wants.kinds(uid):
            return
        self._taped.add(uid)
        self._deck.publisher(uid, there=True, at_ns=at_ns)
        self._say_muted(uid, self._muted_now(uid), muted=True, at_ns=at_ns)

    def _say_muted(
        self, uid: str, sources: Set[Source], *, muted: bool, at_ns: int | None = None
    ) -> None:
        """Of what is on the tape."""
        for source in sorted(sources):
            if uid in self._taped and self._wants.track(uid, source.kind):
                self._deck.muted(uid, source, muted=muted, at_ns=at_ns)
