"""Rounds weights to a few bits: scales and zero points first, then codes.

A weight is represented as `w = (q - z) * s`: `q` its b-bit code, `s` and `z` the
scale and zero point of its group, a run of consecutive weights along K of one
output column. The order of the steps matters and is the point of this file: the
scale is chosen in float32, rounded to the dtype it will be stored in, and only
then are codes chosen, so that every code is the best one for the stored scale.

The result is packed for the kernels (see QuantizedTensor).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .arrays import to_numpy
from .errors import ArgumentError, ShapeError, UnsupportedError
from .formats import FLOATS, IntegerFormat, float_name, parse_integer_format
from .quantized_tensor import QuantizedTensor, group_starts

#: Group sizes that kernels know, beside "channel" (one group: all of K).
GROUP_SIZES = (32, 64, 128)
# Rows are quantised in blocks of about this many weights, to bound scratch memory.
_BLOCK_WEIGHTS = 1 << 22


def quantize(
    w: ArrayLike | Any,
    format: str,
    *,
    layout: Literal["nk", "kn"],
    group_size: int | Literal["channel"] = 128,
    zero_point: bool | None = None,
    scale_dtype: DTypeLike | None = None,
) -> QuantizedTensor:
    """Quantises a weight matrix by rounding to nearest, group by group.

    Args:
        w: weights, float16, bfloat16, float32 or float64 (read as float32); a NumPy
            array or a CPU torch tensor with two dimensions.
        format: what a weight is stored in: "u1".."u8" (plain binary) or "i1".."i8"
            (two's complement).
        layout: which dimension is which: "nk" for [outputs, inputs] as in
            `torch.nn.Linear.weight`, "kn" for [inputs, outputs]. There is no default.
        group_size: weights along K that share a scale: 32, 64, 128, or "channel" for
            all of them. The last group may be short.
        zero_point: whether each group has an integer zero point, a code of the same
            format. None: yes for unsigned formats, no for signed ones.
        scale_dtype: float16 or bfloat16; use that of the activations. None: the dtype
            of `w` when it is one of the two, float16 otherwise.

    Returns:
        The packed weights. Each differs from `w` by at most half its group's scale,
        except where clamped (next).

    Without a zero point the code 0 means 0.0, so an unsigned format holds no negative
    weight: those become 0. Use "i4" rather than "u4" for weights of both signs, or a
    zero point. The scale is the smallest that keeps the group in range, rounded up to
    `scale_dtype`; in a group of zeros it is 0.

    Raises:
        ShapeError: `w` is not a matrix.
        UnsupportedError: an unknown format, group size, layout or dtype.
        ArgumentError: a weight is NaN or infinite, or a scale is too large for
            `scale_dtype`; the message gives the index.
    """
    integer = parse_integer_format(format)
    group = _check_group_size(group_size)
    if layout not in ("nk", "kn"):
        raise UnsupportedError(f"layout is {layout!r}; supported: 'nk' (as nn.Linear), 'kn'")
    weights = to_numpy(w, "w")
    if weights.ndim != 2:
        raise ShapeError(f"w has shape {weights.shape}; expects two dimensions")
    if zero_point is None:
        zero_point = not integer.signed
    name = float_name(weights.dtype, "dtype of w") if weights.dtype != np.float64 else "f32"
    if scale_dtype is None:
        scale_dtype = FLOATS[name if name != "f32" else "f16"]
    scale_name = float_name(scale_dtype, "scale_dtype", ("f16", "bf16"))

    by_column = weights if layout == "nk" else weights.T
    codes, scales, zeros = _quantize_columns(
        by_column, integer, group, zero_point, FLOATS[scale_name], layout
    )
    return QuantizedTensor.from_codes(
        codes, scales, zeros, format=format, layout=layout, group_size=group_size
    )


def _check_group_size(group_size: int | str) -> int | None:
    """The number of weights in a group, None for a whole channel."""
    if group_size == "channel":
        return None
    if isinstance(group_size, (int, np.integer)) and group_size in GROUP_SIZES:
        return int(group_size)
    raise UnsupportedError(f"group_size is {group_size!r}; supported: 32, 64, 128, 'channel'")


def _quantize_columns(
    weights: NDArray,
    integer: IntegerFormat,
    group: int | None,
    zero_point: bool,
    scale_dtype: np.dtype,
    layout: str,
) -> tuple[NDArray[np.int16], NDArray, NDArray[np.int16] | None]:
    """Codes [N, K], scales [N, groups] and zero points [N, groups] of weights [N, K]."""
    n, k = weights.shape
    starts = group_starts(k, group)
    codes = np.empty((n, k), np.int16)
    scales = np.empty((n, len(starts)), scale_dtype)
    zeros = np.zeros((n, len(starts)), np.int16)
    rows = max(1, _BLOCK_WEIGHTS // max(k, 1))
    for first in range(0, n if k else 0, rows):
        block = slice(first, min(first + rows, n))
        w = np.ascontiguousarray(weights[block], np.float32)
        _check_finite(w, first, layout)
        low = np.minimum(np.minimum.reduceat(w, starts, axis=1), 0)
        high = np.maximum(np.maximum.reduceat(w, starts, axis=1), 0)
        scales[block] = _choose_scales(low, high, integer, zero_point, scale_dtype, first)
        scale = scales[block].astype(np.float32)
        divisor = np.where(scale == 0, np.float32(1), scale)
        if zero_point:
            zeros[block] = _clamp(integer.min_code + np.rint(-low / divisor), integer)
        lengths = np.diff([*starts, k])
        steps = np.rint(w / np.repeat(divisor, lengths, axis=1))
        codes[block] = _clamp(steps + np.repeat(zeros[block], lengths, axis=1), integer)
    return codes, scales, zeros if zero_point else None


def _choose_scales(
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    integer: IntegerFormat,
    zero_point: bool,
    dtype: np.dtype,
    first: int,
) -> NDArray:
    """The smallest scales in `dtype` with which groups within [low, high] fit.

    With a zero point the codes cover high - low. Without one the positive codes must
    reach high and the negative ones low; a side without codes is left out (clamped).
    """
    if zero_point:
        # In float64: the difference of two float32 may overflow.
        exact = (high.astype(np.float64) - low) / (integer.max_code - integer.min_code)
    else:
        exact = np.zeros(low.shape, np.float64)
        if integer.max_code > 0:
            exact = np.maximum(exact, high.astype(np.float64) / integer.max_code)
        if integer.min_code < 0:
            exact = np.maximum(exact, low.astype(np.float64) / integer.min_code)
    rounded = round_up(exact, dtype)
    if not np.isfinite(rounded).all():
        row, column = np.argwhere(~np.isfinite(rounded))[0]
        raise ArgumentError(
            f"the scale of group {column} of output {first + row} is {exact[row, column]:.4g}, "
            f"too large for {dtype.name}" + ("; use bfloat16" if dtype == np.float16 else "")
        )
    return rounded


def round_up(values: NDArray[np.float64], dtype: np.dtype) -> NDArray:
    """The smallest numbers of `dtype` that are not below `values` (all >= 0)."""
    with np.errstate(over="ignore"):
        rounded = values.astype(dtype)
    # The encodings of non-negative numbers are ordered as the numbers are.
    below = rounded.astype(np.float64) < values
    return (rounded.view(np.uint16) + below.astype(np.uint16)).view(dtype)


def _clamp(values: NDArray, integer: IntegerFormat) -> NDArray[np.int16]:
    return np.clip(values, integer.min_code, integer.max_code).astype(np.int16)


def _check_finite(w: NDArray[np.float32], first: int, layout: str) -> None:
    if np.isfinite(w).all():
        return
    row, k = np.argwhere(~np.isfinite(w))[0]
    index = (first + int(row), int(k)) if layout == "nk" else (int(k), first + int(row))
    raise ArgumentError(f"w[{index[0]}, {index[1]}] is {w[row, k]}; expects finite weights")
