"""Cases of cache hints, semaphores, and what sm_90 adds within a block."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from .groups import horner
from .model import Empty, Launch, Mutant, Problem, case, exact

I32, U32, U64, F32 = np.int32, np.uint32, np.uint64, np.float32


@case("hints")
def cache_operators(rng):
    x = rng.integers(0, 999, 200, I32)
    pair = x[0::2] ^ x[1::2]
    want = (5 * x + np.repeat(pair, 2))[:, None] + np.arange(4)
    return Problem(
        {"x": x, "out": Empty((200, 4), I32)},
        [Launch("cacheOperators", 2, 128, ["x", "out", I32(200)])],
        {"out": exact(want.astype(I32))},
    )


@case("hints")
def policies(rng):
    x = rng.standard_normal((100, 4), F32)
    return Problem(
        {"x": x, "out": Empty((100, 4), F32)},
        [Launch("policies", 1, 128, ["x", "out", I32(100)])],
        {"out": exact(x[:, ::-1])},
    )


@case("hints", mutants=[Mutant("BUG_1", "async-read-early", "race", "uninitialised")])
def hinted_copies(rng):
    x = rng.integers(-99, 99, (64, 4), I32)
    return Problem(
        {"x": x, "out": Empty((64, 4), I32)},
        [Launch("hintedCopies", 1, 64, ["x", "out"])],
        {"out": exact(x[::-1])},
    )


@case("semaphores", mutants=[Mutant("BUG_1", "race"), Mutant("BUG_2", "race", "uninitialised")])
def latch(rng):
    x = rng.integers(-99, 99, 32, I32)
    return Problem(
        {"x": x, "out": Empty(32, I32)},
        [Launch("latch", 1, 64, ["x", "out"])],
        {"out": exact(3 * x[::-1])},
    )


@case("semaphores", mutants=[Mutant("BUG_3", "race")])
def critical(rng):
    return Problem(
        {"total": Empty(1, I32), "log": Empty(4, I32)},
        [Launch("critical", 1, 128, ["total", "log"])],
        {"total": exact(0 + 32 + 64 + 96 + 4000, I32)},
    )


@case("semaphores")
def in_turn(rng):
    x = rng.integers(-99, 99, 80, I32)
    want = x.copy()
    for block in range(4):
        want = want * 2 + block
    return Problem(
        {"turn": np.zeros(1, U32), "x": x},
        [Launch("inTurn", 4, 64, ["turn", "x", I32(80)])],
        {"x": exact(want), "turn": exact(4, U32)},
    )


@case(
    "hopper",
    targets=["sm_90"],
    mutants=[
        Mutant("BUG_1", "race", "deadlock"),  # phases pass that the readers still wait for
        Mutant("BUG_2", "race"),
        Mutant("BUG_3", "race", "deadlock"),
    ],
)
def pipeline_of_warps(rng):
    x = rng.integers(-99, 99, (7, 64), I32)
    return Problem(
        {"x": x, "out": Empty(64, I32)},
        [Launch("pipelineOfWarps", 1, 128, ["x", "out", I32(7)])],
        {"out": exact(horner(x[:, ::-1], 3))},
    )


@case("hopper", targets=["sm_90"], mutants=[Mutant("BUG_4", "race", "uninitialised")])
def store_matrices(rng):
    x = rng.integers(0, 1 << 16, (4, 8, 8), np.uint16)  # lane l holds two of row l / 4
    return Problem(
        {"x": x, "out": Empty((32, 8), np.uint16)},
        [Launch("storeMatrices", 1, 32, ["x", "out"])],
        {"out": exact(x.reshape(32, 8)[::-1])},
    )


@case("hopper", targets=["sm_90"])
def elected_atomics(rng):
    x = rng.integers(-99, 99, 2, I32)
    wide = np.array([1, 2, 0, 0], U64)
    return Problem(
        {"x": x, "count": np.zeros(1, I32), "sums": np.zeros(2, ml_dtypes.bfloat16), "wide": wide},
        [Launch("electedAtomics", 1, 64, ["x", "count", "sums", "wide"])],
        {
            "count": exact(x.sum(), I32),
            "sums": exact(np.array([64, -64], ml_dtypes.bfloat16)),
            "wide": exact(np.array([77, 99, 1, 2], U64)),
        },
    )
