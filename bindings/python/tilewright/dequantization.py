"""Packed weights as numbers, by the rules that QuantizedTensor documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .formats import parse_weight_format
from .scale_formats import SCALE_FORMATS

if TYPE_CHECKING:
    from .quantized_tensor import QuantizedTensor


def to_numbers(tensor: QuantizedTensor, dtype: DTypeLike) -> NDArray:
    """The weights [N, K] in the stored order, rounded once to `dtype` where it is float64 or
    float32 cannot hold them."""
    scale_bits = 8 * SCALE_FORMATS[tensor.scale_format].bits_dtype.itemsize
    is_stack = parse_weight_format(tensor.format).is_stack
    is_exact = (
        scale_bits <= 16
        and not tensor.has_float_zero_point
        and tensor.tensor_scale is None
        and not is_stack
    )
    work = np.float32 if is_exact and np.dtype(dtype) != np.float64 else np.float64
    values = _add_planes(tensor) if is_stack else _scale_numbers(tensor, work)
    if tensor.tensor_scale is not None:
        values *= np.float64(tensor.tensor_scale)
    return values.astype(dtype, copy=False)


def _scale_numbers(tensor: QuantizedTensor, work: type[np.floating]) -> NDArray:
    values = tensor.code_numbers().astype(work)
    zeros = tensor.zeros()
    if zeros is not None and tensor.zero_rule == "subtract":
        values -= tensor.spread(zeros.astype(work))
    values *= tensor.spread(tensor.scales().astype(work))
    if zeros is not None and tensor.zero_rule == "add":
        values += tensor.spread(zeros.astype(work))
    return values


def _add_planes(tensor: QuantizedTensor) -> NDArray[np.float64]:
    """Of a stack: the sum of its planes, -1 and 1 times their scales."""
    codes = tensor.codes()
    values = np.zeros(codes.shape)
    for plane, scales in enumerate(tensor.scales()):
        signs = 2 * (codes >> (tensor.bits - 1 - plane) & 1) - 1
        values += signs * tensor.spread(scales.astype(np.float64))
    return values
