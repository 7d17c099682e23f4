"""AWQ: 4-bit codes in words along N, the eight columns of a word interleaved.

The layout is that of AutoAWQ's WQLinear_GEMM (https://github.com/casper-hansen/AutoAWQ,
awq/modules/linear/gemm.py): bits 4i..4i+3 of a word belong to column `8c + ORDER[i]`.

    qweight  int32 [K, N / 8]
    qzeros   int32 [groups, N / 8]
    scales   float [groups, N]

and a weight is `(code - z) * scale`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import to_numpy
from ..errors import ShapeError, UnsupportedError
from ..quantized_tensor import QuantizedTensor
from . import bit_words
from .grouped import Grouped, Layout

#: The column, of eight, that the i-th field of a word belongs to.
ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
_BITS = 4


def from_awq(
    qweight: ArrayLike | Any,
    qzeros: ArrayLike | Any,
    scales: ArrayLike | Any,
    *,
    group_size: int | None = None,
    layout: Layout = "nk",
) -> QuantizedTensor:
    """Weights as AutoAWQ stores them (version "gemm"), bit for bit.

    Args:
        qweight: int32 [K, N / 8], 4-bit codes.
        qzeros: int32 [groups, N / 8].
        scales: float16 or bfloat16 [groups, N].
        group_size: inputs that share a scale; needed only where the last group is short.
        layout: of the result's `shape` and `dequantize`.

    Returns:
        The weights: "i4" where all zero points are 8, else "u4" with zero points.
        `to_awq` gives the words back.

    Raises:
        ShapeError, ArgumentError: the arrays do not belong together.
    """
    words = bit_words.check_words(to_numpy(qweight, "qweight"), "qweight")
    zero_words = bit_words.check_words(to_numpy(qzeros, "qzeros"), "qzeros")
    scale = to_numpy(scales, "scales")
    expected = (scale.shape[0], words.shape[1]) if scale.ndim == 2 else None
    if zero_words.shape != expected or scale.shape[1] != 8 * words.shape[1]:
        raise ShapeError(
            f"qweight has shape {words.shape}, qzeros {zero_words.shape}, scales {scale.shape}; "
            "expects [K, N/8], [groups, N/8], [groups, N]"
        )
    codes = np.ascontiguousarray(_unpack(words).T)
    return Grouped(_BITS, codes, _unpack(zero_words).T, scale.T).quantized(group_size, layout)


def to_awq(weights: QuantizedTensor) -> dict[str, NDArray]:
    """The inverse of `from_awq`: `qweight`, `qzeros` and `scales`.

    Raises:
        UnsupportedError: another width than 4; permuted inputs; N is no multiple of 8.
    """
    if weights.bits != _BITS:
        raise UnsupportedError(f"format is {weights.format}; AWQ has 4 bits")
    if weights.input_permutation is not None:
        raise UnsupportedError("weights have permuted inputs; AWQ has none (to_gptq keeps them)")
    if weights.n % 8:
        raise UnsupportedError(f"N is {weights.n}; AWQ's words hold 8 outputs")
    grouped = Grouped.of(weights)
    return {
        "qweight": _pack(grouped.codes.T),
        "qzeros": _pack(grouped.zeros.T.astype(np.uint8)),
        "scales": np.ascontiguousarray(grouped.scales.T),
    }


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `from_awq` from a checkpoint's `quantization_config`."""
    version = str(config.get("version", "gemm")).lower()
    bits = config.get("bits", config.get("w_bit", _BITS))
    if version != "gemm" or bits != _BITS:
        raise UnsupportedError(
            f"AWQ's version is {version!r} with {bits} bits; supported: 'gemm', 4"
        )
    size = config.get("group_size", config.get("q_group_size", -1))
    return {"group_size": size if size > 0 else None}


def _unpack(words: NDArray) -> NDArray[np.uint8]:
    """Codes [rows, N] of words [rows, N / 8]."""
    fields = bit_words.unpack(words, _BITS, 8 * words.shape[1]).reshape(*words.shape, 8)
    codes = np.empty_like(fields)
    codes[:, :, ORDER] = fields
    return codes.reshape(len(words), 8 * words.shape[1])


def _pack(codes: NDArray[np.uint8]) -> NDArray[np.int32]:
    fields = codes.reshape(len(codes), codes.shape[1] // 8, 8)[:, :, ORDER]
    return bit_words.pack(fields.reshape(codes.shape), _BITS)
