"""Arguments of attention: checked, and as the kernel takes them."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import hardware
from ._extension import runtime
from .arrays import to_numpy
from .errors import ArgumentError, ShapeError, UnsupportedError
from .formats import float_name
from .hardware import Device
from .profiling import detail, note_facts
from .tracing import trace

Layout = Literal["bshd", "bhsd"]

#: The largest head sizes that kernels take: of q and k, and of v.
LARGEST_HEAD = 576
LARGEST_VALUE_HEAD = 512
_HEAD_STEP = 8
#: Ranks of factored keys and values.
MOST_RANKS = 16
#: Windows and offsets from here on are beyond every sequence.
_FAR = 1 << 30


def attention_constants(
    size: int,
    scale: float | None,
    causal: bool,
    window: tuple[int, int],
    softcap: float,
    deterministic: bool = False,
) -> dict[str, str]:
    """What a kernel is compiled for, as texts."""
    return {
        "deterministic": "true" if deterministic else "false",
        "scale": _number(size**-0.5 if scale is None else scale, "scale", above=0),
        "softcap": _number(softcap, "softcap", least=0),
        "causal": "true" if causal else "false",
        "window": ",".join(str(side) for side in _window(window)),
    }


def attention_operands(
    constants: dict[str, str],
    keys: NDArray,
    heads: int,
    q_offset: Any,
    alibi_slopes: Any,
    sinks: Any,
    score_mod: Callable[..., Any] | None,
    mask_mod: Callable[..., Any] | None,
) -> dict[str, Any]:
    """What a kernel reads beside q, k and v; functions are added to `constants`.

    `keys`: how many each batch or sequence has.
    """
    batch = len(keys)
    offsets = _offsets(q_offset, batch)
    extents = {
        "batch": batch,
        "head": heads,
        "query": int((keys if offsets is None else keys + offsets).max(initial=0)),
        "key": int(keys.max(initial=0)),
    }
    traced = trace(score_mod, mask_mod, extents)
    constants |= {"score": traced.score or "", "mask": traced.mask or ""}
    return {
        "q_offset": offsets,
        "alibi_slopes": _vector(alibi_slopes, "alibi_slopes", ((heads,), (batch, heads))),
        "sinks": _vector(sinks, "sinks", ((heads,),)),
        "captures": [np.ascontiguousarray(array) for array in traced.operands],
    }


def run_attention(
    operands: dict[str, Any],
    constants: dict[str, str],
    layout: Layout,
    return_lse: bool,
    device: str | Device | None,
    schedule: str | None,
) -> tuple[NDArray, NDArray | None]:
    """The result [B, S, H, D], in memory in the order of `layout`, and the logarithms."""
    where = hardware.device(device).name
    batch, rows, heads, _ = operands["q"].shape
    values = count_columns(operands["v"])
    out = _allocate((batch, rows, heads, values), operands["q"].dtype, layout)
    lse = np.empty((batch, heads, rows), np.float32) if return_lse else None
    if out.size:
        arrays = {**operands, "o": out, "lse": lse}
        note_facts(runtime().attention(arrays, constants, where, schedule, detail()), where)
    return out, lse


def head_tensor(value: ArrayLike | Any, name: str, layout: Layout) -> NDArray:
    """[B, S, H, D] with contiguous heads, whatever the layout of `value`."""
    array = to_numpy(value, name)
    float_name(array.dtype, f"dtype of {name}", ("f16", "bf16"))
    if array.ndim != 4:
        axes = "B, S, H, D" if layout == "bshd" else "B, H, S, D"
        raise ShapeError(f"{name} has shape {array.shape}; expects [{axes}]")
    if layout == "bhsd":
        array = array.transpose(0, 2, 1, 3)
    # Other arrays are copied here, as every array in host memory is on its way to the device.
    steps = [stride for stride, extent in zip(array.strides, array.shape, strict=True)]
    is_regular = steps[3] == array.itemsize and min(steps) >= 0
    is_whole = all(step % array.itemsize == 0 for step in steps)
    return array if is_regular and is_whole else np.ascontiguousarray(array)


def factor_tensors(
    k_factors: Any, v_factors: Any, arrays: dict[str, NDArray], layout: Layout
) -> dict[str, NDArray]:
    """The factors of k and v, which fit these."""
    if (k_factors is None) != (v_factors is None):
        missing = "k_factors" if k_factors is None else "v_factors"
        raise ArgumentError(f"{missing} is None; expects factors of both k and v, or of none")
    if k_factors is None:
        return {}
    found = {}
    for name, value, of in (("k_factors", k_factors, "k"), ("v_factors", v_factors, "v")):
        factors = found[name] = head_tensor(value, name, layout)
        rows = arrays[of]
        if factors.dtype != rows.dtype:
            raise UnsupportedError(
                f"{name} is {factors.dtype.name} and {of} {rows.dtype.name}; supported: one dtype"
            )
        batch, keys, ranks, _ = rows.shape
        if factors.shape[:2] != (batch, keys) or factors.shape[3] != ranks:
            raise ShapeError(
                f"{name} has shape {factors.shape}; expects batch, length and, last, the ranks of "
                f"{of}: [{batch}, {keys}, heads, {ranks}]"
            )
        if not 1 <= ranks <= MOST_RANKS:
            raise UnsupportedError(f"{of} has {ranks} ranks; supported: 1 to {MOST_RANKS}")
    if found["k_factors"].shape[2] != found["v_factors"].shape[2]:
        raise ShapeError(
            f"v_factors has {found['v_factors'].shape[2]} heads; expects "
            f"{found['k_factors'].shape[2]} as k_factors has"
        )
    return found


def check_shapes(arrays: dict[str, NDArray], layout: Layout) -> tuple[int, int, int, int]:
    """Batch, queries, heads of q and head size."""
    q, k, v = arrays["q"], arrays["k"], arrays["v"]

    def show(array: NDArray) -> tuple[int, ...]:
        return array.shape if layout == "bshd" else tuple(array.shape[i] for i in (0, 2, 1, 3))

    for name in ("k", "v"):
        if arrays[name].dtype != q.dtype:
            raise UnsupportedError(
                f"{name} is {arrays[name].dtype.name} and q {q.dtype.name}; supported: one dtype"
            )
    batch, queries, heads, size = q.shape
    if k.shape[0] != batch or k.shape[3] != size:
        raise ShapeError(f"k has shape {show(k)}; expects the batch and head size of q {show(q)}")
    if "k_factors" not in arrays and v.shape[:3] != k.shape[:3]:
        raise ShapeError(f"v has shape {show(v)}; expects batch, length and heads of k {show(k)}")
    check_head_sizes(arrays)
    return batch, queries, heads, size


def check_head_sizes(arrays: dict[str, NDArray]) -> None:
    """Fails on heads that do not go together or that kernels do not take."""
    q, k, v = arrays["q"], arrays.get("k_factors", arrays["k"]), arrays["v"]
    heads = q.shape[2]
    if heads == 0 or k.shape[2] == 0 or heads % k.shape[2]:
        raise ShapeError(
            f"q has {heads} heads and k {k.shape[2]}; expects a multiple of the heads of k"
        )
    check_head_size("q", q.shape[3])
    check_head_size("v", count_columns(v), LARGEST_VALUE_HEAD)


def count_columns(array: NDArray) -> int:
    """Columns of a head: uint8 is two codes of 4 bits."""
    return array.shape[3] * (2 if array.dtype == np.uint8 else 1)


def check_head_size(name: str, size: int, largest: int = LARGEST_HEAD) -> None:
    """Raises UnsupportedError for a head size of the argument `name` that no kernel takes."""
    if size % _HEAD_STEP or not 0 < size <= largest:
        near = min(max(_HEAD_STEP, -(-size // _HEAD_STEP) * _HEAD_STEP), largest)
        raise UnsupportedError(
            f"head size of {name} is {size}; supported: multiples of {_HEAD_STEP} up to "
            f"{largest}, the nearest is {near}"
        )


def _number(value: Any, name: str, *, above: float | None = None, least: float = 0) -> str:
    """A finite number as the text that kernels are known by: what float32 makes of it."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ArgumentError(f"{name} is {value!r}; expects a number")
    narrow = float(np.float32(value))
    if not math.isfinite(narrow) or narrow < least or (above is not None and narrow <= above):
        wanted = f"at least {least}" if above is None else f"greater than {above}"
        raise ArgumentError(f"{name} is {value!r}; expects a finite number {wanted}")
    return repr(narrow)


