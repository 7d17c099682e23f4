"""What the Triton kernels are run on, without Triton: specialisation, inputs, results.

The PTX is kept in `ptx/`, made by the release that its first line names; `triton_compile.py`
makes it again. Only sm_80: for later GPUs Triton writes wgmma, which the emulated device
does not run yet.
"""

from __future__ import annotations

import hashlib
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import ml_dtypes
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cuda"))

from cases import Empty, Launch, Problem  # noqa: E402
from cases.model import exact, product_bound, within  # noqa: E402

I32, I8, U32, F16, F32, F64 = np.int32, np.int8, np.uint32, np.float16, np.float32, np.float64
BF16 = ml_dtypes.bfloat16


@dataclass(frozen=True)
class TritonCase:
    """A kernel, what it is specialised for, and a problem for it."""

    name: str
    kernel: str
    types: dict[str, str]  # of the arguments that stay arguments
    constants: dict[str, int]
    build: Callable[[np.random.Generator], Problem]
    warps: int = 4
    stages: int = 3

    def problem(self, ptx: str) -> Problem:
        """The problem, with block and shared memory as the compiler chose them.

        The compiler adds parameters for scratch memory, of which these kernels use none.
        """
        problem = self.build(np.random.default_rng(len(self.name)))
        shared = int(re.search(r"shared (\d+)", ptx.split("\n", 1)[0])[1])
        parameters = ptx.split(".entry", 1)[1].split("{", 1)[0].count(".param")
        launches = []
        for launch in problem.launches:
            args = [*launch.args, *[None] * (parameters - len(launch.args))]
            launches.append(replace(launch, block=32 * self.warps, args=args, shared=shared))
        return replace(problem, launches=launches)

    def fingerprint(self) -> str:
        """A hash of all the kernels and of the specialisation."""
        source = (HERE / "kernels.py").read_text()
        parts = (source, self.kernel, self.types, self.constants, self.warps, self.stages)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


TRITON_CASES: dict[str, TritonCase] = {}


def triton_case(kernel: str, types: dict[str, str], **options):
    """Registers the function below as the problem of a kernel."""
    constants = {name: value for name, value in options.items() if name.isupper()}
    settings = {name: value for name, value in options.items() if not name.isupper()}

    def register(build):
        name = build.__name__
        TRITON_CASES[name] = TritonCase(name, kernel, types, constants, build, **settings)
        return build

    return register


@triton_case("vector_add", {"x": "*fp32", "y": "*fp32", "out": "*fp32", "n": "i32"}, BLOCK=256)
def vector_add(rng):
    x, y = rng.standard_normal((2, 1000), F32)
    return Problem(
        {"x": x, "y": y, "out": Empty(1000, F32)},
        [Launch("vector_add", 4, 0, ["x", "y", "out", I32(1000)])],
        {"out": exact(x + y)},
    )


