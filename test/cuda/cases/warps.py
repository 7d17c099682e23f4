"""Cases of threads of a block that meet: warps and named barriers."""

from __future__ import annotations

import numpy as np

from .model import Empty, Launch, Mutant, Problem, case, exact

I32, U32, I64, U64, F32, F64 = np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64


def horner(values: np.ndarray, factor: int) -> np.ndarray:
    """sum = sum * factor + value along the first axis, wrapping at 32 bits."""
    total = np.zeros(values.shape[1:], I64)
    for value in values:
        total = (total * factor + value) & 0xFFFFFFFF
    return total.astype(U32).view(I32)


@case("warp", mutants=[Mutant("BUG_4", "warp-sync", "deadlock")])
def shuffles(rng):
    x = rng.integers(-99, 99, (2, 32), I32)
    lane = np.arange(32)

    def take(source, valid=True):
        return x[:, np.where(valid, source, lane)]

    up3 = np.where(lane >= 3, lane - 3, lane)
    want = np.stack(
        [
            take(np.full(32, 5)),
            take(lane // 8 * 8 + lane * 3 % 8),
            take(lane - 1, lane >= 1),
            take(lane + 2, lane % 16 + 2 < 16),
            take(lane ^ 21),
            np.where(lane < 16, take(lane ^ 8), -1),
            take(lane + 1, lane < 31),
            take(up3) + up3,
        ],
        2,
    )
    return Problem(
        {"x": x, "out": Empty((2, 32, 8), I32)},
        [Launch("shuffles", 1, 64, ["x", "out"])],
        {"out": exact(want.astype(I32))},
    )


@case("warp")
def votes(rng):
    x = rng.integers(0, 100, 32, I32)

    def mask(lanes):
        return sum(1 << int(i) for i in np.flatnonzero(lanes))

    odd = x % 2 == 1
    want = np.zeros((32, 8), U32)
    want[:, 0], want[:, 1], want[:, 2] = mask(odd), (x >= 0).all(), (x > 90).any()
    want[:, 3] = [mask(x % 5 == v % 5) for v in x]
    want[:, 4] = 0xFFFFFFFF + 1 & 0xFFFFFFFF if (x == x[0]).all() else 0
    want[:, 5] = [mask(x % 3 == v % 3) for v in x]
    want[:, 6] = np.where(odd, mask(odd & (x > 50)), 0)
    want[:, 7] = 1
    return Problem(
        {"x": x, "out": Empty((32, 8), U32)},
        [Launch("votes", 1, 32, ["x", "out"])],
        {"out": exact(want)},
    )


@case("warp")
def reductions(rng):
    x = rng.integers(0, 100, 32, I32)
    low = x < 50
    all_of = [
        x.sum(),
        x.min(),
        x.max(),
        np.bitwise_and.reduce(x),
        np.bitwise_or.reduce(x),
        np.bitwise_xor.reduce(x),
    ]
    want = np.tile(np.array([*all_of, 0, 0], I32), (32, 1))
    want[low, 6], want[~low, 7] = x[low].sum(), x[~low].max()
    return Problem(
        {"x": x, "out": Empty((32, 8), I32)},
        [Launch("warpReductions", 1, 32, ["x", "out"])],
        {"out": exact(want)},
    )


@case("warp")
def aggregated_push(rng):
    x = rng.integers(0, 100, 150, I32)
    kept = x[x % 3 == 0]
    want = np.full(150, -1, I32)
    want[: kept.size] = kept
    return Problem(
        {"x": x, "queue": np.full(150, -1, I32), "size": np.zeros(1, I32)},
        [Launch("aggregatedPush", 1, 32, ["x", I32(150), "queue", "size"])],
        {"queue": exact(want), "size": exact(kept.size, I32)},
    )


@case("warp")
def bitonic(rng):
    x = rng.integers(-999, 999, (4, 32), I32)
    return Problem(
        {"x": x},
        [Launch("warpBitonicSort", 2, 64, ["x"])],
        {"x": exact(np.sort(x, 1))},
    )


@case("warp", mutants=[Mutant("BUG_1", "race", "uninitialised"), Mutant("BUG_2", "race")])
def tiles_by_syncwarp(rng):
    x = rng.integers(-999, 999, (12, 32), I32)
    return Problem(
        {"x": x, "out": Empty((12, 32), I32)},
        [Launch("reverseTiles", 1, 128, ["x", "out", I32(12)])],
        {"out": exact(x[:, ::-1])},
    )


@case("warp", mutants=[Mutant("BUG_3", "race")])
def half_warps(rng):
    x = rng.integers(-999, 999, 32, I32)
    words = x.copy()
    for d in (8, 4, 2, 1):
        words[:d] += words[d : 2 * d]
    words[16:] = x[16:].max()
    return Problem(
        {"x": x, "out": Empty(32, I32)},
        [Launch("halfWarps", 1, 32, ["x", "out"])],
        {"out": exact(words[::-1])},
    )


@case(
    "named_barriers",
    mutants=[
        Mutant("BUG_1", "barrier-misuse", "race"),  # arrives again before the barrier completed
        Mutant("BUG_2", "deadlock"),
        Mutant("BUG_3", "barrier-misuse", "deadlock"),
    ],
)
def producer_consumer(rng):
    x = rng.integers(-99, 99, (7, 64), I32)
    return Problem(
        {"x": x, "out": Empty(64, I32)},
        [Launch("producerConsumer", 1, 128, ["x", "out", I32(7)])],
        {"out": exact(horner(x[:, ::-1], 3))},
    )


@case("named_barriers")
def groups(rng):
    x = rng.integers(-999, 999, (4, 64), I32)
    return Problem(
        {"x": x},
        [Launch("groupsOfTwoWarps", 1, 256, ["x"])],
        {"x": exact(np.sort(x, 1))},
    )


@case("named_barriers")
def counting(rng):
    x = rng.integers(0, 100, 128, I32)
    want = np.array([np.count_nonzero(x % 2), 1, (x > 95).any()], I32)
    return Problem(
        {"x": x, "out": Empty(3, I32)},
        [Launch("countingBarriers", 1, 128, ["x", "out"])],
        {"out": exact(want)},
    )


@case("named_barriers")
def until_stable(rng):
    linked = (rng.random(128) < 0.8).astype(I32)
    labels = np.zeros(128, I32)
    for i in range(1, 128):
        labels[i] = labels[i - 1] if linked[i - 1] else i
    rounds = (np.arange(128) - labels).max() + 1
    return Problem(
        {"linked": linked, "labels": Empty(128, I32), "rounds": Empty(1, I32)},
        [Launch("untilStable", 1, 128, ["linked", "labels", "rounds"])],
        {"labels": exact(labels), "rounds": exact(rounds, I32)},
    )


@case("named_barriers", mutants=[Mutant("BUG_4", "barrier-misuse", "deadlock", "race")])
def early_exit(rng):
    x = rng.integers(-99, 99, 100, I32)
    want = np.full(128, 7, I32)
    want[:70] = x[:70][::-1]
    return Problem(
        {"x": x, "out": np.full(128, 7, I32)},
        [Launch("earlyExit", 1, 128, ["x", "out", I32(70)])],
        {"out": exact(want)},
    )
