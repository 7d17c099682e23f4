"""Weights in planes of one bit, whose width a launch chooses.

Nested codes (`nested8`): the first planes hold the top bits of codes, and the top b bits
are codes of b bits, so a product at width b reads the first b planes and no other. Stacks:
the weight is the sum of planes of -1 and 1, each with its scales, and a product adds as
many as it is told to. Either way a part is where the whole begins, in host memory and on
devices, and nothing is packed again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import UnsupportedError
from .formats import nested_name, parse_weight_format
from .group_tables import ZeroPoints
from .scale_formats import SCALE_FORMATS

if TYPE_CHECKING:
    from .quantized_tensor import QuantizedTensor

MAX_PLANES = 8


def choose(tensor: QuantizedTensor, bits: int | None, planes: int | None) -> QuantizedTensor:
    """The part of `tensor` that the arguments `bits` and `planes` of a call mean.

    Raises:
        UnsupportedError: weights that are not in such planes; a width that there is not.
    """
    format = parse_weight_format(tensor.format)
    for name, width, applies in (
        ("bits", bits, format.is_nested and not format.is_stack),
        ("planes", planes, format.is_stack),
    ):
        if width is None:
            continue
        if not applies:
            made = "quantize_residual" if name == "planes" else "quantize(w, 'nested8', ...)"
            raise UnsupportedError(
                f"{name} is {width!r} for {format.name} weights; supported: None, or weights "
                f"of {made}"
            )
        return take(tensor, width, name)
    return tensor


def take(tensor: QuantizedTensor, width: int, name: str = "width") -> QuantizedTensor:
    """What QuantizedTensor.truncate documents; `name` is the argument's in errors."""
    format = parse_weight_format(tensor.format)
    if not format.is_nested:
        raise UnsupportedError(f"{name} is {width!r}; {format.name} weights are not in planes")
    check_width(width, name, tensor.bits, f"those of {tensor!r}")
    if width == tensor.bits:
        return tensor
    scales, zeros = tensor._scales, tensor._zeros
    if format.is_stack:
        scales = scales[:width]
    elif width in tensor.fitted:
        scales, zeros = tensor.fitted[width]
    return type(tensor)(
        format="stack" if format.is_stack else nested_name(format.stored_bits, int(width)),
        layout=tensor.layout,
        k=tensor.k,
        n=tensor.n,
        granularity=tensor._granularity,
        words=tensor._words[: tensor._words.size // tensor.bits * width],
        scales=scales,
        scale_format=tensor.scale_format,
        zeros=zeros,
        tensor_scale=tensor.tensor_scale,
        input_permutation=tensor.input_permutation,
        fitted={bits: tables for bits, tables in tensor.fitted.items() if bits < width},
        whole=tensor._whole or tensor,
    )


def check_width(width: object, name: str, limit: int, what: str) -> None:
    """Fails unless the argument `name` is a number of planes up to `limit`."""
    is_integer = isinstance(width, (int, np.integer)) and not isinstance(width, (bool, np.bool_))
    if not is_integer or not 1 <= width <= limit:
        nearest = f"; the nearest is {min(max(width, 1), limit)}" if is_integer else ""
        raise UnsupportedError(f"{name} is {width!r}; supported: 1 to {limit}, {what}{nearest}")


def take_packed(whole: QuantizedTensor, part: QuantizedTensor) -> Any:
    """What the runtime is handed for a part of `whole`: it has the same copies on devices."""
    key = f"{part.bits} planes"
    if key not in whole._packed:
        tables = whole.fitted.get(part.bits)
        zeros = part._zeros if tables else None
        whole._packed[key] = whole.packed().take_planes(
            part.bits, tables and tables[0], zeros and zeros.packed
        )
    return whole._packed[key]


def fitted_parts(tensor: QuantizedTensor) -> dict[str, NDArray]:
    """The tables fitted to widths as parts of files: `scales_4`, `zeros_4`."""
    parts = {}
    for width, (scales, zeros) in tensor.fitted.items():
        parts[f"scales_{width}"] = SCALE_FORMATS[tensor.scale_format].as_numbers(scales)
        if zeros is not None:
            parts[f"zeros_{width}"] = zeros.as_numbers()
    return parts


def pop_fitted(
    parts: dict[str, NDArray], rule: str, scale: str
) -> dict[int, tuple[NDArray, ZeroPoints | None]]:
    """The inverse; takes what it finds out of `parts`."""
    fitted: dict[int, tuple[NDArray, ZeroPoints | None]] = {}
    for width in range(1, MAX_PLANES):
        if f"scales_{width}" not in parts:
            continue
        scales = SCALE_FORMATS[scale].as_bits(parts.pop(f"scales_{width}"))
        zeros = parts.pop(f"zeros_{width}", None)
        if (zeros is None) != (rule == "none"):
            raise ValueError(f"zero is {rule!r} at width {width}")
        fitted[width] = scales, None if zeros is None else ZeroPoints.of(rule, zeros)
    return fitted
