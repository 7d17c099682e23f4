"""Rounds activations to int8, for products of bytes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import to_numpy
from .errors import ArgumentError, UnsupportedError
from .formats import float_name

_LARGEST = 127
# The smallest number of float32 above 0: scales of what is not all zeros are not 0.
_SMALLEST = np.nextafter(np.float32(0), np.float32(1))


def quantize_activations(
    x: ArrayLike | Any, scale: Literal["token", "tensor"] = "token"
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Rounds activations to int8 with a scale for each row, or for all.

    Args:
        x: float16, bfloat16 or float32 [..., K]; NumPy or CPU torch.
        scale: "token": each row of K numbers has its own scale, the largest magnitude
            over 127; "tensor": all rows have that of the largest.

    Returns:
        The codes, int8 [..., K] from -127 to 127, and the scales, float32 [...], one for
        each row in either case: what `linear` takes as `x` and `row_scale`. A code times
        its row's scale is the number, to the nearest code. A row of zeros has scale 0.

    Raises:
        UnsupportedError: another dtype or kind of scale.
        ArgumentError: an activation is NaN or infinite; the message gives the index.
    """
    if scale not in ("token", "tensor"):
        raise UnsupportedError(f"scale is {scale!r}; supported: 'token', 'tensor'")
    array = to_numpy(x, "x")
    float_name(array.dtype, "dtype of x")
    numbers = array.astype(np.float32)
    if not np.isfinite(numbers).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(numbers))[0])
        raise ArgumentError(f"x{list(index)} is {numbers[index]}; expects finite activations")
    largest = np.abs(numbers).max(axis=-1, initial=0)
    if scale == "tensor":
        largest = np.full_like(largest, largest.max(initial=0))
    scales = largest / np.float32(_LARGEST)
    scales = np.where(largest > 0, np.maximum(scales, _SMALLEST), np.float32(0))
    steps = np.where(scales > 0, scales, np.float32(1)).astype(np.float64)
    codes = np.rint(numbers / steps[..., None]).clip(-_LARGEST, _LARGEST)
    return codes.astype(np.int8), scales.astype(np.float32)
