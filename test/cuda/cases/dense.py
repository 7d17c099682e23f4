"""Cases of dense arrays: transposes, stencils, convolutions."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from .model import Empty, Launch, Mutant, Problem, case, exact

I32, U32, U64, F32, F64 = np.int32, np.uint32, np.uint64, np.float32, np.float64
BF16 = ml_dtypes.bfloat16


@case(
    "transpose",
    mutants=[
        Mutant("BUG_1", "race", "uninitialised"),
        Mutant("BUG_2", "out-of-bounds", "uninitialised"),
    ],
)
def straight_and_padded(rng):
    x = rng.standard_normal((50, 70), F32)
    args = ["x", None, I32(50), I32(70)]
    grid, block = (3, 2), (32, 8)
    return Problem(
        {"x": x, "naive": Empty((70, 50), F32), "padded": Empty((70, 50), F32)},
        [
            Launch("transposeNaive", grid, block, [args[0], "naive", *args[2:]]),
            Launch("transposePadded", grid, block, [args[0], "padded", *args[2:]]),
        ],
        {"naive": exact(x.T), "padded": exact(x.T)},
    )


@case("transpose", mutants=[Mutant("BUG_3", "race", "uninitialised")])
def swizzled_and_in_place(rng):
    x, y = rng.standard_normal((64, 64)), rng.integers(-99, 99, (64, 64), I32)
    return Problem(
        {"x": x, "out": Empty((64, 64), F64), "y": y},
        [
            Launch("transposeSwizzled", (2, 2), (32, 8), ["x", "out", I32(64)]),
            Launch("transposeInPlace", (2, 2), (32, 8), ["y", I32(64)]),
        ],
        {"out": exact(x.T), "y": exact(y.T)},
    )


@case("transpose")
def byte_squares(rng):
    x = rng.integers(0, 256, (40, 40), np.uint8)
    return Problem(
        {"x": x, "out": Empty((40, 40), np.uint8)},
        [Launch("transposeBytes", (2, 2), (8, 8), ["x", "out", I32(40)])],
        {"out": exact(x.T)},
    )


@case(
    "stencil", mutants=[Mutant("BUG_1", "out-of-bounds"), Mutant("BUG_2", "race", "uninitialised")]
)
def line(rng):
    n = 384  # three full blocks
    x = rng.integers(-99, 99, n, I32)
    want = np.convolve(np.pad(x, 3), [1, 2, 3, 4, 3, 2, 1], "valid")
    return Problem(
        {"x": x, "out": Empty(n, I32)},
        [Launch("stencil1D", 3, 128, ["x", "out", I32(n)])],
        {"out": exact(want.astype(I32))},
    )


@case("stencil")
def jacobi(rng):
    x = rng.integers(-99, 99, (30, 45)).astype(F32)
    p = np.pad(x, 1, "edge")
    want = 0.25 * (p[1:-1, :-2] + p[1:-1, 2:] + p[:-2, 1:-1] + p[2:, 1:-1])
    return Problem(
        {"x": x, "out": Empty((30, 45), F32)},
        [Launch("jacobi2D", (3, 2), (16, 16), ["x", "out", I32(45), I32(30)])],
        {"out": exact(want.astype(F32))},
    )


@case("stencil", mutants=[Mutant("BUG_3", "race")])
def heat(rng):
    x = rng.integers(-99, 99, (6, 14, 40)).astype(F32)
    want, c = x.copy(), F32(0.125)
    core = x[1:-1, 1:-1, 1:-1]
    around = x[:-2, 1:-1, 1:-1] + x[2:, 1:-1, 1:-1] + x[1:-1, :-2, 1:-1]
    around = around + x[1:-1, 2:, 1:-1] + x[1:-1, 1:-1, :-2] + x[1:-1, 1:-1, 2:]
    want[1:-1, 1:-1, 1:-1] = core + c * (around - 6 * core)
    return Problem(
        {"x": x, "out": x.copy()},
        [Launch("heat3D", (2, 2), (32, 8), ["x", "out", I32(40), I32(14), I32(6), c])],
        {"out": exact(want)},
    )


@case("stencil")
def life(rng):
    cells = rng.integers(0, 2, (20, 96), np.uint8)
    around = sum(np.roll(cells, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)) - cells
    want = ((around == 3) | ((around == 2) & (cells == 1))).astype(np.uint8)

    def words(bits):
        return np.packbits(bits, axis=1, bitorder="little").view(U32)

    return Problem(
        {"x": words(cells), "out": Empty((20, 3), U32)},
        [Launch("lifeBits", 1, 64, ["x", "out", I32(3), I32(20)])],
        {"out": exact(words(want))},
    )


@case(
    "convolution",
    mutants=[Mutant("BUG_1", "race", "uninitialised"), Mutant("BUG_2", "out-of-bounds")],
)
def separable(rng):
    x, w = rng.integers(-9, 9, (40, 100)).astype(F32), rng.integers(-4, 5, 17).astype(F32)
    # Weights are not mirrored: a correlation. Whole numbers, so sums are exact.
    rows = np.stack([np.correlate(np.pad(r, 8), w, "valid") for r in x])
    both = np.stack([np.correlate(np.pad(c, 8), w, "valid") for c in rows.T]).T
    assert np.abs(both).max() < 1 << 24
    return Problem(
        {"x": x, "rows": Empty((40, 100), F32), "out": Empty((40, 100), F32)},
        [
            Launch("convolveRows", (2, 40), 64, ["x", "rows", I32(100)]),
            Launch("convolveColumns", (7, 2), (16, 8), ["rows", "out", I32(100), I32(40)]),
        ],
        {"rows": exact(rows), "out": exact(both)},
        symbols={"weights": w},
    )


@case("convolution")
def channels(rng):
    x, f = (
        rng.integers(-128, 128, (5, 18, 20), np.int8),
        rng.integers(-128, 128, (3, 5, 3, 3), np.int8),
    )
    padded = np.pad(x.astype(I32), ((0, 0), (1, 1), (1, 1)))
    want = np.zeros((3, 18, 20), I32)
    for dy in range(3):
        for dx in range(3):
            window = padded[:, dy : dy + 18, dx : dx + 20]
            want += np.einsum("kc,chw->khw", f[:, :, dy, dx].astype(I32), window)
    args = ["x", "f", "out", I32(5), I32(18), I32(20)]
    return Problem(
        {"x": x, "f": f, "out": Empty((3, 18, 20), I32)},
        [Launch("convolve3x3", (2, 3, 3), (16, 8), args, shared=45)],
        {"out": exact(want)},
    )


@case("convolution")
def pooling(rng):
    x = rng.standard_normal((10, 30), F32)
    windows = x.reshape(5, 2, 15, 2).transpose(0, 2, 1, 3).reshape(5, 15, 4)
    best = windows.argmax(2)
    y, column = np.mgrid[:5, :15]
    where = (2 * y + best // 2) * 30 + 2 * column + best % 2
    return Problem(
        {"x": x, "out": Empty((5, 15), F32), "where": Empty((5, 15), I32)},
        [Launch("maxPool", (1, 5), 32, ["x", "out", "where", I32(10), I32(30)])],
        {"out": exact(windows.max(2)), "where": exact(where.astype(I32))},
    )
