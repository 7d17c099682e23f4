"""The sentence encoder in NumPy, its linear layers and its attention left to the caller.

A BERT of post-norm layers. All sentences of a batch are laid one after the other
without padding, so a linear layer sees one matrix of all tokens; attention is told where
sentences start and looks at each one alone. The embedding is the mean over a sentence's
tokens, normalised.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from model import Model
from numpy.typing import NDArray
from tilewright.testing import gelu

#: (name of the layer, x [tokens, inputs], activation) -> [tokens, outputs]
Linear = Callable[[str, NDArray, str | None], NDArray]
#: (name, q [tokens, heads, size], k, v, starts [sentences + 1]) -> [tokens, heads, size]
Attention = Callable[[str, NDArray, NDArray, NDArray, NDArray], NDArray]


def encode(
    model: Model, sentences: list[str], linear: Linear, attention: Attention
) -> NDArray[np.float32]:
    """Embeddings [sentences, hidden] of unit length."""
    ids = [model.tokenize(sentence) for sentence in sentences]
    starts = np.cumsum([0, *(len(one) for one in ids)]).astype(np.int32)
    h = _embed(model, ids)
    for layer in range(model.sizes.layers):
        h = _encoder_layer(model, f"encoder.layer.{layer}", h, starts, linear, attention)
    pooled = np.stack([h[span].mean(axis=0) for span in spans(starts)])
    return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


def spans(starts: NDArray[np.int32]) -> list[slice]:
    """The tokens of each sentence."""
    return [slice(first, end) for first, end in pairwise(starts)]


def float_linear(model: Model) -> Linear:
    """Linear layers in float32, on the model's own weights."""

    def apply(name: str, x: NDArray, activation: str | None) -> NDArray:
        y = x @ model.tensors[f"{name}.weight"].T + model.tensors[f"{name}.bias"]
        return gelu(y) if activation == "gelu" else y

    return apply


def float_attention(
    name: str, q: NDArray, k: NDArray, v: NDArray, starts: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Attention in float32, a sentence at a time; no key is masked."""
    out = np.empty(v.shape, np.float32)
    for span in spans(starts):
        queries, keys, values = (t[span].transpose(1, 0, 2) for t in (q, k, v))
        scores = queries @ keys.transpose(0, 2, 1) / np.float32(np.sqrt(q.shape[-1]))
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        out[span] = (weights @ values).transpose(1, 0, 2)
    return out


def _embed(model: Model, ids: list[list[int]]) -> NDArray[np.float32]:
    def table(name: str) -> NDArray[np.float32]:
        return model.tensors[f"embeddings.{name}_embeddings.weight"]

    tokens = np.concatenate(ids)
    positions = np.concatenate([np.arange(len(one)) for one in ids])
    h = table("word")[tokens] + table("position")[positions] + table("token_type")[0]
    return _layer_norm(model, "embeddings", h)


def _encoder_layer(
    model: Model,
    prefix: str,
    h: NDArray,
    starts: NDArray[np.int32],
    linear: Linear,
    attention: Attention,
) -> NDArray[np.float32]:
    tokens, hidden = h.shape
    q, k, v = (
        linear(f"{prefix}.attention.self.{p}", h, None).reshape(tokens, model.sizes.heads, -1)
        for p in ("query", "key", "value")
    )
    context = attention(f"{prefix}.attention.self", q, k, v, starts).reshape(tokens, hidden)
    attended = linear(f"{prefix}.attention.output.dense", context, None)
    h = _layer_norm(model, f"{prefix}.attention.output", h + attended)
    wide = linear(f"{prefix}.intermediate.dense", h, "gelu")
    return _layer_norm(model, f"{prefix}.output", h + linear(f"{prefix}.output.dense", wide, None))


def _layer_norm(model: Model, name: str, h: NDArray) -> NDArray[np.float32]:
    centred = h - h.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    normal = centred / np.sqrt(variance + np.float32(model.sizes.epsilon))
    weight, bias = (model.tensors[f"{name}.LayerNorm.{part}"] for part in ("weight", "bias"))
    return normal * weight + bias
