"""Cases of narrow formats: fp8 conversions, half2 and bfloat162 arithmetic."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from .model import Empty, Launch, Mutant, Problem, case, exact, product_bound, within, within_ulp

I32, U32, F16, F32, F64 = np.int32, np.uint32, np.float16, np.float32, np.float64
BF16, E4M3, E5M2 = ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2
U8, U16 = np.uint8, np.uint16


def encode(values: np.ndarray, kind) -> np.ndarray:
    """fp8 codes, rounded to nearest even, beyond the largest value cut to it."""
    most = float(ml_dtypes.finfo(kind).max)
    wide = values.astype(F64)
    # From float64: ml_dtypes rounds once.
    codes = np.nan_to_num(np.clip(wide, -most, most)).astype(kind).view(U8)
    return np.where(np.isnan(wide), 0x7F, codes).astype(U8)


@case("fp8")
def decode(rng):
    codes = np.arange(256, dtype=U8)
    values = np.stack([codes.view(E4M3).astype(F32), codes.view(E5M2).astype(F32)])
    return Problem(
        {"halves": Empty((2, 256), F16), "floats": Empty((2, 256), F32)},
        [Launch("decode", 2, 256, ["halves", "floats"])],
        {"halves": exact(values.astype(F16)), "floats": exact(values)},
    )


@case("fp8")
def encode_halves(rng):
    codes = np.arange(0, 1 << 16, 7, dtype=U16)  # every exponent, many mantissas
    n, values = codes.size, codes.view(F16)
    return Problem(
        {"x": codes, "e4m3": Empty(n, U8), "e5m2": Empty(n, U8)},
        [Launch("encodeHalves", (n + 255) // 256, 256, ["x", "e4m3", "e5m2", I32(n)])],
        {"e4m3": exact(encode(values, E4M3)), "e5m2": exact(encode(values, E5M2))},
    )


@case("fp8")
def encode_floats(rng):
    x = (rng.standard_normal(2000) * 2.0 ** rng.integers(-20, 20, 2000)).astype(F32)
    middles = np.arange(128, dtype=U8).view(E4M3).astype(F32)
    middles = ((middles[1:] + middles[:-1]) / 2)[:125]  # ties
    x = np.concatenate([x, middles, -middles, np.array([np.inf, -np.inf, np.nan, 0, -0.0], F32)])
    n = x.size
    return Problem(
        {"x": x, "e4m3": Empty(n, U8), "e5m2": Empty(n, U8)},
        [Launch("encodeFloats", (n + 255) // 256, 256, ["x", "e4m3", "e5m2", I32(n)])],
        {"e4m3": exact(encode(x, E4M3)), "e5m2": exact(encode(x, E5M2))},
    )


@case("fp8", mutants=[Mutant("BUG_1", "race", "uninitialised")])
def quantise_rows(rng):
    x = (rng.standard_normal((5, 240)) * 10.0 ** rng.uniform(-4, 4, (5, 1))).astype(F32)
    scale = np.exp2(np.ceil(np.log2(np.abs(x).max(1) / 448.0)))
    return Problem(
        {"x": x, "out": Empty((5, 240), U8), "scales": Empty(5, F32)},
        [Launch("quantiseRows", 5, 64, ["x", "out", "scales", I32(60)])],
        {"out": exact(encode(x / scale[:, None], E4M3)), "scales": exact(scale.astype(F32))},
    )


@case("fp8")
def dot_pairs(rng):
    a, b = rng.standard_normal((3, 200)).astype(E4M3), rng.standard_normal((3, 200)).astype(E5M2)
    x, y = a.astype(F64), b.astype(F64)
    return Problem(
        {"a": a.view(U8), "b": b.view(U8), "out": Empty(3, F32)},
        [Launch("dotPairs", 3, 32, ["a", "b", "out", I32(100)])],
        {"out": within((x * y).sum(1), product_bound(x[:, None], y[..., None])[:, 0, 0])},
    )


@case("fp8")
def from_bfloat(rng):
    x = (rng.standard_normal(400) * 2.0 ** rng.integers(-12, 12, 400)).astype(BF16)
    return Problem(
        {"x": x, "out": Empty(400, U8)},
        [Launch("fromBfloat", 2, 128, ["x", "out", I32(200)])],
        {"out": exact(encode(x, E4M3))},
    )


def pairs(rng, dtype, count: int = 256) -> np.ndarray:
    """Values of which all products and sums of three are exact in float64."""
    x = (rng.standard_normal((count, 2)) * 2.0 ** rng.integers(-6, 4, (count, 2))).astype(dtype)
    x[0] = [0.0, -0.0]
    return x


@case("half_math")
def half2(rng):
    a, b = pairs(rng, F16), pairs(rng, F16)
    x, y = a.astype(F64), b.astype(F64)
    want = np.stack(
        [
            x + y,
            x - y,
            x * y,
            x * y + 0.5,
            np.maximum(x, y),
            np.minimum(x, y),
            -abs(x),
            np.clip(x + y, 0, 1),
            np.maximum(x * y - 1, 0),
            x[:, ::-1],
        ],
        1,
    )
    # A zero of max, min and relu may have either sign in NumPy.
    want[0, 4:6], want[0, 7:9] = [[0, 0], [-0.0, -0.0]], 0
    a[0], b[0] = 0, 0
    want[0] = [
        [0, 0],
        [0, 0],
        [0, 0],
        [0.5, 0.5],
        [0, 0],
        [0, 0],
        [-0.0, -0.0],
        [0, 0],
        [0, 0],
        [0, 0],
    ]
    return Problem(
        {"a": a, "b": b, "out": Empty((256, 10, 2), F16)},
        [Launch("half2Arithmetic", 2, 128, ["a", "b", "out", I32(256)])],
        {"out": exact(want.astype(F16))},
    )


@case("half_math")
def bfloat2(rng):
    a, b = pairs(rng, BF16), pairs(rng, BF16)
    a[0] = b[0] = 1
    a[1, 0], b[2, 1] = np.nan, np.nan
    x, y = a.astype(F64), b.astype(F64)
    want = np.stack(
        [
            x + y,
            x - y,
            x * y,
            x * y + 0.5,
            np.fmax(x, y),
            np.minimum(x, y),
            -abs(x),
            np.stack([x[:, 1], y[:, 0]], 1),
        ],
        1,
    )
    return Problem(
        {"a": a, "b": b, "out": Empty((256, 8, 2), BF16)},
        [Launch("bfloat2Arithmetic", 2, 128, ["a", "b", "out", I32(256)])],
        {"out": exact(want.astype(BF16))},
    )


@case("half_math")
def comparisons(rng):
    a, b = (rng.integers(-2, 3, (2, 128, 2)) / 2).astype(F16)
    a[rng.random((128, 2)) < 0.1] = np.nan
    both = np.array([1, 0x10000], U32)

    def mask(condition, bit):
        return (condition * both * U32(bit)).sum(1).astype(U32)

    want = mask(a == b, 1) | mask(a < b, 2) | mask(~(a < b), 4)
    want |= np.isnan(a[:, 0]) * U32(8)
    # hbne2 is ordered: a NaN is not unequal to anything.
    want |= ((a != b) & ~np.isnan(a)).all(1) * U32(0x10)
    want |= (a[:, 1] > b[:, 1]) * U32(0x20)
    return Problem(
        {"a": a, "b": b, "out": Empty(128, U32)},
        [Launch("comparisons", 1, 128, ["a", "b", "out", I32(128)])],
        {"out": exact(want)},
    )


@case("half_math")
def functions(rng):
    a = rng.uniform(-5, 5, 200).astype(F16)
    x = a.astype(F64)
    shifted = (np.abs(a) + F16(0.25)).astype(F64)
    # cuda_fp16 rounds a result of float functions: the half nearest to one within 2 float
    # ulp. Floor, rint and the division are exact.
    columns = [
        np.exp(x), np.log(abs(x)), np.sqrt(abs(x)), 1 / np.sqrt(shifted), np.sin(x), np.tanh(x),
        1 / x,
    ]  # fmt: skip
    exactly = [np.floor(x), np.rint(x), (1.5 / x).astype(F16).astype(F64)]
    bound = [within_ulp(c, 0.52, F16).bound for c in columns]
    # cuda_fp16.hpp moves the results of a few inputs by an ulp, to make up for how the
    # hardware's ex2 and lg2 round them; correctly rounded ones are then off by that ulp.
    for column, codes in {
        0: [0x1F79, 0x25CF, 0xC13B, 0xC1EF],
        1: [0x160D, 0x3BFE, 0x3C0B, 0x6051],
        4: [0x32B3, 0x5CB0],
    }.items():
        code = a.view(U16) if column == 0 else np.abs(a).view(U16)
        ulp = within_ulp(columns[column], 1, F16).bound
        bound[column] += np.where(np.isin(code, codes), ulp, 0)
    # htanh: tanh.approx.f16
    # has a relative error of 2^-10.987 (PTX ISA, tanh).
    bound[5] = np.abs(columns[5]) * 2.0**-10.987 + bound[5]
    want = np.stack([*columns, *exactly], 1)
    bounds = np.stack([*bound, *(np.zeros(200) for _ in exactly)], 1)
    return Problem(
        {"x": a, "out": Empty((200, 10), F16)},
        [Launch("halfFunctions", 2, 128, ["x", "out", I32(200)])],
        {"out": within(want, bounds)},
    )


def directed(x: np.ndarray, dtype, mode: str) -> np.ndarray:
    """float64 values rounded to a 16-bit format: toward zero, up or down."""
    nearest = x.astype(dtype)
    wide = nearest.astype(F64)
    down, up = np.nextafter(nearest, dtype(-np.inf)), np.nextafter(nearest, dtype(np.inf))
    if mode == "up":
        return np.where(wide < x, up, nearest)
    if mode == "down":
        return np.where(wide > x, down, nearest)
    return np.where(abs(wide) > abs(x), np.where(x > 0, down, up), nearest)


def to_half(x: np.ndarray) -> np.ndarray:
    """Whole numbers to half, infinite beyond its range."""
    with np.errstate(over="ignore"):
        return x.astype(F64).astype(F16)


@case("half_math")
def conversions(rng):
    x = (rng.standard_normal(300) * 2.0 ** rng.integers(-18, 12, 300)).astype(F32)
    wide, bits = x.astype(F64), x.view(I32)
    h = wide.astype(F16)
    columns = [
        h,
        directed(wide, F16, "zero"),
        directed(wide, F16, "up"),
        directed(wide, F16, "down"),
        wide.astype(BF16),
        directed(wide, BF16, "zero"),
        to_half(bits >> 12),
        (wide * 1.0000001).astype(F16),
    ]
    out = np.stack([c.view(U16) for c in columns], 1)
    whole = h.astype(F64)
    integers = np.stack([np.rint(whole), np.clip(np.floor(whole), -32768, 32767)], 1).astype(I32)
    floats = np.stack([h.astype(F32), directed(wide, BF16, "up").astype(F32)], 1)
    args = ["x", "out", "integers", "floats", I32(300)]
    return Problem(
        {
            "x": x,
            "out": Empty((300, 8), U16),
            "integers": Empty((300, 2), I32),
            "floats": Empty((300, 2), F32),
        },
        [Launch("halfConversions", 3, 128, args)],
        {"out": exact(out), "integers": exact(integers), "floats": exact(floats)},
    )


@case("half_math")
def dot(rng):
    # Small whole numbers: exact in half.
    a, b = rng.integers(-4, 5, (2, 512, 2)).astype(F16)
    want = (a.astype(F64) * b.astype(F64)).sum()
    return Problem(
        {"a": a, "b": b, "out": Empty(1, F32)},
        [Launch("dotHalf2", 1, 32, ["a", "b", "out", I32(512)])],
        {"out": exact(want, F32)},
    )
