"""Loads the compiled half of the package the first time it is needed.

`import tilewright` therefore costs milliseconds, and the part that is pure Python
works before anything is built.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

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


@functools.cache
def runtime() -> _native.Runtime:
    """The devices and compiled kernels of this process."""
    return native().Runtime()
