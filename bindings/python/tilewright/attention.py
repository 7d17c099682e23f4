"""Attention: softmax(q k^T) v, for every combination of masks, biases and head layouts."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import hardware
from ._extension import runtime
from .arrays import like, to_numpy
from .errors import ArgumentError, ShapeError, UnsupportedError
from .formats import float_name
from .hardware import Device
from .profiling import detail, note_facts
from .tracing import trace

Layout = Literal["bshd", "bhsd"]

#: Head sizes that kernels take.
LARGEST_HEAD = 256
_HEAD_STEP = 8
#: Windows and offsets from here on are beyond every sequence.
_FAR = 1 << 30


def attention(
    q: ArrayLike | Any,
    k: ArrayLike | Any,
    v: ArrayLike | Any,
    *,
    scale: float | None = None,
    causal: bool = False,
    window: tuple[int, int] = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: ArrayLike | Any | None = None,
    sinks: ArrayLike | Any | None = None,
    score_mod: Callable[..., Any] | None = None,
    mask_mod: Callable[..., Any] | None = None,
    q_offset: int | ArrayLike | Any | None = None,
    return_lse: bool = False,
    layout: Layout = "bshd",
    deterministic: bool = False,
    device: str | Device | None = None,
    schedule: str | None = None,
) -> Any:
    """Attends from each row of `q` to the rows of `k` and sums those of `v`.

    Row i of `q` has the position `p = i + Sk - Sq + q_offset`, row j of `k` the position j:
    without an offset the last query and the last key are at one position.

    Args:
        q: float16 or bfloat16 [B, Sq, Hq, D], any strides; NumPy or CPU torch.
        k: [B, Sk, Hkv, D], of the dtype of `q`. Hkv divides Hq; head h of `q` reads head
            `h // (Hq / Hkv)`.
        v: [B, Sk, Hkv, Dv]. D and Dv are multiples of 8, up to 256.
        scale: factor of the products of q and k; None for `D ** -0.5`.
        causal: only keys with `j <= p` are visible.
        window: (left, right): only keys with `p - left <= j <= p + right`; -1 is no limit.
        softcap: not 0: scores become `softcap * tanh(score / softcap)`.
        alibi_slopes: float32 [Hq] or [B, Hq]: `slope * |p - j|` is taken off scores.
        sinks: float32 [Hq]: logits that join the denominator of each row of their head.
        score_mod: `f(score, batch, head, query, key) -> score`, applied last, with the
            positions p and j; a Python function of the operations in `tracing.py`.
        mask_mod: `f(batch, head, query, key) -> bool`: whether a key is visible, beside
            what else hides it. Tiles of keys that it hides are computed all the same.
        q_offset: int, or int32 [B].
        return_lse: return the logarithm of each row's sum of exponentials, too.
        layout: "bshd" as above, or "bhsd": [B, H, S, D], as torch has it.
        deterministic: accepted and already so: results have the same bits in each run.
        device: where to run; None for the first GPU, else the emulated device.
        schedule: the kernel's schedule as text, "attention{...}"; None for the default of
            the device.

    Returns:
        [B, Sq, Hq, Dv] in the layout and kind of array of `q`; with `return_lse` also
        float32 [B, Hq, Sq], natural logarithms without the sinks. A row that sees no key
        is 0, its logarithm -inf.

    Products of q and k are exact and summed in float32 in the order of the tensor cores;
    scores and the softmax are float32; exponentials are taken relative to the running
    maximum of a row and rounded to the dtype of `v` before they multiply it; one division
    and one rounding end a row. Hidden scores have no effect, NaN or not. A value of `v` that
    is no number has one on all rows of a tile of which some row sees it.

    Raises:
        ShapeError: the shapes do not fit each other.
        ArgumentError: a scale, window or other number that has no meaning.
        UnsupportedError: a dtype, head size, function or device that no kernel handles.
        ResourceError: `schedule` does not fit the device.
        CompileError, DeviceError: the kernel could not be compiled; the device failed.
    """
    if layout not in ("bshd", "bhsd"):
        raise UnsupportedError(f"layout is {layout!r}; supported: 'bshd', 'bhsd' (as torch)")
    tensors = {name: _tensor(value, name, layout) for name, value in (("q", q), ("k", k), ("v", v))}
    shape = _check_shapes(tensors, layout)
    constants = _constants(shape[3], scale, causal, window, softcap)
    operands = tensors | _operands(
        constants,
        np.full(shape[0], tensors["k"].shape[1]),
        shape[2],
        q_offset,
        alibi_slopes,
        sinks,
        score_mod,
        mask_mod,
    )
    out, lse = _run(operands, constants, layout, return_lse, device, schedule)
    result = like(out if layout == "bshd" else out.transpose(0, 2, 1, 3), q)
    return result if lse is None else (result, like(lse, q))


def attention_varlen(
    q: ArrayLike | Any,
    k: ArrayLike | Any,
    v: ArrayLike | Any,
    cu_seqlens_q: ArrayLike | Any,
    cu_seqlens_k: ArrayLike | Any,
    *,
    scale: float | None = None,
    causal: bool = False,
    window: tuple[int, int] = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: ArrayLike | Any | None = None,
    sinks: ArrayLike | Any | None = None,
    score_mod: Callable[..., Any] | None = None,
    mask_mod: Callable[..., Any] | None = None,
    q_offset: int | ArrayLike | Any | None = None,
    return_lse: bool = False,
    deterministic: bool = False,
    device: str | Device | None = None,
    schedule: str | None = None,
) -> Any:
    """The same for sequences that lie behind each other, each attending to its own keys.

    Args:
        q: [Tq, Hq, D]: the rows of all sequences.
        k: [Tk, Hkv, D].
        v: [Tk, Hkv, Dv].
        cu_seqlens_q: int32 [N + 1]: sequence n has rows `cu_seqlens_q[n]` up to
            `cu_seqlens_q[n + 1]` of `q`. It begins with 0, ends with Tq and never falls.
        cu_seqlens_k: the same for `k` and `v`. Sequences may be empty.
        alibi_slopes: float32 [Hq] or [N, Hq].
        q_offset: int, or int32 [N].
        scale, causal, window, softcap, sinks, score_mod, mask_mod, return_lse, deterministic,
            device, schedule: as for `attention`, lengths and positions being those within
            a sequence, and the batch that functions get its number.

    Returns:
        [Tq, Hq, Dv], the kind of array `q` is; with `return_lse` also float32 [Hq, Tq].

    One kernel, for any number of sequences and any lengths: the host knows neither.

    Raises: as `attention`.
    """
    tensors = {}
    for name, value in (("q", q), ("k", k), ("v", v)):
        array = to_numpy(value, name)
        if array.ndim != 3:
            raise ShapeError(f"{name} has shape {array.shape}; expects [T, H, D]")
        tensors[name] = _tensor(array[None], name, "bshd")
    shape = _check_shapes(tensors, "bshd")
    starts = {
        "q_starts": _starts(cu_seqlens_q, "cu_seqlens_q", shape[1]),
        "k_starts": _starts(cu_seqlens_k, "cu_seqlens_k", tensors["k"].shape[1]),
    }
    count = len(starts["q_starts"]) - 1
    if len(starts["k_starts"]) != count + 1:
        raise ShapeError(
            f"cu_seqlens_k has {len(starts['k_starts'])} entries; expects {count + 1} as "
            "cu_seqlens_q has"
        )
    constants = _constants(shape[3], scale, causal, window, softcap)
    operands = tensors | starts
    operands |= _operands(
        constants,
        np.diff(starts["k_starts"]),
        shape[2],
        q_offset,
        alibi_slopes,
        sinks,
        score_mod,
        mask_mod,
    )
    out, lse = _run(operands, constants, "bshd", return_lse, device, schedule)
    result = like(out[0], q)
    return result if lse is None else (result, like(lse[0], q))


def _constants(
    size: int, scale: float | None, causal: bool, window: tuple[int, int], softcap: float
) -> dict[str, str]:
    """What a kernel is compiled for, as texts."""
    return {
        "scale": _number(size**-0.5 if scale is None else scale, "scale", above=0),
        "softcap": _number(softcap, "softcap", least=0),
        "causal": "true" if causal else "false",
        "window": ",".join(str(side) for side in _window(window)),
    }


def _operands(
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


def _run(
    operands: dict[str, Any],
    constants: dict[str, str],
    layout: Layout,
    return_lse: bool,
    device: str | Device | None,
    schedule: str | None,
) -> tuple[NDArray, NDArray | None]:
    """The result [B, S, H, D], in memory in the order of `layout`, and the logarithms."""
    where = hardware.device(device).name
    (batch, rows, heads, _), values = operands["q"].shape, operands["v"].shape[3]
    out = _allocate((batch, rows, heads, values), operands["q"].dtype, layout)
    lse = np.empty((batch, heads, rows), np.float32) if return_lse else None
    if out.size:
        arrays = {**operands, "o": out, "lse": lse}
        note_facts(runtime().attention(arrays, constants, where, schedule, detail()), where)
    return out, lse


def _tensor(value: ArrayLike | Any, name: str, layout: Layout) -> NDArray:
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


def _check_shapes(arrays: dict[str, NDArray], layout: Layout) -> tuple[int, int, int, int]:
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
    if v.shape[:3] != k.shape[:3]:
        raise ShapeError(f"v has shape {show(v)}; expects batch, length and heads of k {show(k)}")
    if heads == 0 or k.shape[2] == 0 or heads % k.shape[2]:
        raise ShapeError(
            f"q has {heads} heads and k {k.shape[2]}; expects a multiple of the heads of k"
        )
    check_head_size("q", size)
    check_head_size("v", v.shape[3])
    return batch, queries, heads, size


def check_head_size(name: str, size: int) -> None:
    """Raises UnsupportedError for a head size of the argument `name` that no kernel takes."""
    if size % _HEAD_STEP or not 0 < size <= LARGEST_HEAD:
        near = min(max(_HEAD_STEP, -(-size // _HEAD_STEP) * _HEAD_STEP), LARGEST_HEAD)
        raise UnsupportedError(
            f"head size of {name} is {size}; supported: multiples of {_HEAD_STEP} up to "
            f"{LARGEST_HEAD}, the nearest is {near}"
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


def _starts(value: Any, name: str, rows: int) -> NDArray:
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
