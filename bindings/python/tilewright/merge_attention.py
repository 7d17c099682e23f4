"""Parts of attention, each over some of the keys, put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import hardware
from ._extension import runtime
from .arrays import like, to_numpy
from .attention_arguments import Layout
from .errors import ShapeError, UnsupportedError
from .formats import OPERANDS, float_name
from .hardware import Device
from .profiling import detail, note_facts

#: Parts that one launch reads.
MOST_PARTS = 16
_DTYPES = ("f16", "bf16", "f32")


def merge_attention(
    outs: Sequence[ArrayLike | Any] | ArrayLike | Any,
    lses: Sequence[ArrayLike | Any] | ArrayLike | Any,
    *,
    out_dtype: DTypeLike | None = None,
    layout: Layout = "bshd",
    device: str | Device | None = None,
    schedule: str | None = None,
) -> tuple[Any, Any]:
    """Attention over all keys from attention over parts of them.

    With `m = max_i lses[i]` and `weight[i] = exp(lses[i] - m)`, for each batch, head and row:

        out = sum_i weight[i] * outs[i] / sum_i weight[i]
        lse = m + log(sum_i weight[i])

    Args:
        outs: parts from `attention(..., return_lse=True)`: float16, bfloat16 or float32
            [B, S, H, Dv] each, any strides; or one array [parts, B, S, H, Dv].
        lses: their log-sum-exps, float32 [B, H, S] each, or [parts, B, H, S].
        out_dtype: float16, bfloat16 or float32; None for that of `outs`.
        layout: "bshd" as above, or "bhsd": parts [B, H, S, Dv], as torch has it.
        device: where to run; None for the first GPU, else the emulated device.
        schedule: the kernel's schedule as text, "merge_attention{...}"; None for the
            default of the device.

    Returns:
        out, of the shape and kind of a part, and lse, float32 [B, H, S].

    A part whose log-sum-exp is -inf saw no key and has no effect, whatever it holds; a row
    that no part saw is 0, its log-sum-exp -inf. Sums are float32 in the order of the parts,
    with one rounding, so the same parts give the same bits. More than 16 parts take
    several launches, 16 parts to one of float32 at a time.

    Raises:
        ShapeError: the shapes do not fit each other, or there are no parts.
        UnsupportedError: a dtype or device that no kernel handles.
        ResourceError: `schedule` does not fit the device.
        CompileError, DeviceError: the kernel could not be compiled; the device failed.
    """
    if layout not in ("bshd", "bhsd"):
        raise UnsupportedError(f"layout is {layout!r}; supported: 'bshd', 'bhsd' (as torch)")
    parts = [_part(part, f"outs[{i}]", layout) for i, part in enumerate(outs)]
    logarithms = [_logarithms(lse, f"lses[{i}]") for i, lse in enumerate(lses)]
    _check_shapes(parts, logarithms)
    wanted = parts[0].dtype
    if out_dtype is not None:
        wanted = OPERANDS[float_name(out_dtype, "out_dtype", _DTYPES)]
    where = hardware.device(device).name
    while len(parts) > MOST_PARTS:
        groups = range(0, len(parts), MOST_PARTS)
        merged = [
            _merge(parts[i : i + MOST_PARTS], logarithms[i : i + MOST_PARTS], np.float32, where,
                   schedule)
            for i in groups
        ]  # fmt: skip
        parts, logarithms = (list(column) for column in zip(*merged, strict=True))
        parts = [part.astype(np.float32, copy=False) for part in parts]
    out, lse = _merge(parts, logarithms, wanted, where, schedule)
    first = outs[0]
    return like(out if layout == "bshd" else out.transpose(0, 2, 1, 3), first), like(lse, first)


def _merge(
    parts: list[NDArray],
    lses: list[NDArray],
    dtype: DTypeLike,
    where: str,
    schedule: str | None,
) -> tuple[NDArray, NDArray]:
    out, lse = np.empty(parts[0].shape, dtype), np.empty(lses[0].shape, np.float32)
    if out.size:
        facts = runtime().merge_attention(parts, lses, out, lse, where, schedule, detail())
        note_facts(facts, where)
    return out, lse


def _part(value: ArrayLike | Any, name: str, layout: Layout) -> NDArray:
    """[B, S, H, Dv] with contiguous heads, whatever the layout of `value`."""
    array = to_numpy(value, name)
    float_name(array.dtype, f"dtype of {name}", _DTYPES)
    if array.ndim != 4:
        axes = "B, S, H, Dv" if layout == "bshd" else "B, H, S, Dv"
        raise ShapeError(f"{name} has shape {array.shape}; expects [{axes}]")
    return _regular(array if layout == "bshd" else array.transpose(0, 2, 1, 3))


def _logarithms(value: ArrayLike | Any, name: str) -> NDArray:
    array = to_numpy(value, name)
    float_name(array.dtype, f"dtype of {name}", ("f32",))
    if array.ndim != 3:
        raise ShapeError(f"{name} has shape {array.shape}; expects [B, H, S]")
    return _regular(array)


def _regular(array: NDArray) -> NDArray:
    """Strides that kernels take: whole elements, none negative, 1 along the last axis."""
    steps = array.strides
    is_whole = all(step % array.itemsize == 0 and step >= 0 for step in steps)
    return array if is_whole and steps[-1] == array.itemsize else np.ascontiguousarray(array)


def _check_shapes(parts: list[NDArray], lses: list[NDArray]) -> None:
    if not parts or len(parts) != len(lses):
        raise ShapeError(
            f"there are {len(parts)} outs and {len(lses)} lses; expects as many, at least one"
        )
    batch, rows, heads, size = parts[0].shape
    if size == 0:
        raise ShapeError("outs have heads of size 0; expects at least 1")
    for i, (part, lse) in enumerate(zip(parts, lses, strict=True)):
        if part.shape != parts[0].shape or part.dtype != parts[0].dtype:
            raise ShapeError(
                f"outs[{i}] is {part.dtype} of shape {part.shape} (batch, rows, heads, size); "
                f"expects that of outs[0], {parts[0].dtype} {parts[0].shape}"
            )
        if lse.shape != (batch, heads, rows):
            raise ShapeError(f"lses[{i}] has shape {lse.shape}; expects {(batch, heads, rows)}")
