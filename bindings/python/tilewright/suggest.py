"""The end of an error message about a name: what it should have been."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

#: More names than these are left out where a near one is known.
_MOST_LISTED = 12


def nearest(name: Any, known: Iterable[str] | Any) -> str:
    """ "did you mean 'async'?" where one is near, else "expects one of ...".

    `known`: names, or a Literal type of them.
    """
    import difflib  # only errors need it

    names = list(get_args(known) or known)
    close = difflib.get_close_matches(str(name), names, n=1)
    if close and len(names) > _MOST_LISTED:
        return f"did you mean {close[0]!r}?"
    listed = ", ".join(map(repr, names)) or "none"
    return f"did you mean {close[0]!r}? (one of {listed})" if close else f"expects one of {listed}"