def softmax_of(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@triton_case(
    "softmax",
    {"out": "*fp32", "x": "*fp32", "stride": "i32", "rows": "i32", "columns": "i32"},
    BLOCK=512,
)
def softmax(rng):
    x = rng.standard_normal((10, 400), F32) * 4
    want = softmax_of(x.astype(F64))
    # exp as ex2.approx of a rounded product: (2 + 1.173 |x|) ulp, |x| < 32; the sum and
    # a quotient of 2 ulp besides.
    return Problem(
        {"x": x, "out": Empty((10, 400), F32)},
        [Launch("softmax", 4, 0, ["out", "x", I32(400), I32(10), I32(400)])],
        {"out": within(want, want * 2.0**-23 * 60)},
    )


@triton_case(
    "layer_norm",
    {
        "x": "*fp16", "out": "*fp16", "weight": "*fp32", "bias": "*fp32", "mean_out": "*fp32",
        "scale_out": "*fp32", "stride": "i32", "n": "i32", "eps": "fp32",
    },
    BLOCK=256,
)  # fmt: skip
def layer_norm(rng):
    x = rng.standard_normal((4, 600)).astype(F16)
    w, b = rng.standard_normal((2, 600), F32)
    wide = x.astype(F64)
    mean = wide.mean(1)
    centred = wide - mean[:, None]
    scale = 1 / np.sqrt((centred**2).mean(1) + F64(F32(1e-5)))
    want = centred * scale[:, None] * w + b
    args = ["x", "out", "w", "b", "mean", "scale", I32(600), I32(600), F32(1e-5)]
    return Problem(
        {
            "x": x, "w": w, "b": b, "out": Empty((4, 600), F16), "mean": Empty(4, F32),
            "scale": Empty(4, F32),
        },
        [Launch("layer_norm", 4, 0, args)],
        {
            "out": within(want, np.spacing(np.abs(want).astype(F16)).astype(F64) * 0.51 + 1e-5),
            "mean": within(mean, 16 * 2.0**-24 * np.abs(wide).mean(1)),
            "scale": within(scale, 32 * 2.0**-24 * scale),
        },
    )  # fmt: skip


MATMUL = {
    "a": "*fp16", "b": "*fp16", "c": "*fp16", "m": "i32", "n": "i32", "k": "i32",
    "stride_am": "i32", "stride_bk": "i32", "stride_cm": "i32",
}  # fmt: skip
# Tensor cores cut terms to 24 bits below the largest: 2 u; see the CUDA cases.
TENSOR = 2.0**-23


def matmul_problem(rng, m: int, n: int, k: int, tiles: int, activation: bool) -> Problem:
    a, b = rng.standard_normal((m, k)).astype(F16), rng.standard_normal((k, n)).astype(F16)
    want = a.astype(F64) @ b.astype(F64)
    bound = product_bound(a, b, TENSOR)
    if activation:
        want = np.where(want >= 0, want, 0.01 * want)
    rounding = np.spacing(np.abs(want).astype(F16)).astype(F64) * 0.51
    args = ["a", "b", "c", I32(m), I32(n), I32(k), I32(k), I32(n), I32(n)]
    return Problem(
        {"a": a, "b": b, "c": Empty((m, n), F16)},
        [Launch("matmul", tiles, 0, args)],
        {"c": within(want, bound + rounding)},
    )


# A stride that is a multiple of 16 (":16" in the type) lets loads be 16 bytes wide, hence
# cp.async.
ALIGNED = {
    name: f"{type_}:16"
    if name in ("a", "b", "c", "k", "stride_am", "stride_bk", "stride_cm")
    else type_
    for name, type_ in MATMUL.items()
}


@triton_case(
    "matmul", ALIGNED, warps=4, stages=3,
    BLOCK_M=64, BLOCK_N=64, BLOCK_K=32, GROUP=2, ACTIVATION=0,
)  # fmt: skip
def matmul_pipelined(rng):
    return matmul_problem(rng, 128, 128, 160, 4, False)


@triton_case(
    "matmul", MATMUL, warps=2, stages=2,
    BLOCK_M=32, BLOCK_N=32, BLOCK_K=16, GROUP=4, ACTIVATION=1,
)  # fmt: skip
def matmul_odd_sizes(rng):
    return matmul_problem(rng, 50, 70, 45, 6, True)


ATTENTION = {
    "q": "*fp16:16", "k": "*fp16:16", "v": "*fp16:16", "out": "*fp32:16", "scale": "fp32",
    "length": "i32:16",
}  # fmt: skip


def attention_problem(
    rng, length: int, size: int, block: int, causal: bool, kernel: str = "attention", out=F32
) -> Problem:
    heads, scale = 2, 1 / math.sqrt(size)
    q, k, v = rng.standard_normal((3, heads, length, size)).astype(F16)
    scores = q.astype(F64) @ k.astype(F64).transpose(0, 2, 1) * scale
    if causal:
        scores[:, np.triu(np.ones((length, length), bool), 1)] = -np.inf
    p = softmax_of(scores)
    # Probabilities are rounded to half; doubled for all the rest, which is in float.
    bound = 2 * 2.0**-11 * (p @ np.abs(v).astype(F64)) + 1e-6
    if out is F16:
        bound += 2.0**-11 * np.abs(p @ v.astype(F64))
    return Problem(
        {"q": q, "k": k, "v": v, "out": Empty((heads, length, size), out)},
        [
            Launch(
                kernel,
                (length // block, heads),
                0,
                ["q", "k", "v", "out", F32(scale), I32(length)],
            )
        ],
        {"out": within(p @ v.astype(F64), bound)},
    )


@triton_case("attention", ATTENTION, warps=4, stages=2, SIZE=64, BLOCK_M=64, BLOCK_N=32, CAUSAL=1)
def attention_causal(rng):
    return attention_problem(rng, 128, 64, 64, True)


@triton_case("attention", ATTENTION, warps=2, stages=3, SIZE=32, BLOCK_M=32, BLOCK_N=32, CAUSAL=0)
def attention_full(rng):
    return attention_problem(rng, 128, 32, 32, False)


FLASH = ATTENTION | {"out": "*fp16:16"}


@triton_case("flash_attention", FLASH, warps=4, stages=2, SIZE=64, BLOCK_M=64, BLOCK_N=64, CAUSAL=1)
def flash_attention_64(rng):
    return attention_problem(rng, 128, 64, 64, True, "flash_attention", F16)


@triton_case(
    "flash_attention", FLASH, warps=4, stages=2, SIZE=128, BLOCK_M=64, BLOCK_N=64, CAUSAL=1
)
def flash_attention_128(rng):
    return attention_problem(rng, 128, 128, 64, True, "flash_attention", F16)


@triton_case(
    "flash_attention", FLASH, warps=4, stages=2, SIZE=64, BLOCK_M=128, BLOCK_N=64, CAUSAL=1
)
def flash_attention_tall(rng):
    return attention_problem(rng, 256, 64, 128, True, "flash_attention", F16)


def philox_floats(seed: int, offsets: np.ndarray) -> np.ndarray:
    """tl.rand: the first word of Philox 4x32-10, scaled to [0, 1)."""
    mask = (1 << 32) - 1
    result = []
    for offset in map(int, offsets):
        c, key = [offset, 0, 0, 0], [seed & mask, seed >> 32]
        for _ in range(10):
            first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [
                (second >> 32) ^ c[1] ^ key[0], second & mask,
                (first >> 32) ^ c[3] ^ key[1], first & mask,
            ]  # fmt: skip
            key = [(key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask]
        word = c[0] - (1 << 32) if c[0] >> 31 else c[0]
        result.append(-word - 1 if word < 0 else word)
    # The scale of uint_to_uniform_float: the largest that keeps the result below one.
    return np.array(result, I32).astype(F32) * F32(4.6566127342e-10)


@triton_case(
    "dropout", {"x": "*fp32", "out": "*fp32", "n": "i32", "p": "fp32", "seed": "i32"}, BLOCK=128
)
def dropout(rng):
    x, n, p, seed = rng.standard_normal(500, F32), 500, F32(0.3), 123
    keep = philox_floats(seed, np.arange(n)) > p
    want = np.where(keep, x.astype(F64) / (1 - F64(p)), 0)
    return Problem(
        {"x": x, "out": Empty(n, F32)},
        [Launch("dropout", 4, 0, ["x", "out", I32(n), p, I32(seed)])],
        # A rounded 1 - p and a division of 2 ulp.
        {"out": within(want, np.abs(want) * 2.0**-22 * 1.5)},
    )


@triton_case(
    "scan_rows", {"x": "*i32", "sums": "*i32", "sorted_": "*i32", "columns": "i32"}, BLOCK=256
)
def scan_rows(rng):
    x = rng.integers(-999, 999, (5, 256), I32)
    return Problem(
        {"x": x, "sums": Empty((5, 256), I32), "sorted": Empty((5, 256), I32)},
        [Launch("scan_rows", 5, 0, ["x", "sums", "sorted", I32(256)])],
        {"sums": exact(np.cumsum(x, 1).astype(I32)), "sorted": exact(np.sort(x, 1))},
    )


@triton_case(
    "count_values", {"x": "*i32", "bins": "*i32", "total": "*i32", "n": "i32"}, BLOCK=256, BINS=64
)
def count_values(rng):
    x = rng.integers(0, 64, 900, I32)
    return Problem(
        {"x": x, "bins": np.zeros(64, I32), "total": np.zeros(1, I32)},
        [Launch("count_values", 4, 0, ["x", "bins", "total", I32(900)])],
        {"bins": exact(np.bincount(x, minlength=64).astype(I32)), "total": exact(x.sum(), I32)},
    )


@triton_case(
    "split_k", {"a": "*bf16", "b": "*bf16", "c": "*fp32", "locks": "*i32", "k": "i32"},
    BLOCK=32, BLOCK_K=32,
)  # fmt: skip
def split_k(rng):
    a, b = rng.integers(-4, 5, (32, 128)).astype(BF16), rng.integers(-4, 5, (128, 32)).astype(BF16)
    return Problem(
        {"a": a, "b": b, "c": np.zeros((32, 32), F32), "lock": np.zeros(1, I32)},
        [Launch("split_k", 4, 0, ["a", "b", "c", "lock", I32(128)])],
        {"c": exact((a.astype(F64) @ b.astype(F64)).astype(F32))},  # small whole numbers
    )


@triton_case(
    "byte_matmul", {"a": "*i8", "b": "*i8", "c": "*fp32", "scale": "*fp32", "k": "i32"},
    BLOCK=32, BLOCK_K=64,
)  # fmt: skip
def byte_matmul(rng):
    a, b = rng.integers(-128, 128, (2, 32, 128), I8)
    scale = rng.standard_normal(32, F32)
    total = (a.astype(I32) @ b.astype(I32).T).astype(F32)
    return Problem(
        {"a": a, "b": b, "scale": scale, "c": Empty((32, 32), F32)},
        [Launch("byte_matmul", 1, 0, ["a", "b", "c", "scale", I32(128)])],
        {"c": exact(total * scale[:, None])},
    )


@triton_case(
    "matmul_u4",
    {
        "x": "*fp16:16", "w": "*i32:16", "scales": "*fp16:16", "zeros": "*u8:16", "y": "*fp16:16",
        "m": "i32", "n": "i32:16", "k": "i32:16",
    },
    warps=4, stages=4, BLOCK_M=16, BLOCK_N=64, BLOCK_K=64, GROUP=128,
)  # fmt: skip
def matmul_u4(rng):
    m, n, k, group = 5, 128, 256, 128
    x = rng.integers(-3, 4, (m, k)).astype(F16)
    codes = rng.integers(0, 16, (k, n))
    zeros = rng.integers(0, 16, (k // group, n)).astype(np.uint8)
    scales = (2.0 ** rng.integers(-3, 1, (k // group, n))).astype(F16)
    # Eight codes of a column to a word, the first lowest.
    shifted = codes.reshape(k // 8, 8, n).astype(np.int64) << (4 * np.arange(8))[None, :, None]
    words = shifted.sum(1).astype(U32).view(I32)
    wide = (codes - np.repeat(zeros, group, 0)) * np.repeat(scales.astype(F64), group, 0)
    args = ["x", "w", "scales", "zeros", "y", I32(m), I32(n), I32(k)]
    return Problem(
        {"x": x, "w": words, "scales": scales, "zeros": zeros, "y": Empty((m, n), F16)},
        [Launch("matmul_u4", n // 64, 0, args)],
        {"y": exact((x.astype(F64) @ wide).astype(F16))},  # sums that f32 holds exactly
    )


def read_kept(case: TritonCase) -> str:
    path = HERE / "ptx" / f"{case.name}.ptx"
    return path.read_text() if path.exists() else ""
