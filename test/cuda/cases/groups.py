"""Cases of cooperative groups, pipelines and cuda::barrier."""

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


@case("cooperative")
def tiles(rng):
    x = rng.integers(0, 100, 64, I32)
    warp, eight = x.reshape(2, 32), x.reshape(8, 8)

    def spread(values, size):
        return np.repeat(np.asarray(values), size)

    odd = [sum(1 << i for i in range(32) if row[i] % 2) for row in warp]
    same = [sum(1 << j for j in range(8) if row[j] % 2 == v % 2) for row in eight for v in row]
    # Of the group's place among its parent's groups: the warp's.
    rank = np.arange(64) // 8 % 4
    want = np.stack(
        [
            spread(warp.sum(1), 32),
            spread(eight.max(1), 8),
            np.cumsum(eight, 1).ravel(),
            (np.cumsum(warp, 1) - warp).ravel(),
            spread(eight[:, 7], 8) + rank * 1000,
            spread(np.array(odd, U32).view(I32), 32),
            np.array(same),
            np.floor(spread(eight.min(1), 8) * 0.5),
        ],
        1,
    )
    return Problem(
        {"x": x, "out": Empty((64, 8), I32)},
        [Launch("tiles", 1, 64, ["x", "out"])],
        {"out": exact(want.astype(I64).astype(I32))},
    )


@case("cooperative")
def divergent_groups(rng):
    x = rng.integers(0, 60, (2, 32), I32)
    want = np.full((2, 32, 4), -1, I32)
    for w in range(2):
        lanes = np.flatnonzero(x[w] % 3 == 0)
        want[w, lanes, 0], want[w, lanes, 1] = lanes.size, np.arange(lanes.size)
        want[w, lanes, 2] = x[w, lanes].sum()
        label = x[w] % 4
        want[w, :, 3] = np.bincount(label, minlength=4)[label] * 100 + label
    return Problem(
        {"x": x, "out": Empty((2, 32, 4), I32), "counter": np.zeros(1, I32)},
        [Launch("divergentGroups", 2, 32, ["x", "out", "counter"])],
        {"out": exact(want), "counter": exact(np.count_nonzero(x % 3 == 0), I32)},
    )


@case("cooperative", mutants=[Mutant("BUG_1", "race", "uninitialised")])
def large_tiles(rng):
    x = rng.integers(-99, 99, (2, 64), I32)
    want = np.concatenate([x[:, ::-1].ravel(), x.sum(1)])
    return Problem(
        {"x": x, "out": Empty(130, I32)},
        [Launch("largeTiles", 1, 128, ["x", "out"])],
        {"out": exact(want.astype(I32))},
    )


@case("cooperative")
def split_barrier(rng):
    x = rng.integers(-99, 99, 128, I32)
    return Problem(
        {"x": x, "out": Empty(128, I32)},
        [Launch("splitBarrier", 1, 128, ["x", "out"])],
        {"out": exact(x * x + x[::-1])},
    )


@case("cooperative", mutants=[Mutant("BUG_2", "race")])
def grid_sort(rng):
    x = rng.integers(-999, 999, 40, I32)
    return Problem(
        {"x": x},
        [Launch("gridSort", 3, 8, ["x", I32(40)], cooperative=True)],
        {"x": exact(np.sort(x))},
    )


IN_FLIGHT = ("async-read-early", "race", "uninitialised")


@case("pipelines", mutants=[Mutant("BUG_1", *IN_FLIGHT), Mutant("BUG_2", *IN_FLIGHT)])
def own_words(rng):
    x = rng.integers(-99, 99, (2, 6, 128, 4), I32)
    want = np.stack(
        [
            x[..., 0].sum(1),
            np.bitwise_xor.reduce(x[..., 1], axis=1),
            np.maximum(x[..., 2].max(1), 0),
            horner(x[..., 3].transpose(1, 0, 2), 3),
        ],
        2,
    )
    return Problem(
        {"x": x, "out": Empty((2, 128, 4), I32)},
        [Launch("ownWords", 2, 128, ["x", "out", I32(6)])],
        {"out": exact(want.astype(I32))},
    )


@case(
    "pipelines",
    mutants=[Mutant("BUG_3", *IN_FLIGHT), Mutant("BUG_4", *IN_FLIGHT)],
)
def shared_words(rng):
    x = rng.integers(-99, 99, (6, 128), I32)
    return Problem(
        {"x": x, "out": Empty(128, I32)},
        [Launch("sharedWords", 1, 128, ["x", "out", I32(6)])],
        {"out": exact(horner(x[:, ::-1], 5))},
    )


