"""The problems that are timed and compared, and weights for them."""

from __future__ import annotations

import dataclasses

import numpy as np
import tilewright as tw

#: (K, N): the square of Llama-3 8B's attention and its MLP, the same of Llama-3 70B
#: (config.json of meta-llama/Meta-Llama-3-8B and -70B: hidden_size, intermediate_size).
LAYERS = [(4096, 4096), (4096, 14336), (8192, 8192), (8192, 28672)]
ROWS = [1, 2, 4, 8, 16, 32, 64, 256, 1024, 4096]
FORMATS = ["u4", "u8", "u3", "u6", "f6e3m2", "f4e2m1"]
GROUP = 128

#: For a run on the emulated device.
DRY_LAYERS = [(256, 128)]
DRY_ROWS = [1, 16, 64]


@dataclasses.dataclass(frozen=True)
class Problem:
    """x [m, k] in float16 times packed weights [k, n]."""

    m: int
    k: int
    n: int
    format: str

    def __str__(self) -> str:
        return f"{self.format} M={self.m} K={self.k} N={self.n}"


def make_weights(format: str, k: int, n: int, seed: int = 0) -> tw.QuantizedTensor:
    """Random codes with scales that make results of about 1: faster than rounding floats."""
    rng = np.random.default_rng([seed, k, n])
    weight = tw.formats.parse_weight_format(format)
    numbers = np.flatnonzero(np.isfinite(weight.numbers)) + weight.min_code
    codes = numbers[rng.integers(0, len(numbers), (n, k), np.uint8)].astype(np.int16)
    spread = np.std(weight.numbers[np.isfinite(weight.numbers)])
    groups = (n, -(-k // GROUP))
    scales = (rng.uniform(0.5, 1.5, groups) / spread / np.sqrt(k)).astype(np.float16)
    zeros = None
    if weight.is_integer:
        zeros = rng.integers(weight.min_code, weight.max_code + 1, groups).astype(np.int16)
    return tw.QuantizedTensor.from_codes(
        codes, scales, zeros, format=format, layout="nk", group_size=GROUP
    )


def make_x(m: int, k: int, seed: int = 0) -> np.ndarray:
    """Normal activations."""
    return np.random.default_rng([seed, m, k]).standard_normal((m, k)).astype(np.float16)
