"""Cases of matrix products: ordinary cores, nvcuda::wmma, inline PTX."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from .model import Empty, Launch, Mutant, Problem, case, exact, product_bound, within

I32, U32, U64, F32, F64 = np.int32, np.uint32, np.uint64, np.float32, np.float64
BF16 = ml_dtypes.bfloat16


@case("matmul", mutants=[Mutant("BUG_1", "race")])
def tiled(rng):
    a, b = rng.integers(-99, 99, (37, 50), I32), rng.integers(-99, 99, (50, 41), I32)
    x, y = rng.standard_normal((20, 30)), rng.standard_normal((30, 11))
    return Problem(
        {"a": a, "b": b, "c": Empty((37, 41), I32), "x": x, "y": y, "z": Empty((20, 11), F64)},
        [
            Launch("matmulInt", (3, 3), (16, 16), ["a", "b", "c", I32(37), I32(41), I32(50)]),
            Launch("matmulDouble", (2, 3), (8, 8), ["x", "y", "z", I32(20), I32(11), I32(30)]),
        ],
        {"c": exact(a @ b), "z": within(x @ y, product_bound(x, y, 2.0**-52))},
    )


@case("matmul", mutants=[Mutant("BUG_2", "race", "uninitialised"), Mutant("BUG_3", "misaligned")])
def registers(rng):
    a, b = rng.standard_normal((64, 64), F32), rng.standard_normal((64, 128), F32)
    args = ["a", "b", "c", I32(64), I32(128), I32(64)]
    return Problem(
        {"a": a, "b": b, "c": Empty((64, 128), F32)},
        [Launch("sgemm64", (2, 1), 256, args)],
        {"c": within(a.astype(F64) @ b, product_bound(a, b))},
    )


@case("matmul")
def matrix_vector(rng):
    a, x = rng.standard_normal((30, 200), F32), rng.standard_normal((200, 1), F32)
    return Problem(
        {"a": a, "x": x, "y": Empty((30, 1), F32)},
        [Launch("gemv", 8, 128, ["a", "x", "y", I32(30), I32(200)], shared=800)],
        {"y": within(a.astype(F64) @ x, product_bound(a, x))},
    )


@case("matmul")
def linear_systems(rng):
    n = 12
    a = rng.uniform(-1, 1, (3, n, n)) + n * np.eye(n)[rng.permutation(n)]
    x = rng.integers(-9, 9, (3, n)).astype(F64)
    right = (a @ x[..., None])[..., 0]
    # Well conditioned: a permutation times 12 and noise below 12 in norm; the condition
    # number is measured, 100 n^2 u covers growth with pivoting.
    bound = 100 * n * n * 2.0**-53 * np.linalg.cond(a).max() * np.abs(x).max()
    return Problem(
        {"a": a, "right": right, "x": Empty((3, n), F64)},
        [Launch("solve", 3, 64, ["a", "right", "x", I32(n)], shared=n * (n + 1) * 8)],
        {"x": within(x, bound)},
    )


def halves(rng, shape, dtype=np.float16):
    return rng.standard_normal(shape).astype(dtype)


# Tensor cores truncate each product and the sum to 24 bits and more below the largest
# term: twice the rounding error of a sum in float32.
TENSOR = 2.0**-23


@case("matmul_wmma")
def half_to_float(rng):
    a, b, c = (
        halves(rng, (32, 48)),
        halves(rng, (48, 40))[:, :32],
        rng.standard_normal((32, 32), F32),
    )
    b = np.ascontiguousarray(b)
    terms = np.concatenate([a, np.eye(32, dtype=F32)], 1), np.concatenate([b, c], 0)
    return Problem(
        {"a": a, "b": np.ascontiguousarray(b.T), "c": c},
        [Launch("wmmaHalf", (1, 2), 64, ["a", "b", "c", I32(32), I32(32), I32(48)])],
        {"c": within(a.astype(F64) @ b.astype(F64) + c, product_bound(*terms, TENSOR))},
    )


@case("matmul_wmma", mutants=[Mutant("BUG_1", "race", "uninitialised")])
def through_shared(rng):
    a, b = (
        rng.integers(-3, 4, (64, 64)).astype(np.float16),
        rng.integers(-3, 4, (64, 64)).astype(np.float16),
    )
    want = (a.astype(F64) @ b.astype(F64)) * 0.5  # small whole numbers: exact in half
    return Problem(
        {"a": a, "b": b, "c": Empty((64, 64), np.float16)},
        [Launch("wmmaShared", (2, 2), 128, ["a", "b", "c", I32(64), I32(64), F32(0.5)])],
        {"c": exact(want.astype(np.float16))},
    )


@case("matmul_wmma")
def flat_shapes(rng):
    a, b = halves(rng, (48, 8), BF16), halves(rng, (48, 32), BF16)
    x, y = a.astype(F64), b.astype(F64)
    return Problem(
        {"a": a, "b": b, "wide": Empty((8, 32), F32), "tall": Empty((8, 32), F32)},
        [Launch("wmmaFlat", 1, 32, ["a", "b", "wide", "tall", I32(48)])],
        {
            "wide": within(x.T @ y, product_bound(x.T, y, TENSOR)),
            "tall": within(x.T @ y, product_bound(x.T, y, TENSOR)),  # column-major
        },
    )


@case("matmul_wmma")
def bytes_and_doubles(rng):
    a, b = rng.integers(-128, 128, (32, 64), np.int8), rng.integers(-128, 128, (64, 32), np.int8)
    x, y = rng.standard_normal((16, 20)), rng.standard_normal((20, 16))
    return Problem(
        {"a": a, "b": b, "c": Empty((32, 32), I32), "x": x, "y": y, "z": Empty((16, 16), F64)},
        [
            Launch("wmmaBytes", (2, 2), 32, ["a", "b", "c", I32(32), I32(64)]),
            Launch("wmmaDouble", (2, 2), 32, ["x", "y", "z", I32(16), I32(20)]),
        ],
        {
            "c": exact(a.astype(I32) @ b.astype(I32)),
            "z": within(x @ y, product_bound(x, y, 2.0**-53)),
        },
    )


def to_tf32(x: np.ndarray) -> np.ndarray:
    """Nearest, ties away from zero: what cvt.rna.tf32.f32 does."""
    return ((x.view(U32) + 0x1000) & 0xFFFFE000).astype(U32).view(F32)


@case("matmul_wmma")
def tf32(rng):
    a, b = rng.standard_normal((32, 24), F32), rng.standard_normal((24, 32), F32)
    x, y = to_tf32(a).astype(F64), to_tf32(b).astype(F64)
    return Problem(
        {"a": a, "b": b, "c": Empty((32, 32), F32)},
        [Launch("wmmaTf32", (2, 2), 32, ["a", "b", "c", I32(32), I32(24)])],
        {"c": within(x @ y, product_bound(x, y, TENSOR))},
    )


RING = [Mutant(f"BUG_{i}", "async-read-early", "race") for i in (1, 2, 3, 4)]


@case("matmul_mma", mutants=RING)
def ring_of_stages(rng):
    m, n, k = 64, 128, 160
    a, b = halves(rng, (m, k)), halves(rng, (k, n))
    return Problem(
        {"a": a, "b": b, "c": Empty((m, n), F32)},
        [
            Launch(
                "matmulRing",
                (n // 64, m // 64),
                128,
                ["a", "b", "c", I32(n), I32(k)],
                shared=3 * 8192,
            )
        ],
        {"c": within(a.astype(F64) @ b.astype(F64), product_bound(a, b, TENSOR))},
    )


@case("matmul_types")
def integers(rng):
    def problem(name, k, low_a, high_a, low_b, high_b):
        a, b = rng.integers(low_a, high_a, (16, k), I32), rng.integers(low_b, high_b, (k, 8), I32)
        return name, a, b

    sets = [
        problem("mmaS8", 32, -128, 128, -128, 128),
        problem("mmaU8S8", 32, 0, 256, -128, 128),
        problem("mmaS4", 64, -8, 8, -8, 8),
        problem("mmaU4", 64, 0, 16, 0, 16),
    ]
    buffers, launches, expected = {}, [], {}
    for name, a, b in sets:
        buffers |= {name + "A": a, name + "B": b, name + "C": Empty((16, 8), I32)}
        launches.append(Launch(name, 1, 32, [name + "A", name + "B", name + "C"]))
        expected[name + "C"] = exact(a @ b)
    return Problem(buffers, launches, expected)


@case("matmul_types")
def floats(rng):
    a, b = halves(rng, (16, 16), BF16), halves(rng, (16, 8), BF16)
    x, y = rng.standard_normal((16, 8), F32), rng.standard_normal((8, 8), F32)
    cut = [(v.view(U32) & 0xFFFFE000).astype(U32).view(F32).astype(F64) for v in (x, y)]
    d, e, f = rng.standard_normal((8, 4)), rng.standard_normal((4, 8)), rng.standard_normal((8, 8))
    wide = a.astype(F64), b.astype(F64)
    terms = np.concatenate([d, np.eye(8)], 1), np.concatenate([e, f], 0)
    return Problem(
        {
            "a": a.view(np.uint16).astype(I32), "b": b.view(np.uint16).astype(I32),
            "c": Empty((16, 8), F32), "x": x, "y": y, "z": Empty((16, 8), F32),
            "d": d, "e": e, "f": f,
        },
        [
            Launch("mmaBf16", 1, 32, ["a", "b", "c"]),
            Launch("mmaTf32", 1, 32, ["x", "y", "z"]),
            Launch("mmaDouble", 1, 32, ["d", "e", "f"]),
        ],
        {
            "c": within(wide[0] @ wide[1], product_bound(*wide, TENSOR)),
            "z": within(cut[0] @ cut[1], product_bound(*cut, TENSOR)),
            "f": within(d @ e + f, product_bound(*terms, 2.0**-53)),
        },
    )  # fmt: skip


@case("matmul_types", targets=["sm_90"])
def fp8(rng):
    a = rng.standard_normal((16, 32)).astype(ml_dtypes.float8_e4m3fn)
    wide_a = rng.standard_normal((16, 32)).astype(ml_dtypes.float8_e5m2)
    b = rng.standard_normal((32, 8)).astype(ml_dtypes.float8_e4m3fn)

    def codes(values):
        return values.view(np.uint8).astype(I32)

    x, w, y = a.astype(F64), wide_a.astype(F64), b.astype(F64)
    return Problem(
        {
            "a": codes(a), "w": codes(wide_a), "b": codes(b),
            "c": Empty((16, 8), F32), "d": Empty((16, 8), F32),
        },
        [Launch("mmaE4m3", 1, 32, ["a", "b", "c"]), Launch("mmaE5m2", 1, 32, ["w", "b", "d"])],
        {
            "c": within(x @ y, product_bound(x, y, TENSOR)),
            "d": within(w @ y, product_bound(w, y, TENSOR)),
        },
    )  # fmt: skip


@case("matmul_types")
def bits(rng):
    a, b = rng.integers(0, 1 << 32, (16, 8), U32), rng.integers(0, 1 << 32, (8, 8), U32)
    wide_a, wide_b = (np.unpackbits(v.view(np.uint8), axis=1).astype(I32) for v in (a, b))
    both = wide_a @ wide_b.T
    differ = wide_a.sum(1)[:, None] + wide_b.sum(1)[None] - 2 * both
    return Problem(
        {"a": a, "b": b, "differ": Empty((16, 8), I32), "both": Empty((16, 8), I32)},
        [Launch("mmaBits", 1, 32, ["a", "b", "differ", "both"])],
        {"differ": exact(differ), "both": exact(both)},
    )
