"""What happens to the sum of a matrix product before it becomes y.

Every product ends the same way, in float32 with one rounding at the end:

    v = (x @ w) * row_scale[:, None] * column_scale + bias
    v = activation(v)
    y = (v + residual) * out_scale

Numbers beyond those of an 8-bit float become the largest of it. What is not given is left
out. With "swiglu" columns come in pairs, gate and up, and
`v[..., j] = silu(v[..., 2j]) * v[..., 2j + 1]`: y has half as many columns as w.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import to_numpy
from .errors import ShapeError, UnsupportedError
from .formats import FLOATS, float_name

#: Functions that a kernel can apply to its result.
ACTIVATIONS = ("relu", "gelu", "silu", "swiglu")

Activation = Literal["relu", "gelu", "silu", "swiglu"]


def activation_name(activation: str | None) -> str:
    """What the compiler calls an activation; "none" for None."""
    if activation is None:
        return "none"
    if activation in ACTIVATIONS:
        return activation
    raise UnsupportedError(
        f"activation is {activation!r}; supported: {', '.join(ACTIVATIONS)}, None"
    )


@dataclasses.dataclass
class Epilogue:
    """The checked end of a product of `rows` x `n`, or a batch; arrays as kernels take them."""

    activation: str
    outputs: int
    arrays: dict[str, NDArray | None]

    @classmethod
    def check(
        cls,
        leading: tuple[int, ...],
        n: int,
        x_name: str,
        batch: int | None = None,
        *,
        activation: str | None,
        bias: ArrayLike | Any | None = None,
        row_scale: ArrayLike | Any | None = None,
        column_scale: ArrayLike | Any | None = None,
        residual: ArrayLike | Any | None = None,
        out_scale: ArrayLike | Any | None = None,
    ) -> Epilogue:
        """Checks the arguments of a product with rows of shape `leading` and `n` columns.

        Of a batch `leading` is (batch, rows), and there is a bias and a column scale for
        each of its products.

        Raises:
            ShapeError: an array of another shape; an odd `n` with "swiglu".
            UnsupportedError: a dtype or activation that no kernel handles.
        """
        function = activation_name(activation)
        if function == "swiglu" and n % 2:
            raise ShapeError(f"swiglu takes pairs of columns (gate, up), but w has {n} columns")
        outputs = n // 2 if function == "swiglu" else n
        columns = (n,) if batch is None else (batch, n)
        flat = (math.prod(leading),) if batch is None else leading
        arrays = {
            "bias": _array(bias, "bias", columns, columns, (x_name, "f32")),
            "row_scale": _array(row_scale, "row_scale", leading, flat, ("f32",)),
            "column_scale": _array(column_scale, "column_scale", columns, columns, ("f32",)),
            "residual": _array(
                residual,
                "residual",
                (*leading, outputs),
                (*flat, outputs),
                ("f16", "bf16", "f32"),
            ),
            "out_scale": _number(out_scale, "out_scale"),
        }
        return cls(function, outputs, arrays)

    def to_native(self) -> dict[str, Any]:
        """The dictionary the extension takes."""
        return {**self.arrays, "activation": self.activation}


def _number(value: ArrayLike | Any | None, name: str) -> NDArray[np.float32] | None:
    """One number as a float32 array of one."""
    if value is None:
        return None
    array = to_numpy(value, name)
    if array.size != 1:
        raise ShapeError(f"{name} has shape {array.shape}; expects one number")
    if array.dtype.kind not in "fiu" and array.dtype not in FLOATS.values():
        raise UnsupportedError(f"{name} is {array.dtype.name}; expects a number")
    return array.astype(np.float32).reshape(1)


def _array(
    value: ArrayLike | Any | None,
    name: str,
    shape: tuple[int, ...],
    flat: tuple[int, ...],
    dtypes: tuple[str, ...],
) -> NDArray | None:
    """`value`, which must have `shape`, as a contiguous array of shape `flat`."""
    if value is None:
        return None
    array = to_numpy(value, name)
    float_name(array.dtype, f"dtype of {name}", dtypes)
    if array.shape != shape:
        raise ShapeError(f"{name} has shape {array.shape}; expects {shape}")
    return np.ascontiguousarray(array.reshape(flat))
