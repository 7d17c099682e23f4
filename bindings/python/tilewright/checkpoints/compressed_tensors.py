"""compressed-tensors, what llm-compressor and vLLM write: "pack-quantized", "int-quantized"
and "float-quantized".

The layout is that of pack_to_int32 and of the compressors around it
(https://github.com/neuralmagic/compressed-tensors, src/compressed_tensors/compressors).
Packed codes have 2^(bits-1) added; a word holds floor(32 / bits) of them, lowest bits
first, and none straddles words.

    weight_packed      int32 [N, ceil(K / (32 // bits))]
    weight_scale       float [N, groups], [N, 1] (channel) or [1] (tensor)
    weight_zero_point  int32 [ceil(N / (32 // bits)), groups]: packed along N; absent
                       where the weights are symmetric
    weight_shape       int64 [2]: N, K
    weight_g_idx       int32 [K], the group of each input; with act-order only

"int-quantized" has `weight`, int8 [N, K], and zero points as int8 [N, groups] instead;
"float-quantized" has `weight`, float8_e4m3fn [N, K], and no zero points. A weight is
`(code - z) * scale`.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import to_numpy
from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..formats import parse_weight_format
from ..quantized_tensor import QuantizedTensor
from . import bit_words
from .grouped import Grouped, Layout

#: Values of `format` in a checkpoint's configuration that `from_compressed_tensors` reads.
FORMATS = ("pack-quantized", "int-quantized", "float-quantized")
_E4M3 = np.dtype(ml_dtypes.float8_e4m3fn)


def from_compressed_tensors(
    *,
    bits: int | None = None,
    weight_scale: ArrayLike | Any,
    weight_packed: ArrayLike | Any | None = None,
    weight: ArrayLike | Any | None = None,
    weight_shape: ArrayLike | Any | None = None,
    weight_zero_point: ArrayLike | Any | None = None,
    weight_g_idx: ArrayLike | Any | None = None,
    group_size: int | None = None,
    layout: Layout = "nk",
) -> QuantizedTensor:
    """Weights as compressed-tensors stores them, bit for bit.

    Args:
        bits: of a code, 1 to 8 (`num_bits`); there is no default.
        weight_scale: float16 or bfloat16 [N, groups], [N, 1] or [1].
        weight_packed: int32 [N, ceil(K / (32 // bits))] ("pack-quantized"), or
        weight: int8 [N, K] ("int-quantized") or float8_e4m3fn ("float-quantized").
        weight_shape: N and K; needed with `weight_packed`.
        weight_zero_point: None; int32, packed along N; or int8 [N, groups], [N, 1], [1].
        weight_g_idx: integers [K], the group of each input; None where groups are runs.
        group_size: inputs that share a scale; needed only without `weight_g_idx` where the
            last group is short.
        layout: of the result's `shape` and `dequantize`.

    Returns:
        The weights: a signed format where there are no zero points or all are 0, else an
        unsigned one; "e4m3" of floats. `to_compressed_tensors` gives the arrays back.

    Raises:
        ShapeError, ArgumentError: the arrays do not belong together.
        UnsupportedError: a width or dtype that no kernel handles.
    """
    if not isinstance(bits, int) or not 1 <= bits <= 8:
        raise UnsupportedError(
            f"bits is {bits}; expects 1 to 8, which a checkpoint's config.json calls num_bits"
        )
    if (weight_packed is None) == (weight is None):
        raise ArgumentError("expects one of weight_packed and weight")
    if weight is None:
        codes = _read_packed(to_numpy(weight_packed, "weight_packed"), weight_shape, bits)
    else:
        numbers = to_numpy(weight, "weight")
        if numbers.dtype == _E4M3:
            return _read_floats(numbers, weight_scale, weight_zero_point, layout)
        codes = _read_bytes(numbers, "weight", bits)
    n = len(codes)
    scales = _per_output(to_numpy(weight_scale, "weight_scale"), "weight_scale", n)
    zeros = np.full(scales.shape, 1 << (bits - 1), np.uint8)
    if weight_zero_point is not None:
        zeros = _read_zeros(to_numpy(weight_zero_point, "weight_zero_point"), scales.shape, bits)
    index = None
    # Without act-order some writers store -1 throughout.
    if weight_g_idx is not None:
        index = to_numpy(weight_g_idx, "weight_g_idx").astype(np.int64)
        index = None if (index == -1).all() else index
    return Grouped(bits, codes, zeros, scales, index).quantized(group_size, layout)


def to_compressed_tensors(
    weights: QuantizedTensor, *, symmetric: bool | None = None, packed: bool = True
) -> dict[str, NDArray]:
    """The inverse of `from_compressed_tensors`.

    Args:
        weights: integer or e4m3 weights.
        symmetric: whether to leave zero points out; None: where the weights have none.
        packed: "pack-quantized", else "int-quantized". Floats are "float-quantized".

    Raises:
        ArgumentError: `symmetric` with zero points that are not 0.
        UnsupportedError: floats that are not e4m3 with a scale for each output.
    """
    if parse_weight_format(weights.format).is_float:
        return _write_floats(weights)
    grouped = Grouped.of(weights)
    bits = grouped.bits
    middle = 1 << (bits - 1)
    is_symmetric = bool((grouped.zeros == middle).all())
    if symmetric and not is_symmetric:
        raise ArgumentError(f"{weights!r}: its zero points are not those of symmetric weights")
    leaves_out = is_symmetric and not weights.has_zero_point if symmetric is None else symmetric
    tensors = {"weight_scale": np.ascontiguousarray(grouped.scales)}
    if packed:
        tensors["weight_packed"] = bit_words.pack(grouped.codes, bits, straddle=False)
        tensors["weight_shape"] = np.array([weights.n, weights.k], np.int64)
    else:
        tensors["weight"] = (grouped.codes.astype(np.int16) - middle).astype(np.int8)
    if not leaves_out:
        zeros = grouped.zeros.astype(np.uint8)
        tensors["weight_zero_point"] = (
            np.ascontiguousarray(bit_words.pack(zeros.T, bits, straddle=False).T)
            if packed
            else (zeros.astype(np.int16) - middle).astype(np.int8)
        )
    if weights.input_permutation is not None:
        tensors["weight_g_idx"] = np.asarray(grouped.groups, np.int32)
    return tensors


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `from_compressed_tensors` from a checkpoint's `quantization_config`."""
    groups = [group.get("weights") or {} for group in config.get("config_groups", {}).values()]
    kinds = {(group.get("num_bits"), group.get("type", "int")) for group in groups}
    if len(kinds) != 1:
        raise UnsupportedError(
            f"config_groups have {len(kinds)} kinds of weights; supported: one for all layers"
        )
    ((bits, kind),) = kinds
    format = config.get("format", FORMATS[0])
    if format not in FORMATS or kind != ("float" if format == "float-quantized" else "int"):
        raise UnsupportedError(
            f"weights are {kind} in format {format!r}; supported: int in "
            f"{', '.join(FORMATS[:2])}, float in {FORMATS[2]}"
        )
    size = groups[0].get("group_size")
    return {"bits": bits, "group_size": size if size and size > 0 else None}


def _read_packed(words: NDArray, shape: Any, bits: int) -> NDArray[np.uint8]:
    bit_words.check_words(words, "weight_packed")
    if shape is None:
        raise ArgumentError("weight_shape is missing; weight_packed does not say K")
    extents = [int(extent) for extent in to_numpy(shape, "weight_shape").reshape(-1)]
    if len(extents) != 2 or min(extents) < 0:
        raise ShapeError(f"weight_shape is {extents}; expects N, K")
    expected = (extents[0], bit_words.word_count(extents[1], bits, straddle=False))
    if words.shape != expected:
        raise ShapeError(
            f"weight_packed has shape {words.shape}; expects {expected} for {extents} and "
            f"{bits} bits"
        )
    return bit_words.unpack(words, bits, extents[1], straddle=False)


def _read_bytes(numbers: NDArray, name: str, bits: int) -> NDArray[np.uint8]:
    """Signed numbers moved up to start at 0."""
    if numbers.dtype != np.int8:
        raise UnsupportedError(f"{name} is {numbers.dtype}; expects int8")
    middle = 1 << (bits - 1)
    if (
        numbers.ndim == 2
        and numbers.size
        and not -middle <= numbers.min() <= numbers.max() < middle
    ):
        raise ArgumentError(
            f"{name} reaches from {numbers.min()} to {numbers.max()}; {bits} bits hold "
            f"{-middle} to {middle - 1}"
        )
    if numbers.ndim > 2 or (name == "weight" and numbers.ndim != 2):
        raise ShapeError(f"{name} has shape {numbers.shape}; expects two dimensions")
    return (numbers.astype(np.int16) + middle).astype(np.uint8)


def _read_floats(
    numbers: NDArray, scale: ArrayLike | Any, zeros: Any, layout: Layout
) -> QuantizedTensor:
    """8-bit floats with a scale for each output, or one for all."""
    if numbers.ndim != 2:
        raise ShapeError(f"weight has shape {numbers.shape}; expects two dimensions")
    if zeros is not None and np.any(to_numpy(zeros, "weight_zero_point").astype(np.float32)):
        raise UnsupportedError("weight_zero_point is not 0; floats have none")
    scales = _per_output(to_numpy(scale, "weight_scale"), "weight_scale", len(numbers))
    return QuantizedTensor.from_codes(
        numbers.view(np.uint8), scales, None, format="e4m3", layout=layout, group_size="channel"
    )


def _write_floats(weights: QuantizedTensor) -> dict[str, NDArray]:
    if weights.format != "e4m3" or weights.group_size != "channel":
        raise UnsupportedError(f"{weights!r}; float-quantized is e4m3 with a scale an output")
    if weights.has_zero_point or weights.input_permutation is not None:
        raise UnsupportedError(f"{weights!r}; float-quantized has no zero points, no order")
    return {
        "weight": weights.codes().astype(np.uint8).view(_E4M3),
        "weight_scale": np.ascontiguousarray(weights.scales()),
    }


def _read_zeros(zeros: NDArray, shape: tuple[int, ...], bits: int) -> NDArray[np.uint8]:
    """Zero points [N, groups], moved up as the codes are."""
    n, groups = shape
    if zeros.dtype == np.int8:
        stored = _per_output(_read_bytes(zeros, "weight_zero_point", bits), "weight_zero_point", n)
    else:
        bit_words.check_words(zeros, "weight_zero_point")
        expected = (bit_words.word_count(n, bits, straddle=False), groups)
        if zeros.shape != expected:
            raise ShapeError(f"weight_zero_point has shape {zeros.shape}; expects {expected}")
        stored = bit_words.unpack(zeros.T, bits, n, straddle=False).T
    if stored.shape != shape:
        raise ShapeError(f"weight_zero_point has shape {stored.shape}; expects {shape}")
    return stored


def _per_output(values: NDArray, name: str, n: int) -> NDArray:
    """Values [N, groups]; one for the whole tensor is repeated."""
    if values.size == 1 and values.ndim < 2:
        return np.repeat(values.reshape(1, 1), n, axis=0)
    if values.ndim == 1 and len(values) == n:
        return values[:, None]
    if values.ndim != 2 or len(values) != n:
        raise ShapeError(f"{name} has shape {values.shape}; expects [N, groups] with N={n}")
    return values
