"""The end of an error message about a name: what it should have been."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, get_args


def nearest(name: Any, known: Iterable[str] | Any) -> str:
    """ "did you mean 'async'?" where one is near, else "expects one of ...".

    `known`: names, or a Literal type of them.
    """
    names = list(get_args(known) or known)
    close = difflib.get_close_matches(str(name), names, n=1)
    listed = ", ".join(map(repr, names)) or "none"
    if not close:
        return f"expects one of {listed}"
    return f"did you mean {close[0]!r}? (one of {listed})"
