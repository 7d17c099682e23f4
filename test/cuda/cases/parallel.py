"""Cases of parallel building blocks: reductions, scans, sorts, histograms."""

from __future__ import annotations

import numpy as np

from .model import Empty, Launch, Mutant, Problem, Struct, case, exact, sum_bound, within

I32, U32, I64, U64, F32, F64 = np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64


def blocks_of(values: np.ndarray, size: int) -> np.ndarray:
    """Sums of `size` values each, the last of what is left."""
    padded = np.pad(values, (0, -len(values) % size))
    return padded.reshape(-1, size).sum(1, dtype=values.dtype)


@case("reduce", mutants=[Mutant("BUG_1", "race")])
def interleaved(rng):
    x = rng.integers(-999, 999, 1000, I32)
    return Problem(
        {"x": x, "out": Empty(4, I32)},
        [Launch("reduceInterleaved", 4, 256, ["x", "out", I32(1000)], shared=1024)],
        {"out": exact(blocks_of(x, 256))},
    )


@case("reduce", mutants=[Mutant("BUG_2", "race", "uninitialised")])
def sequential(rng):
    x = rng.integers(-999, 999, 1000, I32)
    return Problem(
        {"x": x, "out": Empty(4, I32)},
        [Launch("reduceSequential", 4, 128, ["x", "out", I32(1000)], shared=512)],
        {"out": exact(blocks_of(x, 256))},
    )


@case("reduce")
def volatile_warp(rng):
    x = rng.integers(-999, 999, 1500, I32)
    stride = np.arange(1500) // 256 % 2
    return Problem(
        {"x": x, "out": Empty(2, I32)},
        [Launch("reduceVolatileWarp", 2, 256, ["x", "out", I32(1500)])],
        {"out": exact(np.array([x[stride == 0].sum(), x[stride == 1].sum()], I32))},
    )


@case("reduce", mutants=[Mutant("BUG_3", "race", "uninitialised")])
def syncwarp(rng):
    x = rng.integers(-999, 999, (8, 64), I32)
    return Problem(
        {"x": x, "out": Empty(8, I32)},
        [Launch("reduceSyncwarp", 2, 128, ["x", "out"])],
        {"out": exact(x.sum(1, dtype=I32))},
    )


@case("reduce")
def shuffle(rng):
    x = rng.standard_normal(3000, F32)
    return Problem(
        {"x": x, "small": np.zeros(1, F32), "large": np.zeros(1, F32)},
        [
            Launch("reduceShuffle128", 3, 128, ["x", "small", I32(3000)]),
            Launch("reduceShuffle512", 2, 512, ["x", "large", I32(3000)]),
        ],
        {name: within(x.sum(dtype=F64), sum_bound(x)) for name in ("small", "large")},
    )


@case("reduce")
def sum_and_argmax(rng):
    x = rng.standard_normal(4000, F32)
    # Compensated sums: 2 u |sum| and second order in each of 32 lanes, then five plain
    # additions of partial sums.
    bound = 2.0**-22 * np.abs(x).sum(dtype=F64) / 32 + sum_bound(np.abs(x).reshape(32, -1).sum(1))
    return Problem(
        {"x": x, "sum": Empty(1, F32), "largest": Empty(1, F32), "where": Empty(1, I32)},
        [Launch("sumAndArgmax", 1, 32, ["x", I32(1000), "sum", "largest", "where"])],
        {
            "sum": within(x.sum(dtype=F64), bound),
            "largest": exact(x.max()),
            "where": exact(x.argmax(), I32),
        },
    )


@case("last_block", mutants=[Mutant("BUG_2", "race", "uninitialised")])
def sum_threadfence(rng):
    x = rng.integers(-999, 999, 3000, I32)
    launch = Launch("sumThreadfence", 6, 128, ["x", I32(3000), "parts", "total"])
    return Problem(
        {"x": x, "parts": Empty(6, I32), "total": Empty(1, I32)},
        [launch, launch],  # the counter wraps, so it works twice
        {"total": exact(x.sum(), I32)},
    )


@case("last_block", mutants=[Mutant("BUG_1", "race")])
def column_sums(rng):
    x = rng.integers(-999, 999, (40, 70), I32)
    args = ["x", I32(40), I32(70), "parts", "ticket", "sums"]
    return Problem(
        {"x": x, "parts": Empty((5, 70), I32), "ticket": np.zeros(1, U32), "sums": Empty(70, I32)},
        [Launch("columnSums", 5, 64, args)],
        {"sums": exact(x.sum(0, dtype=I32))},
    )


