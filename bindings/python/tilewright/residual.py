"""Residual quantisation: weights as sums of planes of one bit."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ._extension import native
from .arrays import to_numpy
from .errors import ArgumentError, ShapeError, UnsupportedError
from .formats import float_name
from .granularity import Granularity, GroupSize
from .planes import MAX_PLANES, check_width
from .quantized_tensor import QuantizedTensor
from .scale_formats import SCALE_FORMATS, find_scale_format
from .threads import share_work
from .weight_parts import check_finite


def quantize_residual(
    w: ArrayLike | Any,
    planes: int = 4,
    *,
    layout: Literal["nk", "kn"],
    group_size: GroupSize = 128,
    scale_dtype: DTypeLike | str | None = None,
) -> QuantizedTensor:
    """Approximates a weight matrix by a sum of planes of -1 and 1 times scales.

    The first plane holds the signs of the weights, the next those of what is then left,
    and so on: w = s_0 * b_0 + s_1 * b_1 + ... A scale is the mean size of what is left in
    its group, which minimises the squared error for those signs, rounded to `scale_dtype`;
    what is left is taken with the rounded scale. So the first n planes are the residual
    quantisation with n planes, and `linear(..., planes=n)` multiplies by them.

    Args:
        w, layout, group_size: as for `quantize`.
        planes: how many, 1 to 8. Each takes a bit for a weight and a scale for a group.
        scale_dtype: of the scales: float16, bfloat16, float32, "f16", "bf16" or "f32".
            None: the dtype of `w` when it is one of the first two, float16 otherwise.

    Returns:
        The packed planes, of format "stack".

    Raises:
        ShapeError: `w` is not a matrix.
        UnsupportedError: a number of planes, group size, layout or dtype that there is not.
        ArgumentError: a weight is NaN or infinite, or too large for `scale_dtype`.
    """
    check_width(planes, "planes", MAX_PLANES, "a bit of a weight each")
    granularity = Granularity.of(group_size)
    if layout not in ("nk", "kn"):
        raise UnsupportedError(f"layout is {layout!r}; supported: 'nk' (as nn.Linear), 'kn'")
    weights = to_numpy(w, "w")
    if weights.ndim != 2:
        raise ShapeError(f"w has shape {weights.shape}; expects two dimensions")
    name = float_name(weights.dtype, "dtype of w") if weights.dtype != np.float64 else "f32"
    if scale_dtype is None:
        scale_dtype = name if name != "f32" else "f16"
    scale = find_scale_format(scale_dtype, "scale_dtype")
    float_name(scale.dtype, "scale_dtype")
    columns = weights if layout == "nk" else weights.T
    n, k = columns.shape
    codes = np.zeros((n, k), np.uint8)
    scales = np.zeros((planes, *granularity.grid(n, k)), scale.dtype)

    def round_block(block: tuple[slice, slice]) -> None:
        rows, groups = block
        rest = np.ascontiguousarray(columns[rows], np.float64)
        check_finite(rest, rows.start, layout)
        counts = granularity.sums(np.ones_like(rest))
        for plane in range(planes):
            with np.errstate(over="ignore"):
                size = (granularity.sums(np.abs(rest)) / counts).astype(scale.dtype)
            if not np.isfinite(size.astype(np.float32)).all():
                raise ArgumentError(
                    f"w[{rows.start}:{rows.stop}] has a group whose mean size is too large for "
                    f"{scale.dtype.name}; use bfloat16"
                )
            positive = rest >= 0
            codes[rows] |= positive.astype(np.uint8) << (planes - 1 - plane)
            scales[plane, groups] = size
            step = granularity.spread(size.astype(np.float64), *rest.shape)
            rest -= np.where(positive, step, -step)

    share_work(round_block, granularity.blocks(n, k))
    return _pack(codes, scales, planes, layout, granularity, scale.name)


def from_planes(
    signs: NDArray,
    scales: NDArray,
    *,
    layout: Literal["nk", "kn"],
    group_size: GroupSize,
) -> QuantizedTensor:
    """Packs a stack of planes that somebody else quantised.

    Args:
        signs: [planes, N, K], -1 and 1 or booleans (True: 1), 1 to 8 planes.
        scales: [planes, groups along N, groups along K]: float16, bfloat16 or float32.
        layout, group_size: as for `quantize`; the layout is that of `shape` and `dequantize`.

    Raises:
        ShapeError: the shapes do not belong together.
        UnsupportedError: a number of planes, layout, group size or dtype that there is not.
        ArgumentError: a sign is neither -1 nor 1; a scale is not finite.
    """
    signs, scales = np.asarray(signs), np.asarray(scales)
    granularity = Granularity.of(group_size)
    if layout not in ("nk", "kn"):
        raise UnsupportedError(f"layout is {layout!r}; supported: 'nk' (as nn.Linear), 'kn'")
    if signs.ndim != 3:
        raise ShapeError(f"signs have shape {signs.shape}; expects [planes, N, K]")
    planes, n, k = signs.shape
    check_width(planes, "planes", MAX_PLANES, "a bit of a weight each")
    expected = (planes, *granularity.grid(n, k))
    if scales.shape != expected:
        raise ShapeError(f"scales have shape {scales.shape}; expects {expected}")
    name = float_name(scales.dtype, "dtype of scales")
    if not np.isfinite(scales.astype(np.float32)).all():
        raise ArgumentError("scales hold NaN or infinity; expects finite numbers")
    positive = signs if signs.dtype == bool else signs == 1
    wrong = ~(positive | (signs == -1)) if signs.dtype != bool else np.zeros(0, bool)
    if wrong.any():
        at = [int(i) for i in np.argwhere(wrong)[0]]
        raise ArgumentError(f"signs{at} is {signs[tuple(at)]}; expects -1 or 1")
    codes = np.zeros((n, k), np.uint8)
    for plane in positive:
        codes = codes << 1 | plane
    return _pack(codes, scales, planes, layout, granularity, name)


def _pack(
    codes: NDArray[np.uint8],
    scales: NDArray,
    planes: int,
    layout: Literal["nk", "kn"],
    granularity: Granularity,
    scale_format: str,
) -> QuantizedTensor:
    """Packs signs, the first plane's on top of a code, and scales [planes, ...]."""
    n, k = codes.shape
    place = {"k": k, "n": n, "group": str(granularity)}
    bits = SCALE_FORMATS[scale_format].to_bits(scales)
    return QuantizedTensor(
        format="stack",
        layout=layout,
        k=k,
        n=n,
        granularity=granularity,
        words=native().pack_codes(codes, planes, "stack"),
        scales=np.stack([native().pack_scales(table, **place) for table in bits]),
        scale_format=scale_format,
        zeros=None,
        tensor_scale=None,
    )
