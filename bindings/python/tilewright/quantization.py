"""Rounds weights to a few bits: scales and zero points first, then codes.

A weight is represented as `w = (q - z) * s`: `q` its b-bit code (the number of a
float's code), `s` and `z` the scale and zero point of its group, a run of consecutive
weights along K of one output column. The order of the steps matters and is the point
of this file: the scale is chosen in float32, rounded to the dtype it will be stored in,
and only then are codes chosen, so that every code is the best one for the stored scale.

The result is packed for the kernels (see QuantizedTensor).
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .arrays import to_numpy
from .errors import ArgumentError, ShapeError, UnsupportedError
from .formats import FLOATS, NF4, WeightFormat, float_name, parse_weight_format
from .quantized_tensor import QuantizedTensor, group_starts
from .weight_parts import check_codebook

#: Group sizes that kernels know, beside "channel" (one group: all of K).
GROUP_SIZES = (32, 64, 128)
# Rows are quantised in blocks of about this many weights: scratch memory that a cache holds.
_BLOCK_WEIGHTS = 1 << 18
# By scale search: the parts of a group's range that scales are tried for, the whole first.
_RATIOS = {None: (1.0,), "mse": tuple(1 - i / 32 for i in range(24))}


def quantize(
    w: ArrayLike | Any,
    format: str,
    *,
    layout: Literal["nk", "kn"],
    group_size: int | Literal["channel"] = 128,
    zero_point: bool | None = None,
    scale_dtype: DTypeLike | None = None,
    scale_search: Literal["mse"] | None = None,
    codebook: ArrayLike | None = None,
) -> QuantizedTensor:
    """Quantises a weight matrix by rounding to nearest, group by group.

    Args:
        w: weights, float16, bfloat16, float32 or float64 (read as float32); a NumPy
            array or a CPU torch tensor with two dimensions.
        format: what a weight is stored in: "u1".."u8" (plain binary), "i1".."i8" (two's
            complement), a float by its exponent and mantissa bits, "f4e2m1", "f6e3m2",
            "e4m3", ... (docs/quantisation.md has them all), "lut2".."lut4" (indices of a
            codebook), "nf4": "lut4" with the codebook of NormalFloat, or "ternary": -1, 0
            and 1 as "i2".
        layout: which dimension is which: "nk" for [outputs, inputs] as in
            `torch.nn.Linear.weight`, "kn" for [inputs, outputs]. There is no default.
        group_size: weights along K that share a scale: 32, 64, 128, or "channel" for
            all of them. The last group may be short.
        zero_point: whether each group has an integer zero point, a code of the same
            format. None: yes for unsigned formats, no for signed ones. Floats have none.
        scale_dtype: float16 or bfloat16; use that of the activations. None: the dtype
            of `w` when it is one of the two, float16 otherwise.
        scale_search: None takes the smallest scale that keeps a group in range; "mse"
            tries smaller ones too, which clamp a few large weights, and takes that of the
            least squared error: worth its time at 4 bits and less.
        codebook: for "lut2" to "lut4" the 4, 8 or 16 numbers that codes stand for, in any
            order; rounded to `scale_dtype`, so that activations of that dtype hold them.

    Returns:
        The packed weights. Each is the nearest number of the format times its group's
        scale, of two equally near ones that with the even code.

    Without a zero point the code 0 means 0.0, so an unsigned format holds no negative
    weight: those become 0. Use "i4" rather than "u4" for weights of both signs, or a
    zero point. Scales are rounded up to `scale_dtype`; in a group of zeros the scale is 0.

    Raises:
        ShapeError: `w` is not a matrix.
        UnsupportedError: an unknown format, group size, layout, dtype or scale search; a
            zero point of a float format.
        ArgumentError: a weight is NaN or infinite, or a scale is too large for
            `scale_dtype`; the message gives the index.
    """
    target = parse_target(format)
    group = _check_group_size(group_size)
    if layout not in ("nk", "kn"):
        raise UnsupportedError(f"layout is {layout!r}; supported: 'nk' (as nn.Linear), 'kn'")
    if scale_search not in (None, "mse"):
        raise UnsupportedError(f"scale_search is {scale_search!r}; supported: 'mse', None")
    if zero_point and (not target.is_integer or target.name == "ternary"):
        raise UnsupportedError(f"zero_point is True; {target.name} has none, only integers have")
    weights = to_numpy(w, "w")
    if weights.ndim != 2:
        raise ShapeError(f"w has shape {weights.shape}; expects two dimensions")
    if zero_point is None:
        zero_point = not target.signed
    name = float_name(weights.dtype, "dtype of w") if weights.dtype != np.float64 else "f32"
    if scale_dtype is None:
        scale_dtype = FLOATS[name if name != "f32" else "f16"]
    scale_name = float_name(scale_dtype, "scale_dtype", ("f16", "bf16"))

    by_column = weights if layout == "nk" else weights.T
    target = _with_codebook(target, codebook, FLOATS[scale_name])
    rounding = _Rounding(target, zero_point, FLOATS[scale_name], _RATIOS[scale_search])
    codes, scales, zeros = rounding.round_columns(by_column, group, layout)
    return QuantizedTensor.from_codes(
        codes,
        scales,
        zeros,
        format="i2" if target.name == "ternary" else target.name,
        layout=layout,
        group_size=group_size,
        codebook=np.float32(target.codebook) if target.is_index else None,
    )


@dataclasses.dataclass(frozen=True)
class _Ternary(WeightFormat):
    """The codes -1, 0 and 1 of i2."""

    @property
    def min_code(self) -> int:
        return -1

    @property
    def max_code(self) -> int:
        return 1


def parse_target(name: str) -> WeightFormat:
    """The format that `quantize` rounds to for a name; presets as well as formats."""
    if name == "ternary":
        return _Ternary("ternary", 2, True)
    if name == "nf4":
        return dataclasses.replace(parse_weight_format("lut4"), codebook=NF4)
    return parse_weight_format(name)


def _with_codebook(
    target: WeightFormat, codebook: ArrayLike | None, dtype: np.dtype
) -> WeightFormat:
    """`target` with a codebook of numbers of `dtype`, if it is of indices."""
    if target.codebook and codebook is not None:
        raise UnsupportedError("codebook is given; 'nf4' has its own, 'lut4' takes one")
    entries = check_codebook(target.codebook or codebook, target)
    if entries is None:
        return target
    with np.errstate(over="ignore"):
        entries = entries.astype(dtype).astype(np.float32)
    if not np.isfinite(entries).all():
        raise ArgumentError(f"codebook reaches beyond {dtype.name}; scales can make up for size")
    if not entries.any():
        raise ArgumentError("codebook is all zeros; expects a number that is not")
    return dataclasses.replace(target, codebook=tuple(entries.tolist()))


def _check_group_size(group_size: int | str) -> int | None:
    """The number of weights in a group, None for a whole channel."""
    if group_size == "channel":
        return None
    if isinstance(group_size, (int, np.integer)) and group_size in GROUP_SIZES:
        return int(group_size)
    raise UnsupportedError(f"group_size is {group_size!r}; supported: 32, 64, 128, 'channel'")


@dataclasses.dataclass(frozen=True)
class _Rounding:
    """How groups are rounded: to which numbers, with which scales.

    `ratios` are the parts of a group's range that scales are tried for.
    """

    target: WeightFormat
    zero_point: bool
    scale_dtype: np.dtype
    ratios: tuple[float, ...]

    def round_columns(
        self, weights: NDArray, group: int | None, layout: str
    ) -> tuple[NDArray[np.int16], NDArray, NDArray[np.int16] | None]:
        """Codes [N, K], scales [N, groups] and zero points [N, groups] of weights [N, K]."""
        n, k = weights.shape
        starts = group_starts(k, group)
        codes = np.empty((n, k), np.int16)
        scales = np.empty((n, len(starts)), self.scale_dtype)
        zeros = np.zeros((n, len(starts)), np.int16)
        rows = max(1, _BLOCK_WEIGHTS // max(k, 1))
        for first in range(0, n if k else 0, rows):
            block = slice(first, min(first + rows, n))
            w = np.ascontiguousarray(weights[block], np.float32)
            _check_finite(w, first, layout)
            codes[block], scales[block], zeros[block] = self.round_block(w, starts, first)
        return codes, scales, zeros if self.zero_point else None

    def round_block(
        self, w: NDArray[np.float32], starts: NDArray[np.intp], first: int
    ) -> tuple[NDArray[np.int16], NDArray, NDArray[np.int16]]:
        """Codes, scales and zero points of rows of weights, the least error of all ratios."""
        low = np.minimum(np.minimum.reduceat(w, starts, axis=1), 0)
        high = np.maximum(np.maximum.reduceat(w, starts, axis=1), 0)
        lengths = np.diff([*starts, w.shape[1]])
        best = None
        for ratio in self.ratios:
            part = np.float32(ratio)
            scales = self.choose_scales(low * part, high * part, first)
            zeros, codes = self.choose_codes(w, low * part, scales, lengths)
            if len(self.ratios) == 1:
                return codes, scales, zeros
            error = np.add.reduceat(
                np.square(self.numbers(codes, zeros, scales, lengths) - w), starts, axis=1
            )
            if best is None:
                best = codes, scales, zeros, error
                continue
            better = error < best[3]
            each = np.repeat(better, lengths, axis=1)
            best = (
                np.where(each, codes, best[0]),
                np.where(better, scales, best[1]),
                np.where(better, zeros, best[2]),
                np.minimum(error, best[3]),
            )
        assert best is not None
        return best[:3]

    def choose_codes(
        self,
        w: NDArray[np.float32],
        low: NDArray[np.float32],
        scales: NDArray,
        lengths: NDArray[np.intp],
    ) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """The zero points and the codes nearest to `w` for the stored scales."""
        scale = scales.astype(np.float32)
        divisor = np.where(scale == 0, np.float32(1), scale)
        values = w / np.repeat(divisor, lengths, axis=1)
        if not self.zero_point:
            return np.zeros(scale.shape, np.int16), self.target.nearest(values)
        zeros = self.target.nearest(self.target.min_code + np.rint(-low / divisor))
        steps = np.rint(values) + np.repeat(zeros, lengths, axis=1)
        return zeros, self.target.nearest(steps)

    def numbers(
        self,
        codes: NDArray[np.int16],
        zeros: NDArray[np.int16],
        scales: NDArray,
        lengths: NDArray[np.intp],
    ) -> NDArray[np.float32]:
        """What codes, zero points and scales stand for."""
        numbers = self.target.numbers[codes - self.target.min_code]
        if self.zero_point:
            numbers = numbers - np.repeat(zeros, lengths, axis=1)
        return numbers * np.repeat(scales.astype(np.float32), lengths, axis=1)

    def choose_scales(
        self, low: NDArray[np.float32], high: NDArray[np.float32], first: int
    ) -> NDArray:
        """The smallest scales with which groups within [low, high] fit.

        With a zero point the codes cover high - low. Without one the positive numbers
        must reach high and the negative ones low; a side without numbers is left out
        (clamped).
        """
        target, dtype = self.target, self.scale_dtype
        if self.zero_point:
            # In float64: the difference of two float32 may overflow.
            exact = (high.astype(np.float64) - low) / (target.max_code - target.min_code)
        else:
            exact = np.zeros(low.shape, np.float64)
            if target.max_number > 0:
                exact = np.maximum(exact, high.astype(np.float64) / target.max_number)
            if target.min_number < 0:
                exact = np.maximum(exact, low.astype(np.float64) / target.min_number)
        rounded = round_up(exact, dtype)
        if not np.isfinite(rounded).all():
            row, column = np.argwhere(~np.isfinite(rounded))[0]
            raise ArgumentError(
                f"the scale of group {column} of output {first + row} is "
                f"{exact[row, column]:.4g}, too large for {dtype.name}"
                + ("; use bfloat16" if dtype == np.float16 else "")
            )
        return rounded


def round_up(values: NDArray[np.float64], dtype: np.dtype) -> NDArray:
    """The smallest numbers of `dtype` that are not below `values` (all >= 0)."""
    with np.errstate(over="ignore"):
        rounded = values.astype(dtype)
    # The encodings of non-negative numbers are ordered as the numbers are.
    below = rounded.astype(np.float64) < values
    return (rounded.view(np.uint16) + below.astype(np.uint16)).view(dtype)


def _check_finite(w: NDArray[np.float32], first: int, layout: str) -> None:
    if np.isfinite(w).all():
        return
    row, k = np.argwhere(~np.isfinite(w))[0]
    index = (first + int(row), int(k)) if layout == "nk" else (int(k), first + int(row))
    raise ArgumentError(f"w[{index[0]}, {index[1]}] is {w[row, k]}; expects finite weights")
