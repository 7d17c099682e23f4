"""Float codes with scales of blocks: MXFP4, NVFP4, and 8-bit floats in blocks of 128 x 128.

    from_mxfp4      e2m1 codes and e8m0 scales of 32 weights along K; OCP Microscaling Formats
                    (MX) 1.0, section 5.2; arrays as in gpt-oss's checkpoints
                    (https://github.com/openai/gpt-oss, gpt_oss/torch/weights.py)
    from_nvfp4      e2m1 codes, e4m3 scales of 16 weights along K and one float32 scale; arrays
                    as ModelOpt exports them (https://github.com/NVIDIA/Model-Optimizer,
                    modelopt/torch/quantization/qtensor/nvfp4_tensor.py)
    from_fp8_block  e4m3 codes and float32 scales of blocks; arrays as in DeepSeek-V3's
                    checkpoints (https://github.com/deepseek-ai/DeepSeek-V3,
                    inference/kernel.py: weight_dequant)

Of two 4-bit codes in a byte the low half comes first. All scales multiply.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import to_numpy
from ..errors import ShapeError, UnsupportedError
from ..quantized_tensor import QuantizedTensor
from .grouped import Layout

_E8M0, _E4M3 = np.dtype(ml_dtypes.float8_e8m0fnu), np.dtype(ml_dtypes.float8_e4m3fn)


def from_mxfp4(
    blocks: ArrayLike | Any, scales: ArrayLike | Any, *, layout: Layout = "nk"
) -> QuantizedTensor:
    """Weights in MXFP4, bit for bit.

    Args:
        blocks: uint8 [N, K / 32, 16] (of one expert), two codes a byte, low half first.
        scales: uint8 [N, K / 32], exponents with bias 127 (or float8_e8m0fnu). 255 is NaN.
        layout: of the result's `shape` and `dequantize`.

    Raises:
        ShapeError, UnsupportedError: the arrays do not belong together; another dtype.
    """
    data, scale = _as_bytes(blocks, "blocks"), _as_bytes(scales, "scales", _E8M0)
    if data.ndim != 3 or data.shape[2] != 16 or scale.shape != data.shape[:2]:
        raise ShapeError(
            f"blocks have shape {data.shape}, scales {scale.shape}; expects [N, K/32, 16], "
            "[N, K/32]"
        )
    codes = _unpack_nibbles(data.reshape(len(data), 16 * data.shape[1]))
    return QuantizedTensor.from_codes(
        codes, scale.view(_E8M0), None, format="f4e2m1", layout=layout, group_size=32
    )


def to_mxfp4(weights: QuantizedTensor) -> dict[str, NDArray[np.uint8]]:
    """The inverse of `from_mxfp4`: `blocks` and `scales`.

    Raises:
        UnsupportedError: the weights are not f4e2m1 in whole groups of 32 with e8m0 scales.
    """
    _check(weights, "MXFP4", "f4e2m1", "e8m0", (32, 1))
    blocks = _pack_nibbles(weights.codes())
    return {
        "blocks": blocks.reshape(weights.n, weights.k // 32, 16),
        "scales": np.ascontiguousarray(weights.scales()).view(np.uint8),
    }


def from_nvfp4(
    weight: ArrayLike | Any,
    weight_scale: ArrayLike | Any,
    weight_scale_2: ArrayLike | Any,
    *,
    layout: Layout = "nk",
) -> QuantizedTensor:
    """Weights in NVFP4, bit for bit.

    Args:
        weight: uint8 [N, K / 2], two codes a byte, low half first.
        weight_scale: float8_e4m3fn [N, K / 16] (or its bits as uint8).
        weight_scale_2: one float32, which multiplies. (compressed-tensors has
            `weight_global_scale`, which divides: give 1 / it.)
        layout: of the result's `shape` and `dequantize`.

    Raises:
        ShapeError, UnsupportedError: the arrays do not belong together; another dtype.
    """
    data, scale = _as_bytes(weight, "weight"), _as_bytes(weight_scale, "weight_scale", _E4M3)
    if data.ndim != 2 or data.shape[1] % 8 or scale.shape != (len(data), data.shape[1] // 8):
        raise ShapeError(
            f"weight has shape {data.shape}, weight_scale {scale.shape}; expects [N, K/2], "
            "[N, K/16]"
        )
    whole = to_numpy(weight_scale_2, "weight_scale_2")
    if whole.size != 1 or whole.dtype != np.float32:
        raise UnsupportedError(
            f"weight_scale_2 is {whole.dtype} of shape {whole.shape}; expects one float32"
        )
    return QuantizedTensor.from_codes(
        _unpack_nibbles(data),
        scale.view(_E4M3),
        None,
        format="f4e2m1",
        layout=layout,
        group_size=16,
        tensor_scale=float(whole.reshape(())),
    )


def to_nvfp4(weights: QuantizedTensor) -> dict[str, NDArray]:
    """The inverse of `from_nvfp4`: `weight`, `weight_scale` and `weight_scale_2` (shape []).

    Raises:
        UnsupportedError: the weights are not f4e2m1 in whole groups of 16 with e4m3 scales.
    """
    _check(weights, "NVFP4", "f4e2m1", "e4m3", (16, 1), has_tensor_scale=True)
    whole = 1.0 if weights.tensor_scale is None else weights.tensor_scale
    return {
        "weight": _pack_nibbles(weights.codes()),
        "weight_scale": np.ascontiguousarray(weights.scales()),
        "weight_scale_2": np.array(whole, np.float32),
    }


def from_fp8_block(
    weight: ArrayLike | Any,
    weight_scale_inv: ArrayLike | Any,
    *,
    block_size: tuple[int, int] = (128, 128),
    layout: Layout = "nk",
) -> QuantizedTensor:
    """8-bit floats with a float32 scale for each block, bit for bit.

    Args:
        weight: float8_e4m3fn [N, K] (or its bits as uint8).
        weight_scale_inv: float32 [ceil(N / rows), ceil(K / columns)]; it multiplies, whatever
            its name says.
        block_size: (outputs, inputs) of a block, as `weight_block_size` in a config.json.
        layout: of the result's `shape` and `dequantize`.

    Raises:
        ShapeError, UnsupportedError: the arrays do not belong together; another dtype.
        ArgumentError: a code is NaN.
    """
    codes = _as_bytes(weight, "weight", _E4M3)
    if codes.ndim != 2:
        raise ShapeError(f"weight has shape {codes.shape}; expects [N, K]")
    outputs, inputs = block_size
    return QuantizedTensor.from_codes(
        codes,
        to_numpy(weight_scale_inv, "weight_scale_inv"),
        None,
        format="e4m3",
        layout=layout,
        group_size=(inputs, outputs),
    )


def to_fp8_block(weights: QuantizedTensor) -> dict[str, NDArray]:
    """The inverse of `from_fp8_block`: `weight` and `weight_scale_inv`.

    Raises:
        UnsupportedError: the weights are not e4m3 in blocks with float32 scales.
    """
    size = weights.group_size
    _check(weights, "fp8-block", "e4m3", "f32", size if isinstance(size, tuple) else (128, 128))
    return {
        "weight": weights.codes().astype(np.uint8).view(_E4M3),
        "weight_scale_inv": np.ascontiguousarray(weights.scales()),
    }


def fp8_block_settings(config: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `from_fp8_block` from a checkpoint's `quantization_config`."""
    outputs, inputs = config.get("weight_block_size") or (128, 128)
    return {"block_size": (outputs, inputs)}


