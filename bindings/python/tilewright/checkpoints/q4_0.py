"""Q4_0, the 4-bit blocks of ggml and GGUF.

The definition is block_q4_0 and dequantize_row_q4_0 of ggml
(https://github.com/ggml-org/ggml, src/ggml-common.h and src/ggml-quants.c). A block is
32 consecutive weights of one output in 18 bytes: a float16 scale `d`, then 16 bytes; byte j
has weight j in its low and weight j + 16 in its high half. A weight is `(code - 8) * d`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import to_numpy
from ..errors import ShapeError, UnsupportedError
from ..quantized_tensor import QuantizedTensor
from .grouped import Layout

_BLOCK, _BYTES = 32, 18


def from_q4_0(blocks: ArrayLike | Any, *, layout: Layout = "nk") -> QuantizedTensor:
    """Weights in ggml's Q4_0 blocks, bit for bit.

    Args:
        blocks: uint8 [N, K / 32 * 18], a row an output (also [N, K / 32, 18]).
        layout: of the result's `shape` and `dequantize`.

    Returns:
        "i4" weights in groups of 32 with float16 scales; `to_q4_0` gives the bytes back.

    Raises:
        ShapeError: rows are no whole blocks.
        UnsupportedError: `blocks` are not bytes.
    """
    data = to_numpy(blocks, "blocks")
    if data.dtype != np.uint8:
        raise UnsupportedError(f"blocks are {data.dtype}; expects uint8")
    if data.ndim == 2 and data.shape[1] % _BYTES == 0:
        data = data.reshape(len(data), data.shape[1] // _BYTES, _BYTES)
    if data.ndim != 3 or data.shape[2] != _BYTES:
        raise ShapeError(
            f"blocks have shape {data.shape}; expects [N, K/32 * {_BYTES}] or [N, K/32, {_BYTES}]"
        )
    scales = np.ascontiguousarray(data[:, :, :2]).view("<f2")[:, :, 0].astype(np.float16)
    halves = data[:, :, 2:]
    codes = np.concatenate([halves & 15, halves >> 4], axis=2)
    codes = codes.reshape(len(data), data.shape[1] * _BLOCK)
    return QuantizedTensor.from_codes(
        codes.astype(np.int8) - np.int8(8),
        scales,
        None,
        format="i4",
        layout=layout,
        group_size=_BLOCK,
    )


def to_q4_0(weights: QuantizedTensor) -> NDArray[np.uint8]:
    """The inverse of `from_q4_0`: uint8 [N, K / 32 * 18].

    Raises:
        UnsupportedError: the weights are not i4 in groups of 32 with float16 scales and
            no zero points, or K is no multiple of 32.
    """
    if (weights.format, weights.has_zero_point) != ("i4", False) or weights.group != _BLOCK:
        raise UnsupportedError(f"{weights!r}; Q4_0 holds i4 in groups of 32 without zero points")
    if weights.scale_dtype != np.float16 or weights.k % _BLOCK:
        raise UnsupportedError(f"{weights!r}; Q4_0 has float16 scales and whole blocks of 32")
    if weights.input_permutation is not None:
        raise UnsupportedError("weights have permuted inputs; Q4_0 has none")
    blocks = weights.k // _BLOCK
    codes = (weights.codes() + 8).astype(np.uint8).reshape(weights.n, blocks, _BLOCK)
    scales = weights.scales().astype("<f2")
    return np.concatenate(
        [scales[:, :, None].view(np.uint8), codes[:, :, :16] | codes[:, :, 16:] << 4], axis=2
    ).reshape(weights.n, blocks * _BYTES)
