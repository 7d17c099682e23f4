"""The error bound by which kernels are judged, and the reference it is taken from.

No hand-picked tolerances. With `ref` the result in float64, `r` that result rounded
to the output dtype and `low` the same formula in float32 with rounding where the
kernel documents it, each row of a kernel's output must satisfy

    max|out - ref| <= 2 max|low - ref| + 2 max|(r + 0.3) - 0.3 - r|

the second term computed in the output dtype: it measures what rounding costs at the
row's magnitude. A float32 output of a product may differ by the order of summation as
well, which adds `ceil(K / L) * 2^-23 * max(|x| @ |w|)`, L being how many products the
tensor core adds at once.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike, NDArray

from .arrays import to_numpy
from .formats import RESULTS, float_name
from .quantized_tensor import QuantizedTensor

#: Products that one tensor-core addition sums at least (m16n8k8 halves of sm_80).
SUMMATION_GROUP = 8


def rounding_cost(ref: NDArray[np.float64], dtype: DTypeLike) -> NDArray[np.float64]:
    """max|(r + 0.3) - 0.3 - r| of each row, r and the sums in `dtype`."""
    dtype = RESULTS[float_name(dtype, "dtype", tuple(RESULTS))]
    with np.errstate(over="ignore", invalid="ignore"):
        r = _round(ref, dtype)
        step = np.asarray(0.3, dtype)
        cost = np.abs(((r + step) - step - r).astype(np.float64))
    return row_max(np.where(np.isfinite(cost), cost, 0))


def error_bound(
    ref: NDArray[np.float64],
    low: NDArray,
    dtype: DTypeLike,
    *,
    magnitude: NDArray | None = None,
    k: int | None = None,
    summation_group: int = SUMMATION_GROUP,
) -> NDArray[np.float64]:
    """The largest error each row may have; rows run along the last axis.

    Args:
        ref: the result in float64.
        low: the result in float32 arithmetic, as the docstring of this module says.
        dtype: the output dtype.
        magnitude: `|x| @ |w|`, shaped as `ref`; with `k`, required for float32.
        k: terms in each sum.
        summation_group: terms that the hardware adds at once.
    """
    with np.errstate(invalid="ignore"):
        difference = np.abs(low.astype(np.float64) - ref)
    finite = np.where(np.isfinite(difference), difference, 0)
    bound = 2 * row_max(finite) + 2 * rounding_cost(ref, dtype)
    if np.dtype(dtype) == np.float32:
        if magnitude is None or k is None:
            raise ValueError("a float32 output needs magnitude and k")
        bound += math.ceil(k / summation_group) * 2.0**-23 * row_max(magnitude.astype(np.float64))
    return bound


def assert_within_bound(
    out: NDArray,
    ref: NDArray[np.float64],
    low: NDArray,
    *,
    magnitude: NDArray | None = None,
    k: int | None = None,
    summation_group: int = SUMMATION_GROUP,
    name: str = "result",
) -> float:
    """Asserts that `out` is within the error bound; `error_bound` has the arguments.

    Where `ref` rounded to the dtype of `out` is not finite, `out` must be the same
    infinity or NaN.

    Returns:
        The largest ratio of error to bound: how close it came (0 for an empty result).

    Raises:
        AssertionError: with the worst row, its error and its bound.
    """
    out = to_numpy(out, name)
    if out.shape != ref.shape:
        raise AssertionError(f"{name} has shape {out.shape}, the reference {ref.shape}")
    if out.size == 0:
        return 0.0
    rounded = _round(ref, out.dtype)
    special = ~np.isfinite(rounded)
    wide = out.astype(np.float64)
    wrong = np.where(special, ~_same(wide, rounded), ~np.isfinite(wide))
    if wrong.any():
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise AssertionError(
            f"{name}{list(index)} is {wide[index]}, the reference {ref[index]} "
            f"({np.count_nonzero(wrong)} such elements)"
        )
    errors = row_max(np.where(special, 0, np.abs(np.where(special, 0, wide) - ref)))
    bounds = error_bound(
        ref, low, out.dtype, magnitude=magnitude, k=k, summation_group=summation_group
    )
    exceeded = errors > bounds
    if exceeded.any():
        row = int(np.argmax(np.where(exceeded, errors - bounds, -np.inf)))
        raise AssertionError(
            f"row {row} of {name} has error {errors.flat[row]:.6g}, the bound is "
            f"{bounds.flat[row]:.6g} ({np.count_nonzero(exceeded)} of {errors.size} rows fail)"
        )
    ratios = np.divide(errors, bounds, out=np.zeros_like(errors), where=bounds > 0)
    return float(ratios.max())


def row_max(values: NDArray) -> NDArray:
    """The maximum along the last axis, 0 where it is empty."""
    return values.max(axis=-1, initial=0)


def linear_reference(
    x: NDArray,
    weights: QuantizedTensor,
    bias: NDArray | None = None,
    activation: str | None = None,
    out_dtype: DTypeLike | None = None,
    *,
    row_scale: NDArray | None = None,
    column_scale: NDArray | None = None,
    residual: NDArray | None = None,
    out_scale: float | None = None,
) -> tuple[NDArray[np.float64], NDArray, NDArray[np.float32]]:
    """What `linear` should give: (ref, low, magnitude) for `assert_within_bound`.

    `ref` is float64 on the exact weights. `low` rounds where the kernel does: sums and
    all that follows in float32 (weights are exact there), and the result once to
    `out_dtype`. `magnitude` is that of the sums with their scales. The kernel never forms
    a weight with a floating-point zero point, and so `low` has sums of codes and of x
    instead, and `magnitude` the terms of both.
    """
    x = to_numpy(x, "x")
    if weights.batch is None:
        sums = _sums_of(x, weights)
    else:
        each = np.broadcast_to(x, (weights.batch, *x.shape[-2:]))
        parts = [_sums_of(each[i], weights.matrix(i)) for i in range(weights.batch)]
        sums = tuple(np.stack(part) for part in zip(*parts, strict=True))
        bias, column_scale = (v if v is None else v[:, None, :] for v in (bias, column_scale))
    out = x.dtype if out_dtype is None else np.dtype(out_dtype)
    return _finish(sums, out, bias, activation, row_scale, column_scale, residual, out_scale)


def matmul_reference(
    x: NDArray,
    w: NDArray,
    bias: NDArray | None = None,
    activation: str | None = None,
    out_dtype: DTypeLike | None = None,
    *,
    row_scale: NDArray | None = None,
    column_scale: NDArray | None = None,
    residual: NDArray | None = None,
    out_scale: float | None = None,
) -> tuple[NDArray[np.float64], NDArray, NDArray[np.float32]]:
    """The same for a product with `w` [K, N], whose elements are exact in float32, or a
    batch of them, for which bias and column_scale are [B, N].
    """
    x = to_numpy(x, "x")
    if w.ndim == 3:
        bias, column_scale = (v if v is None else v[:, None, :] for v in (bias, column_scale))
    out = x.dtype if out_dtype is None else np.dtype(out_dtype)
    return _finish(
        _products(x, w), out, bias, activation, row_scale, column_scale, residual, out_scale
    )


#: x @ w in float64 and float32, and |x| @ |w|.
_Sums: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]


def _sums_of(x: NDArray, weights: QuantizedTensor) -> _Sums:
    exact = weights.dequantize(np.float64)
    sums = _products(x, exact.T if weights.layout == "nk" else exact)
    if weights.has_float_zero_point:
        return sums[0], *_sum_in_groups(x, weights)
    if weights.format == "stack":
        return sums[0], *_sum_planes(x, weights)
    return sums


def _products(x: NDArray, w: NDArray) -> _Sums:
    x32, w32 = x.astype(np.float32), w.astype(np.float32)
    return x.astype(np.float64) @ w.astype(np.float64), x32 @ w32, np.abs(x32) @ np.abs(w32)


def _finish(
    sums: _Sums,
    out: np.dtype,
    bias: NDArray | None,
    activation: str | None,
    row_scale: NDArray | None,
    column_scale: NDArray | None,
    residual: NDArray | None,
    out_scale: float | None,
) -> tuple[NDArray[np.float64], NDArray, NDArray[np.float32]]:
    """What follows the sums, in the precision of each."""

    def finish(total: NDArray, dtype: type) -> NDArray:
        total = _scale(total, row_scale, column_scale, dtype)
        if bias is not None:
            total = total + to_numpy(bias, "bias").astype(dtype)
        if activation is not None:
            total = ACTIVATIONS[activation](total)
        if residual is not None:
            total = total + to_numpy(residual, "residual").astype(dtype)
        return total if out_scale is None else total * dtype(np.float32(out_scale))

    ref, low, magnitude = sums
    magnitude = np.abs(_scale(magnitude, row_scale, column_scale, np.float32))
    if out_scale is not None:
        magnitude = magnitude * np.abs(np.float32(out_scale))
    return finish(ref, np.float64), _round(finish(low, np.float32), out), magnitude


def _scale(
    total: NDArray, row_scale: NDArray | None, column_scale: NDArray | None, dtype: type
) -> NDArray:
    if row_scale is not None:
        total = total * to_numpy(row_scale, "row_scale").astype(dtype)[..., None]
    if column_scale is not None:
        total = total * to_numpy(column_scale, "column_scale").astype(dtype)
    return total


def _sum_in_groups(
    x: NDArray, weights: QuantizedTensor
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """x @ w and |x| @ |w| by groups, w of floating-point zero points."""
    x = x.astype(np.float32)
    codes = weights.code_numbers()
    spread = weights.spread(weights.scales().astype(np.float32))
    shift = weights.spread(weights.zeros().astype(np.float32))
    total = np.float32(1 if weights.tensor_scale is None else weights.tensor_scale)
    low = np.zeros((len(x), weights.n), np.float32)
    magnitude = np.zeros_like(low)
    with np.errstate(invalid="ignore", over="ignore"):
        for first in range(0, weights.k, weights.group):
            rows = slice(first, first + weights.group)
            s, z = spread[:, first], shift[:, first]
            part, sums = x[:, rows] @ codes[:, rows].T, x[:, rows].sum(1, keepdims=True)
            low += (part - z * sums) * s if weights.zero_rule == "subtract" else part * s + z * sums
            wide, all_x = np.abs(x[:, rows]) @ np.abs(codes[:, rows]).T, np.abs(x[:, rows]).sum(1)
            z_scale = np.abs(z * s) if weights.zero_rule == "subtract" else np.abs(z)
            magnitude += wide * np.abs(s) + all_x[:, None] * z_scale
        return low * total, magnitude * np.abs(total)


def _sum_planes(
    x: NDArray, weights: QuantizedTensor
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """x @ w and |x| @ |w| by planes, which the kernel never adds up."""
    low, magnitude, before = np.float32(0), np.float32(0), np.zeros(weights.shape)
    for planes in range(1, weights.bits + 1):
        together = weights.truncate(planes).dequantize(np.float64)
        plane, before = together - before, together
        sums = _products(x, plane.T if weights.layout == "nk" else plane)
        low, magnitude = low + sums[1], magnitude + sums[2]
    return low, magnitude


def relu(v: NDArray) -> NDArray:
    """max(v, 0)."""
    return np.maximum(v, 0)


def gelu(v: NDArray) -> NDArray:
    """v Phi(v), with the error function (not the tanh approximation)."""
    erf = np.frompyfunc(math.erf, 1, 1)(v.astype(np.float64) * math.sqrt(0.5))
    return (0.5 * v * (1 + np.asarray(erf, np.float64))).astype(v.dtype)


def silu(v: NDArray) -> NDArray:
    """v / (1 + exp(-v))."""
    with np.errstate(over="ignore"):
        return v / (1 + np.exp(-v))


def swiglu(v: NDArray) -> NDArray:
    """silu of the even columns times the odd ones."""
    return silu(v[..., 0::2]) * v[..., 1::2]


#: The activations of `linear`, by name.
ACTIVATIONS = {"relu": relu, "gelu": gelu, "silu": silu, "swiglu": swiglu}


def _round(values: NDArray, dtype: DTypeLike) -> NDArray:
    """`values` in `dtype`; those beyond an 8-bit float become its largest number."""
    dtype = np.dtype(dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        if dtype.itemsize == 1:
            largest = float(ml_dtypes.finfo(dtype).max)
            values = np.clip(values, -largest, largest)
        return values.astype(dtype)


def _same(a: NDArray, b: NDArray) -> NDArray[np.bool_]:
    b = b.astype(np.float64)
    return (a == b) | (np.isnan(a) & np.isnan(b))
