"""Which weights share a scale, and how zero points enter a weight.

The compiler's own description is dialects/Support/Format/WeightRule.h; the texts
that name a granularity ("128", "channel", "128x64", "tensor") are the same.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .errors import UnsupportedError

#: What `group_size` may be: rows of K in one column, (rows of K, columns of N), or a word.
GroupSize: TypeAlias = int | tuple[int, int] | Literal["channel", "tensor"]

#: Rows of a group are a multiple of what one mma sums, columns of what it has.
ROW_UNIT, COLUMN_UNIT = 16, 8

#: Weights are quantised in blocks of about so many: scratch memory that a cache holds.
BLOCK_WEIGHTS = 1 << 18


def group_starts(extent: int, size: int | None) -> NDArray[np.intp]:
    """Where each group of `size` begins; None or 0 is one group of all."""
    return np.arange(0, extent, size or max(extent, 1))


@dataclasses.dataclass(frozen=True)
class Granularity:
    """Groups of `rows` weights along K in each of `columns` columns; 0 is all of them."""

    rows: int
    columns: int

    @classmethod
    def of(cls, group_size: GroupSize | Any) -> Granularity:
        """From the argument `group_size`; UnsupportedError says what is near and possible."""
        if isinstance(group_size, str) and group_size in ("channel", "tensor"):
            return cls(0, 1 if group_size == "channel" else 0)
        pair = group_size if isinstance(group_size, tuple) else (group_size, 1)
        if len(pair) == 2 and all(_is_count(number) for number in pair):
            rows, columns = (int(number) for number in pair)
            if rows % ROW_UNIT == 0 and (columns == 1 or columns % COLUMN_UNIT == 0):
                return cls(rows, columns)
            nearest = (_nearest(rows, ROW_UNIT), 1 if columns == 1 else _nearest(columns, 8))
            near = f"; the nearest is {nearest if columns != 1 else nearest[0]}"
        else:
            near = ""
        raise UnsupportedError(
            f"group_size is {group_size!r}; supported: a multiple of {ROW_UNIT}, "
            f"(rows of K, columns of N) in multiples of {ROW_UNIT} and {COLUMN_UNIT}, "
            f"'channel', 'tensor'{near}"
        )

    @classmethod
    def parse(cls, text: str) -> Granularity:
        """The inverse of `str`; UnsupportedError for anything else."""
        numbers = text.split("x")
        if not all(number.isdecimal() for number in numbers):
            return cls.of(text)
        return cls.of(int(text) if len(numbers) == 1 else tuple(map(int, numbers)))

    def __str__(self) -> str:
        if self.rows == 0:
            return "channel" if self.columns else "tensor"
        return str(self.rows) if self.columns == 1 else f"{self.rows}x{self.columns}"

    @property
    def group_size(self) -> GroupSize:
        """As `group_size` says it."""
        if self.rows == 0:
            return "channel" if self.columns else "tensor"
        return self.rows if self.columns == 1 else (self.rows, self.columns)

    def row_starts(self, k: int) -> NDArray[np.intp]:
        """Where along K each group begins."""
        return group_starts(k, self.rows)

    def column_starts(self, n: int) -> NDArray[np.intp]:
        """Where along N each group begins."""
        return group_starts(n, self.columns)

    def grid(self, n: int, k: int) -> tuple[int, int]:
        """Groups along N and along K: the shape of scales and zero points."""
        return len(self.column_starts(n)), len(self.row_starts(k))

    def sums(self, values: NDArray) -> NDArray:
        """The sums of groups of weights [N, K], [groups of N, groups of K]."""
        sums = np.add.reduceat(values, self.row_starts(values.shape[1]), axis=1)
        return sums if self.columns == 1 else np.add.reduceat(sums, self.column_starts(len(values)))

    def blocks(self, n: int, k: int) -> list[tuple[slice, slice]]:
        """Ranges of columns of about `BLOCK_WEIGHTS`, and those of the groups along N that
        they are."""
        columns = self.columns or max(n, 1)
        groups = max(1, BLOCK_WEIGHTS // max(k * columns, 1))
        total = len(self.column_starts(n)) if k else 0
        return [
            (slice(i * columns, min((i + groups) * columns, n)), slice(i, i + groups))
            for i in range(0, total, groups)
        ]

    def spread(self, numbers: NDArray, n: int, k: int) -> NDArray:
        """The numbers of groups [groups of N, groups of K] as those of weights [N, K]."""
        if self.columns != 1:
            lengths = np.diff([*self.column_starts(n), n])
            numbers = np.repeat(numbers, lengths, axis=0)
        return np.repeat(numbers, np.diff([*self.row_starts(k), k]), axis=1)


def _is_count(number: object) -> bool:
    is_integer = isinstance(number, (int, np.integer)) and not isinstance(number, bool)
    return is_integer and int(number) > 0


def _nearest(value: int, unit: int) -> int:
    return max(unit, (value + unit // 2) // unit * unit)
