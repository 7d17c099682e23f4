"""Loads the compiled half of the package the first time it is needed.

`import tilewright` therefore costs milliseconds, and the part that is pure Python
works before anything is built.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .errors import Error

if TYPE_CHECKING:
    from types import ModuleType

    from . import _native


@functools.cache
def native() -> ModuleType:
    """The extension module `tilewright._native`."""
    try:
        from . import _native
    except ImportError as error:
        raise Error(
            f"the compiled part of tilewright cannot be loaded ({error}); "
            "build it with 'make build' or 'pip install .'"
        ) from error
    return _native


#: What stands in for the runtime while `compile` asks a function what it would launch.
_stand_in: contextvars.ContextVar[Any] = contextvars.ContextVar("stand_in", default=None)


def runtime() -> _native.Runtime:
    """The devices and compiled kernels of this process."""
    return _stand_in.get() or _process_runtime()


@functools.cache
def _process_runtime() -> _native.Runtime:
    return native().Runtime()


@contextlib.contextmanager
def stand_in(replacement: Any) -> Iterator[None]:
    """Within it, and in this thread, `runtime()` is `replacement`."""
    token = _stand_in.set(replacement)
    try:
        yield
    finally:
        _stand_in.reset(token)