@case("last_block", mutants=[Mutant("BUG_3", "race")])
def column_maxima(rng):
    x = rng.integers(-999, 999, (40, 70), I32)
    args = ["x", I32(40), I32(70), "parts", "ticket", "maxima"]
    return Problem(
        {
            "x": x,
            "parts": Empty((5, 70), I32),
            "ticket": np.zeros(1, U32),
            "maxima": Empty(70, I32),
        },
        [Launch("columnMaxima", 5, 64, args)],
        {"maxima": exact(x.max(0))},
    )


@case("scan", mutants=[Mutant("BUG_1", "race")])
def double_buffered(rng):
    x = rng.integers(-99, 99, 256, I32)
    return Problem(
        {"x": x, "out": Empty(256, I32)},
        [Launch("scanDoubleBuffered", 1, 256, ["x", "out", I32(256)], shared=2048)],
        {"out": exact((np.cumsum(x) - x).astype(I32))},
    )


@case("scan", mutants=[Mutant("BUG_2", "race")])
def work_efficient(rng):
    x = rng.integers(-99, 99, 512, I32)
    return Problem(
        {"x": x, "out": Empty(512, I32)},
        [Launch("scanWorkEfficient", 1, 256, ["x", "out", I32(512)])],
        {"out": exact((np.cumsum(x) - x).astype(I32))},
    )


@case("scan", mutants=[Mutant("BUG_3", "uninitialised")])
def three_launches(rng):
    x, n = rng.integers(-99, 99, 1000, I32), I32(1000)
    return Problem(
        {"x": x, "out": Empty(1000, I32), "sums": Empty(8, I32), "unused": Empty(1, I32)},
        [
            Launch("scanBlocks", 8, 128, ["x", "out", "sums", n]),
            Launch("scanBlocks", 1, 32, ["sums", "sums", "unused", I32(8)]),
            Launch("addOffsets", 8, 128, ["out", "sums", n]),
        ],
        {"out": exact(np.cumsum(x).astype(I32))},
    )


@case("scan")
def compaction(rng):
    # One warp: the order of the warps is not fixed.
    x = rng.integers(0, 99, 30, I32)
    kept = x[x % 2 == 0]
    out = np.full(32, -1, I32)
    want = out.copy()
    want[: kept.size] = kept
    return Problem(
        {"x": x, "out": out, "count": np.zeros(1, I32)},
        [Launch("compactEven", 1, 32, ["x", "out", "count", I32(30)])],
        {"out": exact(want), "count": exact(kept.size, I32)},
    )


@case("lookback", mutants=[Mutant("BUG_1", "race"), Mutant("BUG_2", "race")])
def flags_and_fences(rng):
    x = rng.integers(-99, 99, 1200, I32)
    tiles = np.zeros(10, I32)
    args = ["x", "out", I32(1200), Struct(("flags", "sums", "prefixes")), "ticket"]
    return Problem(
        {
            "x": x, "out": Empty(1200, I32), "flags": tiles, "sums": Empty(10, I32),
            "prefixes": Empty(10, I32), "ticket": np.zeros(1, U32),
        },
        [Launch("scanFlagsAndFences", 10, 128, args)],
        {"out": exact(np.cumsum(x).astype(I32))},
    )  # fmt: skip


@case("lookback")
def packed_words(rng):
    x = rng.integers(-99, 99, 3000, I32)
    return Problem(
        {"x": x, "out": Empty(3000, I32), "words": np.zeros(47, U64), "ticket": np.zeros(1, U32)},
        [Launch("scanPackedWords", 47, 64, ["x", "out", I32(3000), "words", "ticket"])],
        {"out": exact(np.cumsum(x).astype(I32))},
    )


@case("lookback", mutants=[Mutant("BUG_3", "race")])
def chained(rng):
    x = rng.integers(-99, 99, 1200, I32)
    args = ["x", "out", I32(1200), "prefixes", "flags", "ticket"]
    return Problem(
        {
            "x": x, "out": Empty(1200, I32), "prefixes": Empty(10, I32),
            "flags": np.zeros(10, I32), "ticket": np.zeros(1, U32),
        },
        [Launch("scanChained", 10, 128, args)],
        {"out": exact(np.cumsum(x).astype(I32))},
    )  # fmt: skip


