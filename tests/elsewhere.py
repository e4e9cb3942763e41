"""Work that may never return, done in a process that can be ended.

SVT-AV1 4.1, the only encoder of AV1 that PyAV brings, now and then stops for ever in a picture: its
threads wait for one another.  It says the same whenever it does return.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")

PATIENCE_S = 60.0
ATTEMPTS = 4
_WORK = """
import pickle, sys
function, args, kwargs = pickle.load(sys.stdin.buffer)
pickle.dump(function(*args, **kwargs), sys.stdout.buffer)
"""


def elsewhere(
    function: Callable[_Args, _Result], *args: _Args.args, **kwargs: _Args.kwargs
) -> _Result:
    """What a function of a module returns.  Raises what subprocess does if it never returns."""
    order = pickle.dumps((function, args, kwargs))
    for attempt in range(ATTEMPTS):
        try:
            done = subprocess.run(
                [sys.executable, "-c", _WORK],
                input=order,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                timeout=PATIENCE_S,
                check=True,
            )
        except subprocess.TimeoutExpired:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            result: Any = pickle.loads(done.stdout)  # noqa: S301  # our own
            return result
    raise AssertionError
