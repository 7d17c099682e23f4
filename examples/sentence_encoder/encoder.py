"""The sentence encoder in NumPy, its linear layers left to the caller.

A BERT of post-norm layers. All sentences of a batch are laid one after the other
without padding, so a linear layer sees one matrix of all tokens; attention looks at
each sentence alone. The embedding is the mean over a sentence's tokens, normalised.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from model import Model
from numpy.typing import NDArray
from tilewright.testing import gelu

#: (name of the layer, x [tokens, inputs], activation) -> [tokens, outputs]
Linear = Callable[[str, NDArray, str | None], NDArray]


def encode(model: Model, sentences: list[str], linear: Linear) -> NDArray[np.float32]:
    """Embeddings [sentences, hidden] of unit length."""
    ids = [model.tokenize(sentence) for sentence in sentences]
    edges = np.cumsum([0, *(len(one) for one in ids)])
    spans = [slice(edges[i], edges[i + 1]) for i in range(len(ids))]
    h = _embed(model, ids)
    for layer in range(model.sizes.layers):
        h = _encoder_layer(model, f"encoder.layer.{layer}", h, spans, linear)
    pooled = np.stack([h[span].mean(axis=0) for span in spans])
    return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


def float_linear(model: Model) -> Linear:
    """Linear layers in float32, on the model's own weights."""

    def apply(name: str, x: NDArray, activation: str | None) -> NDArray:
        y = x @ model.tensors[f"{name}.weight"].T + model.tensors[f"{name}.bias"]
        return gelu(y) if activation == "gelu" else y

    return apply


def _embed(model: Model, ids: list[list[int]]) -> NDArray[np.float32]:
    def table(name: str) -> NDArray[np.float32]:
        return model.tensors[f"embeddings.{name}_embeddings.weight"]

    tokens = np.concatenate(ids)
    positions = np.concatenate([np.arange(len(one)) for one in ids])
    h = table("word")[tokens] + table("position")[positions] + table("token_type")[0]
    return _layer_norm(model, "embeddings", h)


def _encoder_layer(
    model: Model, prefix: str, h: NDArray, spans: list[slice], linear: Linear
) -> NDArray[np.float32]:
    q, k, v = (linear(f"{prefix}.attention.self.{p}", h, None) for p in ("query", "key", "value"))
    context = np.concatenate([_attention(q[s], k[s], v[s], model.sizes.heads) for s in spans])
    attended = linear(f"{prefix}.attention.output.dense", context, None)
    h = _layer_norm(model, f"{prefix}.attention.output", h + attended)
    wide = linear(f"{prefix}.intermediate.dense", h, "gelu")
    return _layer_norm(model, f"{prefix}.output", h + linear(f"{prefix}.output.dense", wide, None))


def _attention(q: NDArray, k: NDArray, v: NDArray, heads: int) -> NDArray[np.float32]:
    """Softmax attention of one sentence, [tokens, hidden] in and out."""
    tokens = len(q)
    q, k, v = (t.reshape(tokens, heads, -1).transpose(1, 0, 2) for t in (q, k, v))
    scores = q @ k.transpose(0, 2, 1) / np.float32(np.sqrt(q.shape[-1]))
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return (weights @ v).transpose(1, 0, 2).reshape(tokens, -1)


def _layer_norm(model: Model, name: str, h: NDArray) -> NDArray[np.float32]:
    centred = h - h.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    normal = centred / np.sqrt(variance + np.float32(model.sizes.epsilon))
    weight, bias = (model.tensors[f"{name}.LayerNorm.{part}"] for part in ("weight", "bias"))
    return normal * weight + bias
