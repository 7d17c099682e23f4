"""Arguments of attention as torch has them, made into those of `attention`.

torch's arrays are [..., heads, rows, size] with leading dimensions that broadcast, and its
positions count rows of the query from 0, so a causal mask starts at the first key:
`attention` aligns the last query with the last key.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import to_numpy
from .attention_arguments import LARGEST_VALUE_HEAD, check_head_size
from .errors import ArgumentError, ShapeError, UnsupportedError
from .formats import float_name

_NAMES = ("query", "key", "value")


@dataclass(frozen=True)
class TorchArguments:
    """Query, key and value as arrays [B, H, S, D].

    Attributes:
        shape: that of the result without its rows and their size: what B and H stand for.
        has_heads: whether `shape` ends with the heads; there is one head otherwise.
    """

    query: NDArray
    key: NDArray
    value: NDArray
    shape: tuple[int, ...]
    has_heads: bool

    @property
    def rows(self) -> int:
        """Rows of the query."""
        return self.query.shape[2]

    @property
    def keys(self) -> int:
        """Rows of the key."""
        return self.key.shape[2]

    @property
    def offset(self) -> int | None:
        """The `q_offset` that gives row i of the query the position i."""
        return None if self.rows == self.keys else self.rows - self.keys

    def unfold(self, out: NDArray) -> NDArray:
        """A result [B, H, ...] with the dimensions that torch's has."""
        return out.reshape(self.shape + out.shape[2:])

    def fold_scores(self, values: NDArray) -> NDArray:
        """What broadcasts to the scores, as [B or 1, H or 1, rows or 1, keys or 1]."""
        values = values.reshape((1,) * (len(self.shape) + 2 - values.ndim) + values.shape)
        lead = len(self.shape) - self.has_heads
        if any(extent != 1 for extent in values.shape[:lead]):
            values = np.broadcast_to(values, self.shape[:lead] + values.shape[lead:])
        heads = values.shape[lead:-2] or (1,)
        return values.reshape(math.prod(values.shape[:lead]), *heads, *values.shape[-2:])


def read_arguments(
    query: ArrayLike | Any, key: ArrayLike | Any, value: ArrayLike | Any, enable_gqa: bool
) -> TorchArguments:
    """Checks the shapes and dtypes and folds the leading dimensions into one.

    Raises:
        ShapeError: the shapes do not fit each other.
        UnsupportedError: a dtype or head size that no kernel handles.
    """
    arrays = [to_numpy(a, n) for a, n in zip((query, key, value), _NAMES, strict=True)]
    _check_dtypes(arrays)
    shapes = [tuple(array.shape) for array in arrays]
    for name, shape in zip(_NAMES, shapes, strict=True):
        if len(shape) < 2:
            raise ShapeError(f"{name} has shape {shape}; expects [..., rows, size]")
    _check_sizes(arrays, shapes)
    rank = max(map(len, shapes))
    arrays = [array.reshape((1,) * (rank - array.ndim) + array.shape) for array in arrays]
    # Of [batch, rows, size] the batch is no part of what a kernel is compiled for.
    has_heads = rank > 3 or (rank == 3 and enable_gqa)
    if not has_heads:
        arrays = [array.reshape(*array.shape[:-2], 1, *array.shape[-2:]) for array in arrays]
    lead, heads = _broadcast(arrays, shapes, enable_gqa)
    folded = []
    for array, count in zip(arrays, heads, strict=True):
        whole = np.broadcast_to(array, (*lead, count, *array.shape[-2:]))
        folded.append(whole.reshape(math.prod(lead), *whole.shape[-3:]))
    return TorchArguments(*folded, (*lead, heads[0]) if has_heads else lead, has_heads)


def split_scale(scale: float | None) -> tuple[float | None, float]:
    """A scale that kernels take and what scores are multiplied by besides, 1 or less."""
    if scale is None:
        return None, 1.0
    if isinstance(scale, bool) or not isinstance(scale, numbers.Real) or not math.isfinite(scale):
        raise ArgumentError(f"scale is {scale!r}; expects a finite number, or None for D ** -0.5")
    if np.float32(scale) == 0:
        return 1.0, 0.0
    return abs(float(scale)), math.copysign(1.0, scale)


def _check_dtypes(arrays: list[NDArray]) -> None:
    for name, array in zip(_NAMES, arrays, strict=True):
        float_name(array.dtype, f"dtype of {name}", ("f16", "bf16"))
        if array.dtype != arrays[0].dtype:
            raise UnsupportedError(
                f"{name} is {array.dtype.name} and query {arrays[0].dtype.name}; supported: one "
                "dtype"
            )


def _check_sizes(arrays: list[NDArray], shapes: list[tuple[int, ...]]) -> None:
    query, key, value = arrays
    if key.shape[-1] != query.shape[-1]:
        raise ShapeError(f"key has shape {shapes[1]}; expects the head size of query {shapes[0]}")
    if value.shape[-2] != key.shape[-2]:
        raise ShapeError(f"value has shape {shapes[2]}; expects the rows of key {shapes[1]}")
    check_head_size("query", query.shape[-1])
    check_head_size("value", value.shape[-1], LARGEST_VALUE_HEAD)


def _broadcast(
    arrays: list[NDArray], shapes: list[tuple[int, ...]], enable_gqa: bool
) -> tuple[tuple[int, ...], tuple[int, int, int]]:
    """The leading dimensions of all, and the heads of each."""
    try:
        lead = np.broadcast_shapes(*(array.shape[:-3] for array in arrays))
    except ValueError:
        raise ShapeError(
            f"query, key and value have shapes {shapes[0]}, {shapes[1]} and {shapes[2]}; expects "
            "leading dimensions that broadcast"
        ) from None
    heads, key_heads, value_heads = (array.shape[-3] for array in arrays)
    if enable_gqa:
        if key_heads != value_heads:
            raise ShapeError(
                f"key has {key_heads} heads and value {value_heads}; expects as many with "
                "enable_gqa"
            )
        if not heads or not key_heads or heads % key_heads:
            raise ShapeError(
                f"query has {heads} heads and key {key_heads}; expects a multiple of the heads of "
                "key"
            )
        return lead, (heads, key_heads, value_heads)
    most = max(heads, key_heads, value_heads)
    for name, count in zip(_NAMES, (heads, key_heads, value_heads), strict=True):
        if count not in (1, most) or count == 0:
            raise ShapeError(
                f"query, key and value have {heads}, {key_heads} and {value_heads} heads; expects "
                f"{most} or 1 of {name}" + ("" if name == "query" else ", or enable_gqa=True")
            )
    shared = 1 if key_heads == value_heads == 1 else most
    return lead, (most, shared, shared)