def _check(
    weights: QuantizedTensor,
    scheme: str,
    format: str,
    scale: str,
    group: tuple[int, int],
    has_tensor_scale: bool = False,
) -> None:
    """UnsupportedError unless a scheme of whole groups can hold the weights."""
    size = weights.group_size
    if (
        (weights.format, weights.scale_format) != (format, scale)
        or (size if isinstance(size, tuple) else (size, 1)) != group
        or (group[1] == 1 and weights.k % group[0])
        or weights.has_zero_point
        or weights.input_permutation is not None
        or (weights.tensor_scale is not None and not has_tensor_scale)
    ):
        shown = group[0] if group[1] == 1 else group
        raise UnsupportedError(
            f"{weights!r}; {scheme} holds {format} with {scale} scales of groups of {shown}"
        )


def _as_bytes(array: Any, name: str, dtype: np.dtype | None = None) -> NDArray[np.uint8]:
    """The bits of an array of `dtype`, which may be given as bytes, too."""
    values = to_numpy(array, name)
    if values.dtype not in (np.uint8, dtype):
        expected = "uint8" if dtype is None else f"{dtype} or uint8"
        raise UnsupportedError(f"{name} is {values.dtype}; expects {expected}")
    return np.ascontiguousarray(values).view(np.uint8)


def _unpack_nibbles(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes [N, K] of bytes [N, K / 2], low half first."""
    codes = np.empty((len(data), 2 * data.shape[1]), np.uint8)
    codes[:, 0::2], codes[:, 1::2] = data & 15, data >> 4
    return codes


def _pack_nibbles(codes: NDArray) -> NDArray[np.uint8]:
    stored = codes.astype(np.uint8)
    return stored[:, 0::2] | stored[:, 1::2] << 4
