"""Operands for tests of products: tails, strides, special numbers and scales."""

import os

import numpy as np
import tilewright as tw
from tilewright.scale_formats import SCALE_FORMATS

#: Where covering arrays run: with the checkers on, but on a GPU where tools/gpu/run.py asks.
DEVICE = os.environ.get("TILEWRIGHT_TEST_DEVICE", "emulated:a100")
#: Extents beside those of tiles, fragments and registers.
TAILS = [1, 17, 63, 65, 127]
SPECIAL = [None, np.nan, np.inf, -np.inf]
SCALE_VALUES = ["ordinary", "zero", "smallest"]


def between_nans(x, rows, columns):
    """A view with the values of `x` among NaNs: every `rows`-th row, from column `columns`."""
    m, k = x.shape
    storage = np.full((m * rows, k + columns), np.nan, x.dtype)
    view = storage[::rows, columns:]
    view[:] = x
    return view


#: Views with the values of an array (broadcast: of its first row).
STRIDES = {
    "plain": lambda x: x,
    "column-major": np.asfortranarray,
    "rows reversed": lambda x: x[::-1].copy()[::-1],
    "columns reversed": lambda x: x[:, ::-1].copy()[:, ::-1],
    "every third row": lambda x: between_nans(x, 3, 0),
    "misaligned": lambda x: between_nans(x, 1, 3),
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
}


def make_x(rng, m, k, dtype, *, exact=False, stride="plain"):
    """x [m, k]: small integers if `exact`, else normal."""
    x = rng.integers(-3, 4, (m, k)) if exact else rng.standard_normal((m, k))
    return STRIDES[stride](x.astype(dtype))


def multiply_special(rng, x, y, multiply, *, stride, special):
    """Puts `special` into `x`: asserts that other rows of `y` keep their bits, returns that one.

    Returns (x, y) of the rows that have it: one, or all if x is broadcast; none if
    `special` is None or x has no rows.
    """
    if special is None or not x.size:
        return x[:0], y[:0]
    values = np.array(x)
    values[0 if stride == "broadcast" else rng.integers(len(x)), rng.integers(x.shape[1])] = special
    spoiled = STRIDES[stride](values)
    result = multiply(spoiled)
    touched = ~np.isfinite(spoiled.astype(np.float64)).all(axis=1)
    assert touched.any()
    np.testing.assert_array_equal(result[~touched], y[~touched])
    return spoiled[touched], result[touched]


def special_scale(name, values):
    """The zero of a scale format, or its smallest number: the subnormal one where it has any."""
    format = SCALE_FORMATS[name]
    return format.from_bits(np.array([values == "smallest"], format.bits_dtype))[0]


def quantize(rng, format, n, k, *, group, scale, scale_values="ordinary", codebook=None):
    """Normal weights rounded to `format`, half of their scales then special."""
    own = {} if codebook is None else {"codebook": codebook}
    w = rng.standard_normal((n, k)).astype(np.float32)
    q = tw.quantize(w, format, layout="nk", group_size=group, scale_dtype=scale, **own)
    if scale_values == "ordinary":
        return q
    scales = q.scales().copy()
    scales[rng.random(scales.shape) < 0.5] = special_scale(scale, scale_values)
    own = {} if q.codebook is None else {"codebook": q.codebook}
    return tw.QuantizedTensor.from_codes(
        q.codes(), scales, None, format=q.format, layout="nk", group_size=group,
        scale_dtype=scale, **own,
    )  # fmt: skip
