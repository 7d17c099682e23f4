"""What weights are packed for: activations of 16 bits or of 8.

Tensor cores take two numbers of 16 bits from a register and four of 8, so the words of a
weight lie otherwise for one and the other (dialects/Support/Layout/Packing.h).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from .errors import UnsupportedError
from .formats import WeightFormat
from .granularity import Granularity

if TYPE_CHECKING:
    from .quantized_tensor import QuantizedTensor

ActivationClass = Literal["16-bit", "8-bit"]

#: Names of activations that weights can be packed for.
_CLASSES: dict[str, ActivationClass] = {
    "16-bit": "16-bit",
    "float16": "16-bit",
    "bfloat16": "16-bit",
    "float8_e4m3fn": "16-bit",
    "float8_e5m2": "16-bit",
    "8-bit": "8-bit",
    "int8": "8-bit",
}
#: Rows of K that one instruction multiplies as bytes.
_BYTE_ROWS = 32


def activation_class(name: str, weight: WeightFormat, granularity: Granularity) -> ActivationClass:
    """The class of the activations `name`, which has kernels for such weights.

    Raises:
        UnsupportedError: an unknown name; weights that have none.
    """
    if name not in _CLASSES:
        raise UnsupportedError(
            f"activations is {name!r}; supported: 'float16', 'bfloat16', 'float8_e4m3fn', "
            "'float8_e5m2' (all as 'float16') and 'int8'"
        )
    kind = _CLASSES[name]
    if kind == "16-bit":
        return kind
    if not weight.is_integer:
        raise UnsupportedError(
            f"activations is {name!r} with format {weight.name!r}; integers (u1..u8, i1..i8) have "
            "kernels for it, others for 'float16'"
        )
    if granularity.rows % _BYTE_ROWS:
        nearest = max(_BYTE_ROWS, (granularity.rows + 16) // _BYTE_ROWS * _BYTE_ROWS)
        raise UnsupportedError(
            f"group_size is {granularity.group_size} with activations {name!r}; expects a "
            f"multiple of {_BYTE_ROWS} along K, the nearest is {nearest}"
        )
    return kind


def check_packing(dtype: np.dtype, weights: QuantizedTensor) -> None:
    """Fails where the weights are packed for other activations: nothing repacks in silence."""
    wanted = "8-bit" if dtype == np.int8 else "16-bit"
    if weights.activations != wanted:
        raise UnsupportedError(
            f"x is {dtype.name}, but weights are packed for {weights.activations} activations; "
            f"weights.for_activations({dtype.name!r}) packs them for {dtype.name}"
        )
