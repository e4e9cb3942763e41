"""Orders for a recording that was asked to stop before a recorder could hear them."""

from collections.abc import Iterable

from media.rtc import steady
from media.tape.writer import TapeWriter
from workers.job.order import Order
from workers.spool.spool import Folder


async def write(folder: Folder, fence: int, number: int, orders: Iterable[Order]) -> None:
    """Put them on the tape, as a part of their own; times are the recorder's."""
    writer = TapeWriter(
        folder.tape,
        fence=fence,
        first_number=number,
        on_sealed=lambda _: None,
        from_ns=steady.now_ns(),
    )
    for order in orders:
        writer.event(order.event(order.at_ns))
    await writer.close(steady.now_ns())