@case("pipelines", mutants=[Mutant("BUG_7", "async-write-race")])
def zero_fill(rng):
    x = rng.integers(1, 99, 400, I32)
    want = np.zeros(512, I32)
    want[:390] = x[:390]
    return Problem(
        {"x": x, "out": Empty(512, I32)},
        [Launch("zeroFill", 1, 128, ["x", "out", I32(390)])],
        {"out": exact(want)},
    )


@case("pipelines", mutants=[Mutant("BUG_8", "async-source-overwritten")])
def in_place(rng):
    x = rng.integers(-99, 99, 128, I32)
    return Problem(
        {"x": x},
        [Launch("reverseInPlace", 1, 128, ["x"])],
        {"x": exact(x[::-1])},
    )


@case("pipelines", mutants=[Mutant("BUG_5", *IN_FLIGHT)])
def of_a_thread(rng):
    x = rng.integers(-99, 99, (6, 128)).astype(F64)
    return Problem(
        {"x": x, "out": Empty(128, F64)},
        [Launch("threadPipeline", 1, 128, ["x", "out", I32(6)])],
        {"out": exact((x * np.arange(1, 7)[:, None]).sum(0))},
    )


@case("pipelines")
def of_the_block(rng):
    x = rng.integers(-99, 99, (6, 128), I32)
    return Problem(
        {"x": x, "out": Empty(128, I32)},
        [Launch("blockPipeline", 1, 128, ["x", "out", I32(6)])],
        {"out": exact(horner(x[:, ::-1], 3))},
    )


@case("pipelines")
def partitioned(rng):
    x = rng.integers(-99, 99, (6, 64), I32)
    return Problem(
        {"x": x, "out": Empty(64, I32)},
        [Launch("partitionedPipeline", 1, 128, ["x", "out", I32(6)])],
        {"out": exact(horner(x[:, ::-1], 3))},
    )


@case("pipelines", mutants=[Mutant("BUG_6", "race", "uninitialised", "barrier-misuse", "deadlock")])
def with_a_barrier(rng):
    x = rng.integers(-99, 99, (4, 128), I32)
    want = (x[:, ::-1] * np.arange(1, 5)[:, None]).sum(0)
    return Problem(
        {"x": x, "out": Empty(128, I32)},
        [Launch("barrierCopies", 1, 128, ["x", "out", I32(4)])],
        {"out": exact(want.astype(I32))},
    )


@case(
    "barriers",
    mutants=[
        Mutant("BUG_1", "deadlock"),
        Mutant("BUG_2", "race", "deadlock", "barrier-misuse"),
        Mutant("BUG_3", "race", "uninitialised"),
    ],
)
def arrive_then_wait(rng):
    x = rng.integers(-99, 99, 64, I32)
    other = np.zeros(64, I32)
    for r in range(5):
        other = (x + other)[::-1] + x * r
    return Problem(
        {"x": x, "out": Empty(64, I32)},
        [Launch("arriveThenWait", 1, 64, ["x", "out", I32(5)])],
        {"out": exact(other.astype(I32))},
    )


@case("barriers", mutants=[Mutant("BUG_4", "race")])
def producers_and_consumers(rng):
    x = rng.integers(-99, 99, (7, 32), I32)
    return Problem(
        {"x": x, "out": Empty(32, I32)},
        [Launch("producersConsumers", 1, 64, ["x", "out", I32(7)])],
        {"out": exact(horner((2 * x + 1)[:, ::-1], 3))},
    )


@case("barriers")
def drop_out(rng):
    t = np.arange(64) % 8
    return Problem(
        {"out": Empty(128, I32)},
        [Launch("dropOut", 1, 64, ["out"])],
        {"out": exact(np.concatenate([t, t]).astype(I32))},
    )


@case("barriers")
def completion(rng):
    want = horner(np.arange(1, 4, 2)[:, None], 2)
    return Problem(
        {"out": Empty(64, I32)},
        [Launch("completion", 1, 64, ["out", I32(2)])],
        {"out": exact(np.full(64, want[0], I32))},
    )


@case("barriers")
def by_parity(rng):
    x = rng.integers(-99, 99, 6, I32)
    return Problem(
        {"x": x, "out": Empty(64, I32)},
        [Launch("byParity", 1, 64, ["x", "out", I32(6)])],
        {"out": exact(np.full(64, horner(x[:, None], 3)[0], I32))},
    )
