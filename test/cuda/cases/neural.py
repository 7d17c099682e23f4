"""Cases of layers of networks."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np

from .model import Empty, Launch, Mutant, Problem, case, exact, within

I32, F16, F32, F64 = np.int32, np.float16, np.float32, np.float64
BF16 = ml_dtypes.bfloat16


def softmax_of(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@case("neural", mutants=[Mutant("BUG_1", "race")])
def softmax(rng):
    x = rng.standard_normal((4, 300), F32) * 4
    want = softmax_of(x.astype(F64))
    # __expf of x has a relative error of (2 + 1.173 |x|) ulp, |x| < 32 here; the sum and
    # the quotient add less than 16.
    return Problem(
        {"x": x, "y": Empty((4, 300), F32)},
        [Launch("softmax", 4, 128, ["x", "y", I32(300)])],
        {"y": within(want, want * 2.0**-24 * 2 * (40 + 16 + 300 / 128))},
    )


@case("neural")
def layer_norm(rng):
    x = rng.standard_normal((3, 200)).astype(F16)
    w, b = rng.standard_normal((2, 200), F32)
    wide = x.astype(F64)
    centred = wide - wide.mean(1, keepdims=True)
    want = centred / np.sqrt((centred**2).mean(1, keepdims=True) + F64(F32(1e-5))) * w + b
    # Rounded to half at the end; float errors before it are far below.
    bound = np.spacing(np.abs(want).astype(F16)).astype(F64) * 0.51 + 1e-5
    args = ["x", "w", "b", "y", I32(100), F32(1e-5)]
    return Problem(
        {"x": x, "w": w, "b": b, "y": Empty((3, 200), F16)},
        [Launch("layerNorm", 3, 64, args, shared=800)],
        {"y": within(want, bound)},
    )


@case("neural")
def rotary(rng):
    tokens, heads, size = 5, 2, 16
    x, positions = rng.standard_normal((tokens, heads, size), F32), rng.integers(0, 50, tokens, I32)
    k = np.arange(size // 2)
    angle = positions[:, None] * 10000.0 ** (-2.0 * k / size)
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    a, b = x[..., : size // 2].astype(F64), x[..., size // 2 :].astype(F64)
    want = np.concatenate([a * c - b * s, a * s + b * c], 2)
    # powf has 4 ulp, so an angle up to 50 is off by some 6 * 50 * 2^-24 * 2.
    bound = (np.abs(a) + np.abs(b)).max() * (600 + 8) * 2.0**-24
    return Problem(
        {"x": x, "positions": positions},
        [Launch("rotary", tokens, 32, ["x", "positions", I32(heads), I32(size)])],
        {"x": within(want, bound)},
    )


@case("neural")
def gelu(rng):
    x, bias = rng.standard_normal(400).astype(BF16) * BF16(2), rng.standard_normal(40, F32)
    v = x.astype(F64) + np.tile(bias, 10)
    want = 0.5 * v * (1 + np.tanh(0.7978845608 * (v + 0.044715 * v**3)))
    # Half a bfloat16 ulp; tanhf has 2 ulp near -1, which the sum with 1 makes absolute.
    bound = np.spacing(np.abs(want).astype(BF16)).astype(F64) * 0.51 + np.abs(v) * 2.0**-20
    return Problem(
        {"x": x, "bias": bias, "y": Empty(400, BF16)},
        [Launch("geluBias", 4, 128, ["x", "bias", "y", I32(40), I32(400)])],
        {"y": within(want, bound)},
    )


@case("neural")
def cross_entropy(rng):
    x, labels = rng.standard_normal((8, 100), F32) * 3, rng.integers(0, 100, 8, I32)
    wide = x.astype(F64)
    top = wide.max(1)
    sums = np.log(np.exp(wide - top[:, None]).sum(1))
    want = (top + sums - wide[np.arange(8), labels]).mean()
    # Each loss: below 32, a handful of ulps; and some 2 ulp for each of the rescalings.
    return Problem(
        {"x": x, "labels": labels, "loss": np.zeros(1, F32)},
        [Launch("crossEntropy", 8, 32, ["x", "labels", "loss", I32(100)])],
        {"loss": within(want, 64 * 2.0**-24 * 32)},
    )


@case("neural")
def top4(rng):
    x = np.round(rng.standard_normal((4, 150)) * 20).astype(F32)  # with ties
    order = np.argsort(-x, 1, kind="stable")[:, :4]
    return Problem(
        {"x": x, "values": Empty((4, 4), F32), "places": Empty((4, 4), I32)},
        [Launch("top4", 4, 32, ["x", "values", "places", I32(150)])],
        {
            "values": exact(np.take_along_axis(x, order, 1)),
            "places": exact(order.astype(I32)),
        },
    )


@case("neural", mutants=[Mutant("BUG_2", "race")])
def attention(rng):
    heads, length, size = 2, 64, 32
    q, k, v = rng.standard_normal((3, heads, length, size)).astype(F16)
    scale = 1 / math.sqrt(size)
    scores = q.astype(F64) @ k.astype(F64).transpose(0, 2, 1) * scale
    scores[:, np.triu(np.ones((length, length), bool), 1)] = -np.inf
    p = softmax_of(scores)
    want = p @ v.astype(F64)
    # Probabilities rounded to half (2^-11 relative), doubled for all else, which is in
    # float: exponentials of differences below 16, products and sums.
    bound = 2 * 2.0**-11 * (p @ np.abs(v).astype(F64)) + 1e-6
    return Problem(
        {"q": q, "k": k, "v": v, "out": Empty((heads, length, size), F32)},
        [Launch("attention", (2, heads), 64, ["q", "k", "v", "out", I32(length), F32(scale)])],
        {"out": within(want, bound)},
    )
