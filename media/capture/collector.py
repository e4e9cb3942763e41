"""The cyclic garbage collector in a process that records or cuts."""

import gc

_YOUNG = 5_000  # objects more than were freed; Python's own is 700


def relax() -> None:
    """Let it run less often, and never over what is there now.  Call once, when all is loaded.

    What a recorder holds for long is hundreds of thousands of objects, and to look at all of them
    stops everything.  Much less often would not do: what connections leave behind are cycles that
    hold keys and buffers of OpenSSL.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG)
