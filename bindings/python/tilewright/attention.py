"""Attention: softmax(q k^T) v, for every combination of masks, biases and head layouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .arrays import like, to_numpy
from .attention_arguments import (
    Layout,
    attention_constants,
    attention_operands,
    check_shapes,
    cumulative_lengths,
    factor_tensors,
    head_tensor,
    run_attention,
)
from .block_lists import BlockList, block_function, block_operands
from .block_mask import BlockMask
from .errors import ShapeError, UnsupportedError
from .hardware import Device


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
    block_mask: BlockMask | BlockList | None = None,
    k_factors: ArrayLike | Any | None = None,
    v_factors: ArrayLike | Any | None = None,
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
        v: [B, Sk, Hkv, Dv]. D and Dv are multiples of 8, D up to 576, Dv up to 512.
            Where it is a slice of `k` from the first column on, `k[..., :Dv]`, both are
            loaded once.
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
        block_mask: which blocks of keys each block of rows sees; others are not visited. A
            `BlockList`, or what `create_block_mask` returns, whose function then takes the place
            of `mask_mod`; rows count from 0 in it, so positions must, too: Sq is Sk, or `q_offset`
            is Sq - Sk.
        k_factors: [B, Sk, Hkv, Rk] of the dtype of `k`: keys are products of tensors (tensor
            product attention), head h's `sum_r k_factors[:, :, h, r] * k[:, :, r]`, in float32 with
            one rounding. `k` is [B, Sk, Rk, D] then; ranks are 1 to 16.
        v_factors: [B, Sk, Hkv, Rv], the same of `v`; both or none.
        q_offset: int, or int32 [B].
        return_lse: return the logarithm of each row's sum of exponentials, too.
        layout: "bshd" as above, or "bhsd": [B, H, S, D], as torch has it.
        deterministic: bits do not depend on the batch either: where there are few queries,
            and blocks share their keys, these are summed up in chunks of a fixed length.
            Results have the same bits in each run with or without.
        device: where to run; None for the first GPU, else the emulated device.
        schedule: the kernel's schedule as text, "attention{...}"; None for the default of
            the device.

    Returns:
        [B, Sq, Hq, Dv] in the layout and kind of array of `q`; with `return_lse` also
        float32 [B, Hq, Sq], natural logarithms without the sinks. A row that sees no key
        is 0, its logarithm -inf. A score that a function or cap makes less than -2^26 counts
        as hidden.

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
    tensors = {
        name: head_tensor(value, name, layout) for name, value in (("q", q), ("k", k), ("v", v))
    }
    tensors |= factor_tensors(k_factors, v_factors, tensors, layout)
    shape = check_shapes(tensors, layout)
    constants = attention_constants(shape[3], scale, causal, window, softcap, deterministic)
    if block_mask is not None:
        mask_mod = block_function(block_mask, mask_mod, tensors, q_offset)
        keys = tensors.get("k_factors", tensors["k"])
        lists, constants["block_size"] = block_operands(
            block_mask, tensors["q"], keys.shape[2], keys.shape[1]
        )
        tensors |= lists
    operands = tensors | attention_operands(
        constants,
        np.full(shape[0], tensors["k"].shape[1]),
        shape[2],
        q_offset,
        alibi_slopes,
        sinks,
        score_mod,
        mask_mod,
    )
    out, lse = run_attention(operands, constants, layout, return_lse, device, schedule)
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
        tensors[name] = head_tensor(array[None], name, "bshd")
    shape = check_shapes(tensors, "bshd")
    starts = {
        "q_starts": cumulative_lengths(cu_seqlens_q, "cu_seqlens_q", shape[1]),
        "k_starts": cumulative_lengths(cu_seqlens_k, "cu_seqlens_k", tensors["k"].shape[1]),
    }
    count = len(starts["q_starts"]) - 1
    if len(starts["k_starts"]) != count + 1:
        raise ShapeError(
            f"cu_seqlens_k has {len(starts['k_starts'])} entries; expects {count + 1} as "
            "cu_seqlens_q has"
        )
    constants = attention_constants(shape[3], scale, causal, window, softcap, deterministic)
    operands = tensors | starts
    operands |= attention_operands(
        constants,
        np.diff(starts["k_starts"]),
        shape[2],
        q_offset,
        alibi_slopes,
        sinks,
        score_mod,
        mask_mod,
    )
    out, lse = run_attention(operands, constants, "bshd", return_lse, device, schedule)
    result = like(out[0], q)
    return result if lse is None else (result, like(lse[0], q))
