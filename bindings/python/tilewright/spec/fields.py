"""Keys and values of launch specs: each reader takes what a key holds and the key's
place ("launch[1].grid"), and gives a checked value or an error that names both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..suggest import nearest
from .values import DTYPES

#: Nothing larger fits a device.
MOST_BYTES = 1 << 40


class SpecError(ArgumentError):
    """A launch spec that cannot be used."""


class Table:
    """A table of a spec whose keys are taken one after the other."""

    def __init__(self, raw: dict[str, Any], place: str) -> None:
        self.raw, self.place = raw, place
        self._taken: list[str] = []

    def at(self, key: str) -> str:
        """What errors call a key: "launch[1].grid"."""
        shown = key if key.isidentifier() else repr(key)
        return f"{self.place}.{shown}" if self.place else shown

    def take(self, key: str, read: Callable[[Any, str], Any], default: Any = None) -> Any:
        """The value of a key, or the default where it is left out."""
        self._taken.append(key)
        if key not in self.raw:
            return default
        return read(self.raw[key], self.at(key))

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self.raw

    def finish(self, known: Iterable[str] = ()) -> None:
        """Refuses keys that nobody took and that are not `known`."""
        names = [*self._taken, *known]
        for key in self.raw:
            if key not in names:
                raise SpecError(f"{self.at(key)} is no key; " + nearest(key, names))


def as_table(raw: Any, at: str, expects: str = "a table") -> Table:
    """The keys and values of a table; `expects` says in the error what else would do."""
    if not isinstance(raw, Mapping) or not all(isinstance(key, str) for key in raw):
        raise SpecError(f"{at} is {show(raw)}; expects {expects}")
    return Table(dict(raw), at)


def as_text(raw: Any, at: str) -> str:
    """A text that is not empty."""
    if not isinstance(raw, str) or not raw:
        raise SpecError(f"{at} is {show(raw)}; expects a text")
    return raw


def as_texts(raw: Any, at: str) -> list[str]:
    """A list of texts."""
    if not isinstance(raw, (list, tuple)):
        raise SpecError(f"{at} is {show(raw)}; expects a list of texts")
    return [as_text(one, f"{at}[{index}]") for index, one in enumerate(raw)]


def as_true(raw: Any, at: str) -> bool:
    """true, the only value of a flag."""
    if raw is not True:
        raise SpecError(f"{at} is {show(raw)}; expects true")
    return True


def as_integer(raw: Any, at: str, least: int, most: int) -> int:
    """An integer within bounds."""
    if isinstance(raw, bool) or not isinstance(raw, int) or not least <= raw <= most:
        raise SpecError(f"{at} is {show(raw)}; expects an integer from {least} to {most}")
    return raw


def as_number(raw: Any, at: str) -> int | float:
    """A number of at most 64 bits."""
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        raise SpecError(f"{at} is {show(raw)}; expects a number")
    if isinstance(raw, int) and not -(1 << 63) <= raw < 1 << 64:
        raise SpecError(f"{at} is {raw}; expects a number of at most 64 bits")
    return raw


def as_tolerance(raw: Any, at: str) -> float:
    """A finite number of 0 or more."""
    value = as_number(raw, at)
    if not 0 <= value < math.inf:
        raise SpecError(f"{at} is {raw}; expects a number of 0 or more")
    return float(value)


def as_pair(raw: Any, at: str) -> tuple[Any, Any]:
    """Two numbers."""
    if not isinstance(raw, (list, tuple)) or len(raw) != 2:
        raise SpecError(f"{at} is {show(raw)}; expects two numbers")
    return as_number(raw[0], f"{at}[0]"), as_number(raw[1], f"{at}[1]")


def as_bounds(raw: Any, at: str) -> tuple[Any, Any]:
    """[low, high], finite."""
    low, high = as_pair(raw, at)
    if not -math.inf < low < high < math.inf or high - low == math.inf:
        raise SpecError(f"{at} is {show(raw)}; expects [low, high] with low below high")
    return low, high


def as_dtype(raw: Any, at: str) -> np.dtype:
    """An element type by name."""
    name = as_text(raw, at)
    if name not in DTYPES:
        raise SpecError(f"{at} is {name!r}; " + nearest(name, DTYPES))
    return DTYPES[name]


def as_shape(raw: Any, at: str) -> tuple[int, ...]:
    """Extents of an array; a number stands for one dimension."""
    extents = raw if isinstance(raw, (list, tuple)) else [raw]
    if len(extents) > 16:
        raise SpecError(f"{at} has {len(extents)} dimensions; expects at most 16")
    return tuple(
        as_integer(one, f"{at}[{index}]", 0, MOST_BYTES) for index, one in enumerate(extents)
    )


def as_extents(raw: Any, at: str) -> tuple[int, ...]:
    """Up to three extents of a grid or block."""
    extents = raw if isinstance(raw, (list, tuple)) else [raw]
    if not 1 <= len(extents) <= 3:
        raise SpecError(f"{at} is {show(raw)}; expects up to three extents")
    return tuple(as_integer(one, at, 1, (1 << 31) - 1) for one in extents)


def as_bytes(raw: Any, at: str) -> bytes:
    """Bytes as hexadecimal digits."""
    try:
        return bytes.fromhex(as_text(raw, at))
    except ValueError:
        raise SpecError(f"{at} is {show(raw)}; expects hexadecimal digits, two a byte") from None


def show(raw: Any) -> str:
    """A value as errors show it, cut short."""
    text = repr(raw)
    return text if len(text) <= 60 else text[:57] + "..."
