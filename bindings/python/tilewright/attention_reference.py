"""What `attention` should give, in float64 and in the kernel's own precisions.

Straight from the definition: all scores at once, no tiles, no running maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import to_numpy


@dataclass(frozen=True)
class AttentionReference:
    """Arrays for `testing.assert_within_bound`, in the layout of the arguments.

    Attributes:
        ref: the result in float64.
        low: scores, sums and the result in float32, exponentials rounded to the dtype of v
            before they multiply it, the result rounded once.
        lse, lse_low: logarithms [B, H, S] in float64 and float32.
        visible: which keys each row sees, [B, H, Sq, Sk].
    """

    ref: NDArray[np.float64]
    low: NDArray
    lse: NDArray[np.float64]
    lse_low: NDArray[np.float32]
    visible: NDArray[np.bool_]


def attention_reference(
    q: NDArray,
    k: NDArray,
    v: NDArray,
    *,
    scale: float | None = None,
    causal: bool = False,
    window: tuple[int, int] = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: ArrayLike | None = None,
    sinks: ArrayLike | None = None,
    score_mod: Callable[..., Any] | None = None,
    mask_mod: Callable[..., Any] | None = None,
    q_offset: int | ArrayLike | None = None,
    k_scales: NDArray | None = None,
    v_scales: NDArray | None = None,
    weight_factor: float = 1.0,
    layout: str = "bshd",
) -> AttentionReference:
    """The arguments are those of `attention`; functions get arrays [B, Hq, Sq, Sk].

    Scales [B, Sk, Hkv] are those of codes, k and v then the codes as numbers of the dtype of
    q, and `weight_factor` the F of nn.attention.
    """
    q, k, v = (to_numpy(a, "array") for a in (q, k, v))
    if layout == "bshd":
        q, k, v = (a.transpose(0, 2, 1, 3) for a in (q, k, v))
    batch, heads, queries, size = q.shape
    keys, ratio = k.shape[2], heads // k.shape[1]
    k, v = np.repeat(k, ratio, 1), np.repeat(v, ratio, 1)
    k_factors, v_factors = (
        None if scales is None else np.repeat(scales.transpose(0, 2, 1), ratio, 1)[:, :, None]
        for scales in (k_scales, v_scales)
    )
    b, h, i, j = np.ogrid[:batch, :heads, :queries, :keys]
    p = i + keys - queries
    if q_offset is not None:
        p = p + np.broadcast_to(np.asarray(q_offset), (batch,)).reshape(-1, 1, 1, 1)

    visible = np.ones((batch, heads, queries, keys), bool)
    if causal:
        visible &= j <= p
    left, right = window
    if left >= 0:
        visible &= j >= p - left
    if right >= 0:
        visible &= j <= p + right
    if mask_mod is not None:
        visible &= np.asarray(mask_mod(b, h, p, j), bool)

    def compute(dtype: type) -> tuple[NDArray, NDArray]:
        factor = np.float32(size**-0.5 if scale is None else scale).astype(dtype)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            s = q.astype(dtype) @ k.astype(dtype).swapaxes(2, 3)
            if k_factors is not None:
                s = s * k_factors.astype(dtype)
            s = s * factor
            if softcap:
                s = dtype(softcap) * np.tanh(s / dtype(softcap))
            if alibi_slopes is not None:
                slopes = np.atleast_2d(np.asarray(alibi_slopes, dtype))[:, :, None, None]
                s = s - slopes * np.abs(p - j).astype(dtype)
            if score_mod is not None:
                s = np.broadcast_to(np.asarray(score_mod(s, b, h, p, j)), s.shape).astype(dtype)
            s = np.where(visible, s, -np.inf)
            top = s.max(axis=3, keepdims=True, initial=-np.inf)
            shift = np.where(np.isneginf(top), 0, top)
            e = np.exp(s - shift)
            total = e.sum(3, keepdims=True, dtype=dtype)
            lse = (shift + np.log(total))[..., 0]
            if sinks is not None:
                total = total + np.exp(np.asarray(sinks, dtype)[None, :, None, None] - shift)
            if v_factors is not None:
                e = e * (v_factors.astype(dtype) * dtype(weight_factor))
                total = total * dtype(weight_factor)
            if dtype is np.float32:
                e = e.astype(v.dtype).astype(dtype)
            return (e @ v.astype(dtype)) / np.where(total == 0, 1, total), lse

    (ref, lse), (low, lse_low) = compute(np.float64), compute(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        low = low.astype(q.dtype)
    if layout == "bshd":
        ref, low = ref.transpose(0, 2, 1, 3), low.transpose(0, 2, 1, 3)
    return AttentionReference(ref, low, lse, lse_low, visible)
