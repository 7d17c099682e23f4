"""HQQ: codes whose parts of the matrix share a byte, and floating-point zero points.

The layout is that of hqq's BitPack and Quantizer (https://github.com/mobiusml/hqq,
hqq/core/bitpack.py and quantize.py). With axis 1 the weights [N, K] are taken as rows of
a group each, [N * K / group_size, group_size]. Rows are packed by parts: of 4-bit codes the
first half of the rows is in the high, the second in the low bits of uint8; 2- and 1-bit codes
have four and eight parts, 8-bit codes one. 3-bit codes have ten parts in an int32, the first
in bits 27..29, and rows are filled up with zeros to a multiple of ten.

    W_q    uint8 [R / parts, group_size], int32 for 3 bits; R = N * K / group_size
    scale  float [R, 1]
    zero   float [R, 1]

and a weight is `(code - zero) * scale`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import to_numpy
from ..errors import ShapeError, UnsupportedError
from ..quantized_tensor import QuantizedTensor
from .grouped import Layout

#: Parts of the rows that share a word, and the word, by bits.
_PACKING = {
    8: (1, np.dtype(np.uint8)),
    4: (2, np.dtype(np.uint8)),
    3: (10, np.dtype(np.int32)),
    2: (4, np.dtype(np.uint8)),
    1: (8, np.dtype(np.uint8)),
}


def from_hqq(
    W_q: ArrayLike | Any,
    scale: ArrayLike | Any,
    zero: ArrayLike | Any,
    *,
    nbits: int,
    shape: tuple[int, int],
    group_size: int | None = None,
    axis: int = 1,
    layout: Layout = "nk",
) -> QuantizedTensor:
    """Weights as HQQ stores them, bit for bit.

    Args:
        W_q: uint8 [R / parts, group_size], for 3 bits int32; R = N * K / group_size.
        scale, zero: float16, bfloat16 or float32 [R, 1] (also [R]).
        nbits: of a code: 8, 4, 3, 2, 1.
        shape: (N, K).
        group_size: inputs that share a scale; None for all of them.
        axis: 1. Groups of axis 0 run along N, where no kernel has them.
        layout: of the result's `shape` and `dequantize`.

    Returns:
        Weights of an unsigned format with floating-point zero points; `to_hqq` gives the
        arrays back.

    Raises:
        ShapeError: the arrays do not belong together.
        UnsupportedError: another width, dtype or axis.
    """
    if nbits not in _PACKING:
        raise UnsupportedError(f"nbits is {nbits}; supported: 8, 4, 3, 2, 1")
    if axis != 1:
        raise UnsupportedError(f"axis is {axis}, with groups along N; supported: 1 (along K)")
    n, k = (int(extent) for extent in shape)
    size = k if group_size is None else group_size
    if size < 1 or k % size:
        raise UnsupportedError(f"group_size is {group_size} for K={k}; expects a divisor of K")
    rows = n * k // size
    codes = _unpack(to_numpy(W_q, "W_q"), nbits, rows, size)
    grid = (n, k // size)
    return QuantizedTensor.from_codes(
        codes.reshape(n, k),
        _per_group(to_numpy(scale, "scale"), "scale", grid),
        _per_group(to_numpy(zero, "zero"), "zero", grid),
        format=f"u{nbits}",
        layout=layout,
        group_size="channel" if size == k else size,
    )


def to_hqq(weights: QuantizedTensor) -> dict[str, NDArray]:
    """The inverse of `from_hqq`: `W_q`, `scale` and `zero`.

    Raises:
        UnsupportedError: the weights are not of an unsigned format of 8, 4, 3, 2 or 1 bits
            with floating-point zero points to be subtracted, or their groups do not divide K.
    """
    zeros = weights.zeros()
    if weights.format not in {f"u{bits}" for bits in _PACKING}:
        raise UnsupportedError(f"format is {weights.format}; HQQ has u8, u4, u3, u2 and u1")
    if not weights.has_float_zero_point or weights.zero_rule != "subtract" or zeros is None:
        raise UnsupportedError(f"{weights!r}; HQQ subtracts floating-point zero points")
    if weights.input_permutation is not None or weights.tensor_scale is not None:
        raise UnsupportedError(f"{weights!r}; HQQ has neither permuted inputs nor a tensor scale")
    scales = weights.scales()
    if len(scales) != weights.n or weights.k % weights.group:
        raise UnsupportedError(f"{weights!r}; HQQ has groups along K that divide it")
    codes = weights.codes().reshape(-1, weights.group)
    return {
        "W_q": _pack(codes, weights.bits),
        "scale": scales.reshape(-1, 1),
        "zero": zeros.reshape(-1, 1),
    }


def _unpack(words: NDArray, bits: int, rows: int, size: int) -> NDArray[np.uint8]:
    """Codes [rows, size] of packed words."""
    parts, dtype = _PACKING[bits]
    expected = (-(-rows // parts), size)
    if words.dtype != dtype or words.shape != expected or (bits != 3 and rows % parts):
        raise ShapeError(
            f"W_q is {words.dtype} of shape {words.shape}; expects {dtype} {expected} for "
            f"{rows} groups of {size} codes of {bits} bits"
        )
    mask = (1 << bits) - 1
    shifts = range(bits * (parts - 1), -1, -bits)
    return np.concatenate([(words >> shift & mask).astype(np.uint8) for shift in shifts])[:rows]


def _pack(codes: NDArray, bits: int) -> NDArray:
    parts, dtype = _PACKING[bits]
    if bits != 3 and len(codes) % parts:
        raise UnsupportedError(
            f"there are {len(codes)} groups; HQQ packs {bits}-bit codes in multiples of {parts}"
        )
    filled = np.pad(codes, ((0, -len(codes) % parts), (0, 0))).astype(dtype)
    words = np.zeros((len(filled) // parts, codes.shape[1]), dtype)
    for part in np.split(filled, parts):
        words = words << bits | part if parts > 1 else part
    return words


def _per_group(values: NDArray, name: str, grid: tuple[int, int]) -> NDArray:
    if values.size != grid[0] * grid[1]:
        raise ShapeError(f"{name} has shape {values.shape}; expects [{grid[0] * grid[1]}, 1]")
    return values.reshape(grid)