@case("radix_sort", mutants=[Mutant("BUG_1", "race")])
def radix(rng):
    keys, n = rng.integers(0, 1 << 16, 500, U32), I32(500)
    launches = []
    here, there = ("k0", "v0"), ("k1", "v1")
    for shift in range(0, 16, 4):
        launches += [
            Launch("countDigits", 4, 128, [here[0], "counts", n, I32(shift)]),
            Launch("scanCounts", 1, 128, ["counts", I32(64)]),
            Launch("scatterDigits", 4, 128, [*here, *there, "counts", n, I32(shift)]),
        ]
        here, there = there, here
    order = np.argsort(keys, kind="stable")
    return Problem(
        {
            "k0": keys, "v0": np.arange(500, dtype=U32), "k1": Empty(500, U32),
            "v1": Empty(500, U32), "counts": Empty(64, U32),
        },
        launches,
        {"k0": exact(keys[order]), "v0": exact(order.astype(U32))},
    )  # fmt: skip


@case("radix_sort", mutants=[Mutant("BUG_2", "race")])
def bitonic(rng):
    x = rng.integers(-999, 999, 512, I32)
    return Problem(
        {"x": x},
        [Launch("bitonicSort", 1, 128, ["x", I32(512)], shared=2048)],
        {"x": exact(np.sort(x))},
    )


@case("radix_sort")
def merge(rng):
    a, b = np.sort(rng.integers(0, 500, 300, I32)), np.sort(rng.integers(0, 500, 421, I32))
    return Problem(
        {"a": a, "b": b, "out": Empty(721, I32)},
        [Launch("mergePath", 2, 64, ["a", I32(300), "b", I32(421), "out", I32(7)])],
        {"out": exact(np.sort(np.concatenate([a, b])))},
    )


@case(
    "histogram",
    mutants=[Mutant("BUG_1", "uninitialised"), Mutant("BUG_2", "race", "uninitialised")],
)
def shared_bins(rng):
    x = rng.integers(0, 256, 2000, np.uint8) & rng.integers(0, 256, 2000, np.uint8)
    return Problem(
        {"x": x, "bins": np.zeros(256, U32)},
        [Launch("histogramShared", 4, 128, ["x", "bins", I32(2000)])],
        {"bins": exact(np.bincount(x, minlength=256).astype(U32))},
    )


@case("histogram")
def per_warp(rng):
    x = rng.integers(0, 256, 4000, np.uint8)
    return Problem(
        {"x": x.view(U32), "partial": Empty((4, 64), U32), "bins": Empty(64, U32)},
        [
            Launch("histogramPerWarp", 4, 128, ["x", "partial", I32(1000)]),
            Launch("mergeHistograms", 64, 32, ["partial", "bins", I32(4)]),
        ],
        {"bins": exact(np.bincount(x >> 2, minlength=64).astype(U32))},
    )


@case("histogram")
def aggregated(rng):
    x = rng.integers(0, 10, 500, I32)
    return Problem(
        {"x": x, "bins": np.zeros(10, U32)},
        [Launch("histogramAggregated", 4, 128, ["x", "bins", I32(500)])],
        {"bins": exact(np.bincount(x, minlength=10).astype(U32))},
    )


@case("histogram")
def byte_counters(rng):
    x = rng.integers(0, 256, 2 * 12 * 64, np.uint8)
    return Problem(
        {"x": x, "bins": np.zeros(16, U32)},
        [Launch("histogramBytes", 2, 64, ["x", "bins", I32(12)])],
        {"bins": exact(np.bincount(x & 15, minlength=16).astype(U32))},
    )


@case("histogram")
def levels(rng):
    x = rng.standard_normal(500, F32)
    edges = np.array([-2, -1, -0.25, 0, 0.5, 1.5, 3], F32)
    want = np.histogram(x[x < 3], edges)[0]
    return Problem(
        {"x": x, "levels": edges, "counts": np.zeros(6, U64)},
        [Launch("histogramLevels", 4, 128, ["x", "levels", I32(6), "counts", I32(500)])],
        {"counts": exact(want.astype(U64))},
    )
