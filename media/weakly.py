"""Callbacks to an owner that do not keep it alive.

Two objects that know each other are freed by nobody but the cyclic collector, which comes to what
has lived for minutes once in hundreds of recordings.  So who is owned knows its owner weakly, and
a connection that is over is gone at once, its buffers and its keys with it.
"""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec

_Args = ParamSpec("_Args")


def weakly(method: Callable[_Args, Any]) -> Callable[_Args, None]:
    """A bound method as a callback that does nothing when its object is gone."""
    return partial(_call, weakref.WeakMethod(method))


def _call(method: "weakref.WeakMethod[Callable[..., Any]]", /, *args: Any, **kwargs: Any) -> None:
    known = method()
    if known is not None:
        known(*args, **kwargs)
