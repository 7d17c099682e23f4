"""Rounds weights to a few bits: scales and zero points first, then codes.

A weight is represented as `w = (q - z) * s` or `w = q * s + z`: `q` its b-bit code (the
number of a float's code), `s` and `z` the scale and zero point of its group. The order of
the steps matters and is the point of this file: the scale is chosen in float64, rounded up
to the format it will be stored in, then the zero point is chosen for the stored scale and
rounded to its own format, and only then are codes chosen, so that every code is the best
one for the stored scale and zero point.

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
from .granularity import Granularity, GroupSize
from .quantized_tensor import QuantizedTensor
from .scale_formats import SCALE_FORMATS, ScaleFormat, find_scale_format
from .threads import share_work
from .weight_parts import check_codebook

# Rows are quantised in blocks of about this many weights: scratch memory that a cache holds.
_BLOCK_WEIGHTS = 1 << 18
# By scale search: the parts of a group's range that scales are tried for, the whole first.
_RATIOS = {None: (1.0,), "mse": tuple(1 - i / 32 for i in range(24))}


def quantize(
    w: ArrayLike | Any,
    format: str,
    *,
    layout: Literal["nk", "kn"],
    group_size: GroupSize = 128,
    zero_point: bool | Literal["float"] | None = None,
    zero_rule: Literal["subtract", "add"] = "subtract",
    scale_dtype: DTypeLike | str | None = None,
    scale_search: Literal["mse"] | None = None,
    codebook: ArrayLike | None = None,
    tensor_scale: bool = False,
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
        group_size: which weights share a scale. A multiple of 16: that many along K of
            one output; "channel": all of an output; a pair (a multiple of 16 along K, a
            multiple of 8 outputs): a block of both; "tensor": all. The last group of
            an output may be short.
        zero_point: whether each group has a zero point: True for an integer, a code of
            the same format, "float" for a floating-point number, False for none. None:
            an integer for unsigned formats, none for signed ones. Floats have none.
        zero_rule: of "float" zero points. "subtract": w = (code - zero) * scale, "add":
            w = code * scale + zero. They round differently; the second has no trouble
            with groups far from 0.
        scale_dtype: how scales are stored: float16, bfloat16, float32 or by name "f16",
            "bf16", "f32", "e8m0" (powers of two), "e4m3", "ue5m3". None: the dtype of
            `w` when it is one of the first two, float16 otherwise. Kernels decode all
            of them exactly. Floating-point zero points are stored in the same dtype
            when it has 16 or 32 bits, as float16 otherwise.
        scale_search: None takes the smallest scale that keeps a group in range; "mse"
            tries smaller ones too, which clamp a few large weights, and takes that of the
            least squared error: worth its time at 4 bits and less.
        codebook: for "lut2" to "lut4" the 4, 8 or 16 numbers that codes stand for, in any
            order; rounded to `scale_dtype`, so that activations of that dtype hold them.
        tensor_scale: whether all weights are divided by one float32 number first. It
            makes up for a narrow `scale_dtype`: "e4m3" reaches from 2^-9 to 448. The
            largest scale becomes the largest number of "e4m3" or "ue5m3", 1 in others.

    Returns:
        The packed weights. Each is the nearest number of the format times its group's
        scale, of two equally near ones that with the even code.

    Without a zero point the code 0 means 0.0, so an unsigned format holds no negative
    weight: those become 0. Use "i4" rather than "u4" for weights of both signs, or a
    zero point. Scales are rounded up to `scale_dtype`; in a group of zeros the scale is 0
    (the smallest number in "e8m0").

    Raises:
        ShapeError: `w` is not a matrix.
        UnsupportedError: an unknown format, group size, layout, rule, dtype or scale search;
            a zero point of a float format.
        ArgumentError: a weight is NaN or infinite, or a scale is too large for
            `scale_dtype`; the message gives the index.
    """
    target = parse_target(format)
    granularity = Granularity.of(group_size)
    if layout not in ("nk", "kn"):
        raise UnsupportedError(f"layout is {layout!r}; supported: 'nk' (as nn.Linear), 'kn'")
    if scale_search not in _RATIOS:
        raise UnsupportedError(f"scale_search is {scale_search!r}; supported: 'mse', None")
    rule = _choose_rule(zero_point, zero_rule, target)
    weights = to_numpy(w, "w")
    if weights.ndim != 2:
        raise ShapeError(f"w has shape {weights.shape}; expects two dimensions")
    name = float_name(weights.dtype, "dtype of w") if weights.dtype != np.float64 else "f32"
    if scale_dtype is None:
        scale_dtype = name if name != "f32" else "f16"
    scale_format = find_scale_format(scale_dtype, "scale_dtype")
    # Activations have 16 bits, and must hold the numbers of a codebook.
    held = FLOATS[scale_format.name if scale_format.name in ("f16", "bf16") else "f16"]
    target = _with_codebook(target, codebook, held)
    rounding = _Rounding(
        target,
        granularity,
        scale_format,
        rule,
        _RATIOS[scale_search],
        layout,
    )
    by_column = weights if layout == "nk" else weights.T
    scale = rounding.choose_tensor_scale(by_column) if tensor_scale else None
    codes, scales, zeros = rounding.quantize(by_column, scale or np.float32(1))
    return QuantizedTensor.from_codes(
        codes,
        scales,
        zeros,
        format="i2" if target.name == "ternary" else target.name,
        layout=layout,
        group_size=group_size,
        codebook=np.float32(target.codebook) if target.is_index else None,
        scale_dtype=rounding.scale.name,
        zero_rule=zero_rule,
        tensor_scale=scale,
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


_Rule = Literal["none", "integer", "subtract", "add"]


def _choose_rule(zero_point: object, zero_rule: object, target: WeightFormat) -> _Rule:
    if zero_rule not in ("subtract", "add"):
        raise UnsupportedError(f"zero_rule is {zero_rule!r}; supported: 'subtract', 'add'")
    if zero_point and (not target.is_integer or target.name == "ternary"):
        raise UnsupportedError(
            f"zero_point is {zero_point!r}; {target.name} has none, only integers have"
        )
    if isinstance(zero_point, str) and zero_point == "float":
        return "add" if zero_rule == "add" else "subtract"
    if zero_point is not None and not isinstance(zero_point, (bool, np.bool_)):
        raise UnsupportedError(
            f"zero_point is {zero_point!r}; supported: True (integer), 'float', False, None"
        )
    if zero_rule == "add":
        raise UnsupportedError(
            f"zero_rule is 'add' with zero_point {zero_point!r}; supported: zero_point='float'"
        )
    has_zeros = not target.signed if zero_point is None else bool(zero_point)
    return "integer" if has_zeros else "none"


@dataclasses.dataclass(frozen=True)
class _Rounding:
    """How weights [N, K] are rounded: to which numbers, with which scales.

    `ratios` are the parts of a group's range that scales are tried for.
    """

    target: WeightFormat
    granularity: Granularity
    scale: ScaleFormat
    rule: _Rule
    ratios: tuple[float, ...]
    layout: str

    @property
    def zero_dtype(self) -> np.dtype:
        if self.rule in ("none", "integer"):
            return np.dtype(np.int16)
        return FLOATS.get(self.scale.name, FLOATS["f16"])

    def quantize(
        self, weights: NDArray, tensor_scale: np.float32
    ) -> tuple[NDArray[np.int16], NDArray, NDArray | None]:
        """Codes [N, K], scales and zero points [groups along N, along K] of weights [N, K]."""
        n, k = weights.shape
        grid = self.granularity.grid(n, k)
        codes = np.empty((n, k), np.int16)
        scales = np.empty(grid, self.scale.dtype)
        zeros = np.zeros(grid, self.zero_dtype)

        def round_block(block: tuple[slice, slice]) -> None:
            rows, groups = block
            w = self._read(weights, rows, tensor_scale)
            codes[rows], scales[groups], zeros[groups] = self._round_block(w, groups.start)

        share_work(round_block, self._blocks(n, k))
        return codes, scales, None if self.rule == "none" else zeros

    def _round_block(
        self, w: NDArray[np.float32], first: int
    ) -> tuple[NDArray[np.int16], NDArray, NDArray]:
        """Codes, scales and zero points of whole groups, the least error of all ratios."""
        low, high = self._ranges(w)
        # Ranges shrink towards 0, or to their middle where they need not hold it.
        middle = (low + high) / 2 if self.rule == "add" else np.zeros_like(low)
        best = None
        for ratio in map(np.float32, self.ratios):
            least, most = (middle + (end - middle) * ratio for end in (low, high))
            scales = self._choose_scales(least, most, first)
            zeros = self._choose_zeros(least, scales.astype(np.float64))
            codes = self._choose_codes(w, scales.astype(np.float64), zeros)
            if len(self.ratios) == 1:
                return codes, scales, zeros
            error = self._sum(np.square(self._numbers(codes, zeros, scales) - w))
            if best is None:
                best = codes, scales, zeros, error
                continue
            better = error < best[3]
            each = self.granularity.spread(better, *w.shape)
            best = (
                np.where(each, codes, best[0]),
                np.where(better, scales, best[1]),
                np.where(better, zeros, best[2]),
                np.minimum(error, best[3]),
            )
        assert best is not None
        return best[:3]

    def _numbers(self, codes: NDArray, zeros: NDArray, scales: NDArray) -> NDArray[np.float32]:
        """What codes, zero points and scales stand for."""
        shape = codes.shape
        scale, zero = (
            self.granularity.spread(a.astype(np.float32), *shape) for a in (scales, zeros)
        )
        numbers = self.target.numbers[codes - self.target.min_code]
        return numbers * scale + zero if self.rule == "add" else (numbers - zero) * scale

    def _sum(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The sums of groups."""
        sums = np.add.reduceat(values, self.granularity.row_starts(values.shape[1]), axis=1)
        if self.granularity.columns == 1:
            return sums
        return np.add.reduceat(sums, self.granularity.column_starts(len(values)))

    def choose_tensor_scale(self, weights: NDArray) -> np.float32:
        """The number in units of which the largest scale is that of a narrow format, or 1."""
        largest = 0.0
        for rows, _ in self._blocks(*weights.shape):
            needed = self._needed(*self._ranges(self._read(weights, rows, np.float32(1))))
            largest = max(largest, float(needed.max(initial=0)))
        limit = self.scale.largest if self.scale.name in ("e4m3", "ue5m3") else 1
        scale = SCALE_FORMATS["f32"].round_up(np.array([largest / limit]))[0]
        return scale if scale > 0 else np.float32(1)

    def _blocks(self, n: int, k: int) -> list[tuple[slice, slice]]:
        """Ranges of columns, and those of the groups along N that they are."""
        columns = self.granularity.columns or max(n, 1)
        groups = max(1, _BLOCK_WEIGHTS // max(k * columns, 1))
        total = len(self.granularity.column_starts(n)) if k else 0
        return [
            (slice(i * columns, min((i + groups) * columns, n)), slice(i, i + groups))
            for i in range(0, total, groups)
        ]

    def _read(self, weights: NDArray, rows: slice, tensor_scale: np.float32) -> NDArray[np.float32]:
        w = np.ascontiguousarray(weights[rows], np.float32)
        _check_finite(w, rows.start, self.layout)
        return w if tensor_scale == 1 else w / tensor_scale

    def _ranges(self, w: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
        """The smallest and the largest weight of each group. All ranges hold 0 but those of
        the rule "add", whose zero point is not a step of the scale away from 0."""
        columns = self.granularity.column_starts(len(w))
        rows = self.granularity.row_starts(w.shape[1])
        low, high = np.minimum.reduceat(w, rows, axis=1), np.maximum.reduceat(w, rows, axis=1)
        if self.granularity.columns != 1:
            low, high = np.minimum.reduceat(low, columns), np.maximum.reduceat(high, columns)
        if self.rule != "add":
            low, high = np.minimum(low, 0), np.maximum(high, 0)
        return low, high

    def _needed(self, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        """The smallest scales with which groups within [low, high] fit.

        With a zero point the codes cover high - low. Without one the positive numbers must
        reach high and the negative ones low; a side without numbers is left out (clamped).
        """
        target = self.target
        if self.rule != "none":
            # In float64: the difference of two float32 may overflow.
            return (high.astype(np.float64) - low) / (target.max_code - target.min_code)
        needed = np.zeros(low.shape, np.float64)
        if target.max_number > 0:
            needed = np.maximum(needed, high.astype(np.float64) / target.max_number)
        if target.min_number < 0:
            needed = np.maximum(needed, low.astype(np.float64) / target.min_number)
        return needed

    def _choose_scales(self, low: NDArray, high: NDArray, first: int) -> NDArray:
        """The smallest scales of the stored format that are large enough."""
        needed = self._needed(low, high)
        rounded = self.scale.round_up(needed)
        bad = ~np.isfinite(rounded.astype(np.float32))
        if bad.any():
            row, column = np.argwhere(bad)[0]
            outputs = "output" if self.granularity.columns == 1 else "block of outputs"
            hint = {"f16": "; use bfloat16", "bf16": "", "f32": ""}
            raise ArgumentError(
                f"the scale of group {column} of {outputs} {first + row} is "
                f"{needed[row, column]:.4g}, too large for "
                f"{FLOATS[self.scale.name].name if self.scale.name in FLOATS else self.scale.name}"
                f"{hint.get(self.scale.name, '; use tensor_scale=True')}"
            )
        return rounded

    def _choose_zeros(self, low: NDArray, scale: NDArray[np.float64]) -> NDArray:
        """Zero points that put the smallest weight on the smallest code."""
        least = self.target.min_code
        if self.rule == "none":
            return np.zeros(low.shape, self.zero_dtype)
        if self.rule == "add":
            return (low - least * scale).astype(self.zero_dtype)
        exact = least - low / np.where(scale == 0, 1, scale)
        if self.rule == "subtract":
            return exact.astype(self.zero_dtype)
        return self.target.nearest(np.rint(exact))

    def _choose_codes(
        self, w: NDArray[np.float32], scale: NDArray[np.float64], zeros: NDArray
    ) -> NDArray[np.int16]:
        """The nearest codes for the stored scales and zero points."""
        spread = lambda numbers: self.granularity.spread(numbers, *w.shape)  # noqa: E731
        divisor = spread(np.where(scale == 0, 1, scale).astype(np.float32))
        if self.rule == "add":
            return self.target.nearest((w - spread(zeros.astype(np.float32))) / divisor)
        steps = w / divisor
        if self.rule == "subtract":
            steps += spread(zeros.astype(np.float32))
        if self.rule == "integer":
            steps = np.rint(steps) + spread(zeros)
        return self.target.nearest(steps)


def _check_finite(w: NDArray[np.float32], first: int, layout: str) -> None:
    if np.isfinite(w).all():
        return
    row, k = np.argwhere(~np.isfinite(w))[0]
    index = (first + int(row), int(k)) if layout == "nk" else (int(k), first + int(row))
    raise ArgumentError(f"w[{index[0]}, {index[1]}] is {w[row, k]}; expects finite weights")
