"""What a slice adds to growing files, from the cutter's hands into the spool's."""

from media.cut.model import PieceFile
from workers.spool.damage import crc_of
from workers.spool.spool import StoredPiece


def stored_piece(made: PieceFile, name: str) -> StoredPiece:
    """A piece as the spool knows it, by the name it gets there.  Raises OSError."""
    return StoredPiece(
        name=name,
        kind=made.kind,
        start_ns=made.start_ns,
        duration_s=made.duration_s,
        bytes=made.bytes,
        payload_crc=crc_of(made.payload),
        index_crc=crc_of(made.index),
        stretch=made.stretch,
        uid=made.uid,
        source=made.source.value if made.source else "",
        last=made.last,
        codec=made.codec if made.media else "",
        media=made.media or "",
    )


def is_same(made: PieceFile, before: StoredPiece) -> bool:
    """Whether a piece has been made again, as far as is known of how it was."""
    known = before.model_dump(exclude_none=True)
    return known.items() <= stored_piece(made, before.name).model_dump().items()