def _window(window: Any) -> tuple[int, int]:
    try:
        left, right = (int(side) for side in window)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"window is {window!r}; expects (left, right), -1 for no limit"
        ) from None
    if left < -1 or right < -1:
        raise ArgumentError(f"window is {window!r}; expects -1 (no limit) or more on either side")
    return (-1 if left >= _FAR else left), (-1 if right >= _FAR else right)


def _offsets(value: Any, batch: int) -> NDArray | None:
    if value is None:
        return None
    offsets = to_numpy(value, "q_offset")
    if offsets.dtype.kind not in "iu":
        raise ArgumentError(f"q_offset is of {offsets.dtype.name}; expects integers")
    if offsets.shape not in ((), (batch,)):
        raise ShapeError(f"q_offset has shape {offsets.shape}; expects one number, or [{batch}]")
    if offsets.size and np.abs(offsets.astype(np.int64)).max() >= _FAR:
        raise ArgumentError(f"q_offset is {value!r}; expects numbers between -{_FAR} and {_FAR}")
    return np.ascontiguousarray(np.broadcast_to(offsets.astype(np.int32), (batch,)))


def cumulative_lengths(value: Any, name: str, rows: int) -> NDArray:
    """Where sequences start, the end of the last included."""
    starts = to_numpy(value, name)
    if starts.ndim != 1 or len(starts) == 0 or starts.dtype.kind not in "iu":
        raise ShapeError(
            f"{name} is {starts.dtype.name} {list(starts.shape)}; expects int32 [N + 1]"
        )
    if starts[0] != 0 or starts[-1] != rows:
        raise ArgumentError(
            f"{name} goes from {starts[0]} to {starts[-1]}; expects 0 to {rows}, the rows there are"
        )
    falls = np.flatnonzero(np.diff(starts.astype(np.int64)) < 0)
    if falls.size:
        n = int(falls[0])
        raise ArgumentError(
            f"{name} falls from {starts[n]} to {starts[n + 1]} at entry {n + 1}; expects entries "
            "that do not fall"
        )
    return np.ascontiguousarray(starts, np.int32)


def _vector(value: Any, name: str, shapes: tuple[tuple[int, ...], ...]) -> NDArray | None:
    """A float32 array of one of `shapes`."""
    if value is None:
        return None
    array = to_numpy(value, name)
    if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
        raise UnsupportedError(f"{name} is of {array.dtype.name}; expects numbers")
    if array.shape not in shapes:
        wanted = " or ".join(str(list(shape)) for shape in shapes)
        raise ShapeError(f"{name} has shape {array.shape}; expects {wanted}")
    return np.ascontiguousarray(array, np.float32)


def _allocate(shape: tuple[int, ...], dtype: np.dtype, layout: Layout) -> NDArray:
    """[B, S, H, D] that lies in memory in the order of `layout`."""
    if layout == "bshd":
        return np.empty(shape, dtype)
    batch, rows, heads, size = shape
    return np.empty((batch, heads, rows, size), dtype).transpose(0, 2, 1, 3)
