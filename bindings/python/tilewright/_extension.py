"""Loads the compiled half of the package the first time it is needed.

`import tilewright` therefore costs milliseconds, and the part that is pure Python
works before anything is built.
"""

from __future__ import annotations

import functools
from types import ModuleType

from .errors import Error


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
