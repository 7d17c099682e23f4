"""The Attention operator of ONNX (opset 24 with its errata), in float64.

Written from the operator's published behaviour (onnx.ai/onnx/operators/onnx__Attention.html)
and not from Tilewright's: another route to the same numbers, with conventions of its own.
The order is scale, softcap, bias, masks, softmax. Shapes: q `(B, Hq, Sq, D)`, k `(B, Hkv, Sk,
D)`, v `(B, Hkv, Sk, Dv)`, or rank 3, `(B, S, H * D)`, with both numbers of heads given.
"""

from __future__ import annotations

import math

import numpy as np


def _split_heads(x: np.ndarray, heads: int | None) -> np.ndarray:
    """`(B, S, H * D)` as `(B, H, S, D)`; rank 4 as it is."""
    if x.ndim == 4:
        return x
    batch, length, width = x.shape
    return x.reshape(batch, length, heads, width // heads).transpose(0, 2, 1, 3)


def _visible(
    batch: int, queries: int, keys: int, offset: np.ndarray, is_causal: bool, lengths: np.ndarray
) -> np.ndarray:
    """`(B, 1, Sq, Sk)`: not beyond the sequence, and with `is_causal` not after the query."""
    key = np.arange(keys)
    seen = np.broadcast_to(key < lengths[:, None, None], (batch, queries, keys)).copy()
    if is_causal:
        position = np.arange(queries)[:, None] + offset[:, None, None]
        seen &= key <= position
    return seen[:, None]


def onnx_attention(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    attn_mask: np.ndarray | None = None,
    past_key: np.ndarray | None = None,
    past_value: np.ndarray | None = None,
    nonpad_kv_seqlen: np.ndarray | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    softcap: float = 0.0,
    q_num_heads: int | None = None,
    kv_num_heads: int | None = None,
) -> np.ndarray:
    """Y, of the shape of q but for the head size, which is that of v.

    With `past_key` and `past_value` `(B, Hkv, P, D)` the keys are those, then `k`. A boolean
    `attn_mask` is true where a key takes part, another is added to the scores; it broadcasts
    to `(B, Hq, Sq, P + Sk)`, and a last dimension that is shorter hides what it lacks. With
    `is_causal` query i sees the keys up to `i + offset`, offset being P, or
    `nonpad_kv_seqlen - Sq` of the batch entry, or zero. Rows that see nothing are zero.
    """
    rank = q.ndim
    q, k, v = (
        _split_heads(np.asarray(x, np.float64), heads)
        for x, heads in ((q, q_num_heads), (k, kv_num_heads), (v, kv_num_heads))
    )
    past = 0
    if past_key is not None:
        past = past_key.shape[2]
        k = np.concatenate([np.asarray(past_key, np.float64), k], 2)
        v = np.concatenate([np.asarray(past_value, np.float64), v], 2)
    (batch, q_heads, queries, size), keys = q.shape, k.shape[2]
    group = q_heads // k.shape[1]
    k, v = np.repeat(k, group, 1), np.repeat(v, group, 1)

    root = math.sqrt(1 / math.sqrt(size) if scale is None else scale)
    scores = (q * root) @ (k * root).swapaxes(2, 3)
    if softcap:
        scores = softcap * np.tanh(scores / softcap)
    lengths, offset = np.full(batch, keys), np.full(batch, past)
    if nonpad_kv_seqlen is not None:
        lengths = np.asarray(nonpad_kv_seqlen)
        offset = lengths - queries
    seen = _visible(batch, queries, keys, offset, is_causal, lengths)
    if attn_mask is not None:
        short = keys - attn_mask.shape[-1]
        boolean = attn_mask.dtype == np.bool_
        padding = [(0, 0)] * (attn_mask.ndim - 1) + [(0, short)]
        mask = np.pad(attn_mask, padding, constant_values=False if boolean else -np.inf)
        seen = seen & (mask if boolean else ~np.isneginf(mask))
        scores = scores if boolean else scores + np.where(np.isneginf(mask), 0, mask)
    y = _softmax(np.where(seen, scores, -np.inf)) @ v
    if rank == 3:
        return y.transpose(0, 2, 1, 3).reshape(batch, queries, -1)
    return y


def _softmax(scores: np.ndarray) -> np.ndarray:
    """Along the last axis; rows of nothing but -inf become zero."""
    most = scores.max(-1, keepdims=True, initial=-np.inf)
    e = np.exp(scores - np.where(np.isneginf(most), 0, most))
    total = e.sum(-1, keepdims=True)
    return e / np.where(total == 0, 1, total)
