"""GPTQ: words along K, zero points along N, optionally inputs in the order of activations.

The layout is that of AutoGPTQ's QuantLinear.pack and of GPTQModel
(https://github.com/AutoGPTQ/AutoGPTQ, auto_gptq/nn_modules/qlinear/qlinear_cuda_old.py;
https://github.com/ModelCloud/GPTQModel, gptqmodel/nn_modules/qlinear):

    qweight  int32 [K * bits / 32, N]       codes of one output, lowest bits first
    qzeros   int32 [groups, N * bits / 32]  zero points, likewise; version 1 stores z - 1
    scales   float [groups, N]
    g_idx    int32 [K]                      the group of each input

and a weight is `(code - z) * scale`. 3-bit codes straddle words: 32 take three of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import to_numpy
from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..quantized_tensor import QuantizedTensor
from . import bit_words
from .grouped import Grouped, Layout

#: Widths that GPTQ's tools write.
WIDTHS = (2, 3, 4, 8)


def from_gptq(
    qweight: ArrayLike | Any,
    qzeros: ArrayLike | Any,
    scales: ArrayLike | Any,
    g_idx: ArrayLike | Any | None = None,
    *,
    group_size: int | None = None,
    version: int = 1,
    layout: Layout = "nk",
) -> QuantizedTensor:
    """Weights as AutoGPTQ and GPTQModel store them, bit for bit.

    Args:
        qweight: int32 [K * bits / 32, N]; 2, 3, 4 or 8 bits, by the shapes.
        qzeros: int32 [groups, N * bits / 32].
        scales: float16 or bfloat16 [groups, N].
        g_idx: integers [K], the group of each input; None where groups are runs. With
            others (act-order) the result has an `input_permutation`.
        group_size: inputs that share a scale; needed only without `g_idx` where the last
            group is short.
        version: 1 where zero points are stored less one (`checkpoint_format` "gptq"), 2
            where they are not ("gptq_v2"). Version 1 has no number for z = 0: tools that
            write it wrap around, and that is how it is read.
        layout: of the result's `shape` and `dequantize`.

    Returns:
        The weights, as a signed format without zero points where all zero points are
        2^(bits-1) (symmetric), else as an unsigned one. `to_gptq` gives the words back.

    Raises:
        ShapeError, ArgumentError: the arrays do not belong together.
        UnsupportedError: another width or version.
    """
    _check_version(version)
    words = bit_words.check_words(to_numpy(qweight, "qweight"), "qweight")
    zero_words = bit_words.check_words(to_numpy(qzeros, "qzeros"), "qzeros")
    scale = to_numpy(scales, "scales")
    if scale.ndim != 2 or words.shape[1] != scale.shape[1]:
        raise ShapeError(
            f"qweight has shape {words.shape}, scales {scale.shape}; expects [.., N], [groups, N]"
        )
    groups, n = scale.shape
    bits = _width(zero_words, groups, n)
    if words.shape[0] * 32 % bits:
        raise ShapeError(
            f"qweight has {words.shape[0]} rows; {bits}-bit codes come in multiples of {bits}"
        )
    stored = bit_words.unpack(zero_words, bits, n)
    zeros = stored if version == 2 else (stored + 1) & ((1 << bits) - 1)
    codes = bit_words.unpack(words.T, bits, words.shape[0] * 32 // bits)
    index = None if g_idx is None else to_numpy(g_idx, "g_idx").astype(np.int64)
    return Grouped(bits, codes, zeros.T, scale.T, index).quantized(group_size, layout)


def to_gptq(weights: QuantizedTensor, *, version: int = 1) -> dict[str, NDArray]:
    """The inverse of `from_gptq`: `qweight`, `qzeros`, `scales` and `g_idx`.

    Raises:
        UnsupportedError: another width than 2, 3, 4 or 8; N or K do not fill whole words.
    """
    _check_version(version)
    grouped = Grouped.of(weights)
    bits = grouped.bits
    if bits not in WIDTHS:
        raise UnsupportedError(f"format is {weights.format}; GPTQ has 2, 3, 4 and 8 bits")
    for name, extent in (("K", weights.k), ("N", weights.n)):
        if extent * bits % 32:
            raise UnsupportedError(
                f"{name} is {extent}; GPTQ's words hold {bits}-bit codes in multiples of "
                f"{32 // np.gcd(bits, 32)}"
            )
    zeros = grouped.zeros if version == 2 else (grouped.zeros - 1) & ((1 << bits) - 1)
    return {
        "qweight": np.ascontiguousarray(bit_words.pack(grouped.codes, bits).T),
        "qzeros": bit_words.pack(np.ascontiguousarray(zeros.T.astype(np.uint8)), bits),
        "scales": np.ascontiguousarray(grouped.scales.T),
        "g_idx": np.asarray(grouped.groups, np.int32),
    }


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `from_gptq` from a checkpoint's `quantization_config`."""
    size = config.get("group_size", -1)
    version = 2 if config.get("checkpoint_format", "gptq") == "gptq_v2" else 1
    return {"group_size": size if size > 0 else None, "version": version}


def _check_version(version: int) -> None:
    if version not in (1, 2):
        raise UnsupportedError(f"version is {version}; supported: 1 (zero points less one), 2")


def _width(zero_words: NDArray, groups: int, n: int) -> int:
    """Bits of a code, by the words that N zero points take."""
    if zero_words.shape[0] != groups:
        raise ShapeError(f"qzeros have {zero_words.shape[0]} rows, scales {groups}; one a group")
    bits, rest = divmod(zero_words.shape[1] * 32, max(n, 1))
    if rest or n == 0:
        raise ArgumentError(
            f"qzeros have {zero_words.shape[1]} words a group for N={n}; expects N * bits / 32"
        )
    if bits not in WIDTHS:
        raise UnsupportedError(f"qzeros have {bits} bits an output; supported: 2, 3, 4, 8")
    return bits
