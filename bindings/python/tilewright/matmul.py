"""Linear layers: y = activation(x @ w + bias), with quantised or dense weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import hardware
from ._extension import runtime
from .activation_classes import check_packing
from .arrays import like, to_numpy
from .epilogue import Activation, Epilogue
from .errors import ShapeError, UnsupportedError
from .formats import FLOATS, OPERANDS, RESULTS, float_name
from .hardware import Device
from .planes import choose
from .profiling import detail, note_facts
from .quantized_tensor import QuantizedTensor


def linear(
    x: ArrayLike | Any,
    weights: QuantizedTensor,
    bias: ArrayLike | Any | None = None,
    activation: Activation | None = None,
    out_dtype: DTypeLike | None = None,
    device: str | Device | None = None,
    *,
    row_scale: ArrayLike | Any | None = None,
    column_scale: ArrayLike | Any | None = None,
    residual: ArrayLike | Any | None = None,
    out_scale: float | ArrayLike | Any | None = None,
    schedule: str | None = None,
    deterministic: bool = False,
    bits: int | None = None,
    planes: int | None = None,
) -> Any:
    """Multiplies by quantised weights: `(activation(x @ w + bias) + residual) * out_scale`.

    Args:
        x: float16, bfloat16, int8, float8_e4m3fn or float8_e5m2 [..., K], any strides;
            NumPy or CPU torch. int8 takes weights packed for it (`quantize(...,
            activations="int8")`), and usually the `row_scale` that `quantize_activations`
            gives. float8 takes those packed for float16, as which the kernel multiplies
            it. For a batch of B weights [B, M, K], or [M, K] for all of them.
        weights: K inputs x N outputs, from `quantize`. Either layout. Of a batch each
            multiplies its rows, in one launch; then bias and column_scale are [B, N].
        bias: [N], of the dtype of `x` (where that has 16 bits) or float32.
        activation: "relu", "gelu" (with the error function), "silu", "swiglu" or None.
            "swiglu" takes columns of w in pairs, gate and up: `silu(v[2j]) * v[2j + 1]`.
        out_dtype: float16, bfloat16, float32, float8_e4m3fn or float8_e5m2; None for that
            of `x`, for dtypes of 8 bits float16. What is beyond the largest number of an
            8-bit float becomes that number.
        device: where to run; None for the first GPU, else the emulated device.
        row_scale: float32 [...]; multiplies the rows of `x @ w`, before the bias.
        column_scale: float32 [N]; multiplies its columns, before the bias.
        residual: shaped as the result, float16, bfloat16 or float32; added last.
        out_scale: a number that multiplies the result before it is rounded.
        schedule: the kernel's schedule as text, "quant_matmul{...}"; None for the
            default of the device.
        deterministic: a row of the result has the same bits whatever the schedule and
            whatever rows are beside it: K is summed in chunks that depend on K alone, in
            order. Without it bits are the same between runs of one schedule, and the
            schedule depends on the number of rows. Not for stacks.
        bits: of nested weights (`quantize(w, "nested8", ...)`): multiplies by the top so
            many bits of each, and reads no others. None: all.
        planes: of a stack (`quantize_residual`): multiplies by the sum of the first so many
            planes, and reads no others. None: all.

    Returns:
        [..., N], or [..., N / 2] with "swiglu"; the kind of array `x` is.

    The kernel multiplies `x` by the exact `code - zero_point`, sums in float32 in the
    order of the tensor cores, multiplies each group's sum by its scale in float32, does
    the rest in float32 too, and rounds once to `out_dtype`. The sums of a group of int8
    products are exact. It is compiled at the first
    call with this combination of dtypes, N and K, and kept.

    Raises:
        ShapeError: the shapes do not fit each other.
        UnsupportedError: a dtype, activation or device that no kernel handles.
        ResourceError: `schedule` does not fit the device.
        CompileError, DeviceError: the kernel could not be compiled; the device failed.
    """
    if not isinstance(weights, QuantizedTensor):
        raise UnsupportedError(
            f"weights are a {type(weights).__name__}; expects a QuantizedTensor (tw.quantize)"
        )
    weights = choose(weights, bits, planes)
    if deterministic and weights.format == "stack":
        raise UnsupportedError(f"deterministic is {deterministic!r} with a stack; supported: False")
    array = to_numpy(x, "x")
    rows = _as_rows(array, weights)
    leading = array.shape[:-1] if weights.batch is None else rows.shape[:-1]
    x_name = float_name(array.dtype, "dtype of x", ("f16", "bf16", "i8", "e4m3", "e5m2"))
    check_packing(array.dtype, weights)
    standard = x_name if x_name in FLOATS else "f16"
    out_name = standard if out_dtype is None else float_name(out_dtype, "out_dtype", tuple(RESULTS))
    epilogue = Epilogue.check(
        leading,
        weights.n,
        x_name if x_name in FLOATS else "f32",
        weights.batch,
        activation=activation,
        bias=bias,
        row_scale=row_scale,
        column_scale=column_scale,
        residual=residual,
        out_scale=out_scale,
    )
    where = hardware.device(device).name

    def run(y: NDArray) -> dict[str, Any] | None:
        return runtime().quant_matmul(
            rows,
            weights.packed(standard),
            epilogue.to_native(),
            y,
            where,
            schedule,
            deterministic,
            detail(),
        )

    y = _run(run, (*rows.shape[:-1], epilogue.outputs), RESULTS[out_name], where)
    return like(y.reshape(*leading, epilogue.outputs), x)


def matmul(
    x: ArrayLike | Any,
    w: ArrayLike | Any,
    bias: ArrayLike | Any | None = None,
    activation: Activation | None = None,
    out_dtype: DTypeLike | None = None,
    device: str | Device | None = None,
    *,
    layout: Literal["nk", "kn"],
    row_scale: ArrayLike | Any | None = None,
    column_scale: ArrayLike | Any | None = None,
    residual: ArrayLike | Any | None = None,
    out_scale: float | ArrayLike | Any | None = None,
    schedule: str | None = None,
    deterministic: bool = False,
) -> Any:
    """Multiplies by dense weights: `(activation(x @ w + bias) + residual) * out_scale`.

    Args:
        x: [..., K], any strides; NumPy or CPU torch; float16, bfloat16, float32, int8,
            float8_e4m3fn or float8_e5m2. For a batch of B matrices [B, M, K], or [M, K]
            for all of them.
        w: of the dtype of `x`, [N, K] or [K, N], or a batch of such, [B, N, K] or [B, K, N],
            any strides.
        layout: which of the two: "nk" as in `torch.nn.Linear.weight`, or "kn". There is
            no default. Dtypes of 8 bits need "nk".
        bias, activation, device, row_scale, column_scale, residual, out_scale: as for
            `linear`; the bias has the dtype of `x` where that has 16 bits, or float32.
        out_dtype: as for `linear`; None for that of `x`, for dtypes of 8 bits float16.
        schedule: the kernel's schedule as text, "matmul{...}"; None for the default of
            the device.
        deterministic: as for `linear`.

    Returns:
        [..., N], or [..., N / 2] with "swiglu"; the kind of array `x` is.

    Products are exact and summed in float32 in the order of the tensor cores, the rest
    is done in float32 with one rounding to `out_dtype`. Elements of float32 arrays are
    first rounded to TF32 (10 bits of mantissa, to nearest, ties away from zero), as
    `torch.backends.cuda.matmul.allow_tf32` has it. Products of int8 are summed exactly
    modulo 2^32 and rounded once to float32. Where tensor cores have float8 behind mma.sync
    (sm_89, sm_120) they sum its products with fewer bits than float32 has; elsewhere, and
    with `operand_bits=16` in the schedule, it is widened to float16, which is exact, and
    products are summed as those of float16 are.

    Raises:
        ShapeError: the shapes do not fit each other.
        UnsupportedError: a dtype, layout, activation or device that no kernel handles.
        ResourceError: `schedule` does not fit the device.
        CompileError, DeviceError: the kernel could not be compiled; the device failed.
    """
    if layout not in ("nk", "kn"):
        raise UnsupportedError(f"layout is {layout!r}; supported: 'nk' (as nn.Linear), 'kn'")
    array, matrix = to_numpy(x, "x"), to_numpy(w, "w")
    x_name = float_name(array.dtype, "dtype of x", tuple(OPERANDS))
    float_name(matrix.dtype, "dtype of w", (x_name,))
    if OPERANDS[x_name].itemsize == 1 and layout != "nk":
        raise UnsupportedError(f"layout is {layout!r} with {array.dtype.name}; supported: 'nk'")
    if matrix.ndim not in (2, 3):
        raise ShapeError(f"w has shape {matrix.shape}; expects two dimensions, or a batch")
    n, k = matrix.shape[-2:] if layout == "nk" else matrix.shape[:-3:-1]
    batch = len(matrix) if matrix.ndim == 3 else None
    if batch == 0:
        raise ShapeError(f"w has shape {matrix.shape}, no matrices; expects at least one")
    if array.ndim == 0 or array.shape[-1] != k:
        raise ShapeError(f"x has shape {array.shape}; expects [..., {k}] for w {matrix.shape}")
    if k == 0:
        raise ShapeError(f"w has shape {matrix.shape}, no inputs; expects at least one")
    rows = _with_whole_rows(
        array.reshape(-1, k) if batch is None else _as_batch(array, batch, f"w {matrix.shape}")
    )
    leading = array.shape[:-1] if batch is None else rows.shape[:-1]
    standard = x_name if x_name in FLOATS else "f16"
    out_name = standard if out_dtype is None else float_name(out_dtype, "out_dtype", tuple(RESULTS))
    epilogue = Epilogue.check(
        leading,
        n,
        x_name if x_name in FLOATS else "f32",
        batch,
        activation=activation,
        bias=bias,
        row_scale=row_scale,
        column_scale=column_scale,
        residual=residual,
        out_scale=out_scale,
    )
    where = hardware.device(device).name
    dense = _with_whole_rows(matrix)

    def run(y: NDArray) -> dict[str, Any] | None:
        return runtime().matmul(
            rows,
            dense,
            layout == "nk",
            epilogue.to_native(),
            y,
            where,
            schedule,
            deterministic,
            detail(),
        )

    y = _run(run, (*rows.shape[:-1], epilogue.outputs), RESULTS[out_name], where)
    return like(y.reshape(*leading, epilogue.outputs), x)


def _run(
    run: Callable[[NDArray], dict[str, Any] | None],
    shape: tuple[int, ...],
    dtype: DTypeLike,
    where: str,
) -> NDArray:
    """The result of a kernel that writes an array; notes the launch in the profile."""
    y = np.empty(shape, dtype)
    if y.size:
        note_facts(run(y), where)
    return y


def _as_rows(x: NDArray, weights: QuantizedTensor) -> NDArray:
    """`x` as a matrix [M, K] that kernels take, columns in the order of the packed weights.

    For a batch of weights [B, M, K].
    """
    if x.ndim == 0 or x.shape[-1] != weights.k:
        raise ShapeError(f"x has shape {x.shape}; expects [..., {weights.k}] for {weights!r}")
    if weights.k == 0:
        raise ShapeError(f"{weights!r} has no inputs; expects at least one")
    if weights.batch is not None:
        return _with_whole_rows(_as_batch(x, weights.batch, repr(weights)))
    rows = x.reshape(-1, weights.k)
    if weights.input_permutation is not None:
        rows = rows[:, weights.input_permutation]
    return _with_whole_rows(rows)


def _as_batch(x: NDArray, batch: int, what: str) -> NDArray:
    """`x` as [batch, M, K], the same rows for each where there are no others."""
    if x.ndim == 2:
        return np.broadcast_to(x, (batch, *x.shape))
    if x.ndim != 3 or len(x) != batch:
        raise ShapeError(f"x has shape {x.shape}; expects [{batch}, M, K] or [M, K] for {what}")
    return x


def _with_whole_rows(array: NDArray) -> NDArray:
    """`array` with contiguous rows that follow each other upwards.

    What is not is copied here, as every array in host memory is on its way to the device.
    """
    is_regular = array.strides[-1] == array.itemsize and min(array.strides) >= 0
    return array if is_regular else np.ascontiguousarray(array)
