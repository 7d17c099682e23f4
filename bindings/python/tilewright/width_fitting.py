"""Scales and zero points of their own for the narrower widths of nested weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import to_numpy
from .errors import ShapeError, UnsupportedError
from .formats import FLOATS, nested_name, parse_weight_format
from .group_tables import ZeroPoints, pack_scales, pack_zeros
from .planes import check_width
from .quantized_tensor import QuantizedTensor
from .scale_formats import SCALE_FORMATS
from .threads import share_work
from .weight_parts import check_finite


def fit_widths(
    weights: QuantizedTensor, w: ArrayLike | Any, widths: Iterable[int] = (1, 2, 3, 4)
) -> QuantizedTensor:
    """Gives nested weights scales, and zero points, that suit `w` best at narrower widths.

    Truncated codes stand for the middle of the range of those that begin alike, times the
    scale of the whole code. At 4 bits and less that range is wide, and weights are not
    spread evenly in it. Here each group gets the scale (and zero point) of the least squared
    error for its truncated codes, which takes as many bytes as the first ones did for each
    width; a product reads those of its own width only.

    Args:
        weights: from `quantize(w, "nested8", ...)`, with scales of 16 or 32 bits.
        w: what was quantised, shaped as `weights.shape`.
        widths: which to fit; others, and that of whole codes, keep the scales they have.

    Returns:
        The same packed codes with further tables; they are saved and loaded with it.

    Raises:
        ShapeError: `w` has another shape.
        UnsupportedError: weights that are not nested; scales of 8 bits; a width that is
            not narrower than the codes.
    """
    format = parse_weight_format(weights.format)
    if not format.is_nested or format.is_stack or format.bits != format.stored_bits:
        raise UnsupportedError(f"weights are {weights.format}; supported: nested1 to nested8")
    if weights.scale_format not in FLOATS:
        raise UnsupportedError(
            f"weights have {weights.scale_format} scales; supported: {', '.join(FLOATS)}"
        )
    widths = tuple(widths)
    for width in widths:
        check_width(width, "widths", weights.bits - 1, f"narrower than {weights.format}")
    array = to_numpy(w, "w")
    if array.shape != weights.shape:
        raise ShapeError(f"w has shape {array.shape}; expects {weights.shape}")
    columns = array if weights.layout == "nk" else array.T
    if weights.input_permutation is not None:
        columns = columns[:, weights.input_permutation]
    fit = _Fit(weights, columns)
    fitted = {int(width): fit.tables(int(width)) for width in widths}
    return QuantizedTensor(
        format=weights.format,
        layout=weights.layout,
        k=weights.k,
        n=weights.n,
        granularity=weights._granularity,
        words=weights._words,
        scales=weights._scales,
        scale_format=weights.scale_format,
        zeros=weights._zeros,
        tensor_scale=weights.tensor_scale,
        input_permutation=weights.input_permutation,
        fitted={**weights.fitted, **fitted},
    )


class _Fit:
    """Least squares for the groups of nested weights; `columns` [N, K] in the stored order."""

    def __init__(self, weights: QuantizedTensor, columns: NDArray) -> None:
        self.weights, self.columns = weights, columns
        self.codes, self.zeros = weights.codes(), weights.zeros()

    def tables(self, width: int) -> tuple[NDArray, ZeroPoints | None]:
        """The packed scales and zero points of one width."""
        whole, granularity = self.weights, self.weights._granularity
        narrow = parse_weight_format(nested_name(whole.bits, width))
        scales = whole.scales().copy()
        zeros = None if self.zeros is None else self.zeros.copy()

        def fit_block(block: tuple[slice, slice]) -> None:
            rows, groups = block
            w = np.ascontiguousarray(self.columns[rows], np.float64)
            check_finite(w, rows.start, whole.layout)
            if whole.tensor_scale:
                w /= whole.tensor_scale
            numbers = narrow.numbers[self.codes[rows] >> (whole.bits - width)].astype(np.float64)
            fitted = _fit(granularity.sums, w, numbers, scales[groups], zeros is not None)
            scales[groups] = fitted
            if zeros is not None:
                step = granularity.spread(scales[groups].astype(np.float64), *w.shape)
                counts = granularity.sums(np.ones_like(w))
                zeros[groups] = granularity.sums(w - step * numbers) / counts

        share_work(fit_block, granularity.blocks(whole.n, whole.k))
        place = {"k": whole.k, "n": whole.n, "group": str(granularity)}
        packed = pack_scales(scales, SCALE_FORMATS[whole.scale_format], place)
        if zeros is None:
            return packed, None
        return packed, pack_zeros(zeros, zeros.shape, narrow, "add", place)


def _fit(sums: Any, w: NDArray, numbers: NDArray, scales: NDArray, has_zeros: bool) -> NDArray:
    """The slope of `w` over `numbers` in each group, through 0 without zero points; as it is
    where all numbers are alike or the scale's dtype cannot hold the slope."""
    over, under = sums(w * numbers), sums(numbers * numbers)
    if has_zeros:
        counts, total = sums(np.ones_like(w)), sums(numbers)
        over = over * counts - total * sums(w)
        under = under * counts - total * total
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        fitted = (over / under).astype(scales.dtype)
    usable = (under > 0) & (over > 0) & np.isfinite(fitted.astype(np.float32))
    return np.where(usable, fitted, scales)
