"""Cases of atomics, and of flags between blocks and warps."""

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


@case("atomics", mutants=[Mutant("BUG_4", "race")])
def all_operations(rng):
    x = rng.integers(0, 1 << 16, 128, I32)
    start = rng.integers(0, 1 << 16, 16, I32)
    want = start.copy()
    want[0], want[1] = start[0] + x.sum(), start[1] - x.sum()
    want[2], want[3] = min(start[2], x.min()), max(start[3], x.max())
    want[4] = start[4] & np.bitwise_and.reduce(x | 0xFF00)
    want[5] = start[5] | np.bitwise_or.reduce(x)
    want[6] = start[6] ^ np.bitwise_xor.reduce(x)
    want[7] = max(start[7], x.max())
    want[8:10] += 64
    want[15] = start[15] + x.sum()
    # inc wraps after 6, dec after 0 to 9: 128 steps from 0 and from 5.
    wrapping = np.array([128 % 7, (5 - 128) % 10], U32)
    return Problem(
        {"x": x, "out": start, "wrapping": np.array([0, 5], U32)},
        [Launch("allOperations", 2, 64, ["x", "out", "wrapping"])],
        {"out": exact(want), "wrapping": exact(wrapping)},
    )


@case("atomics")
def wide_and_float(rng):
    x = rng.integers(0, 1000, 128, I32)
    wide = [int(x.sum()) << 20, int(x.max()) << 33, sum({1 << int(v & 63) for v in x})]
    args = ["x", "wide", "signed", "floats", "doubles"]
    return Problem(
        {
            "x": x, "wide": np.zeros(3, U64), "signed": np.zeros(1, I64),
            "floats": np.zeros(2, F32), "doubles": np.zeros(1, F64),
        },
        [Launch("wideAndFloat", 2, 64, args)],
        {
            "wide": exact(np.array(wide, U64)),
            "signed": exact(-int(x.max()) << 30, I64),
            "floats": exact(np.full(2, x.sum(), F32)),
            "doubles": exact(0.25 * x.sum()),
        },
    )  # fmt: skip


@case("atomics")
def halves(rng):
    import ml_dtypes

    x = rng.integers(-8, 9, 64, I32)
    total = x.sum()
    return Problem(
        {
            "x": x, "sums": np.zeros(2, np.float16), "bsums": np.zeros(2, ml_dtypes.bfloat16),
            "single": np.zeros(1, np.float16),
        },
        [Launch("halves", 1, 64, ["x", "sums", "bsums", "single"])],
        {
            "sums": exact(np.array([total, -total], np.float16)),
            "bsums": exact(np.array([64, 128], ml_dtypes.bfloat16)),
            "single": exact(np.array([64], np.float16)),
        },
    )  # fmt: skip


@case("atomics")
def compare_and_swap(rng):
    x = rng.standard_normal(128, F32)
    product = 1
    for i in range(128):
        product = product * (2 * i + 1) & (1 << 64) - 1
    return Problem(
        {
            "x": x, "largest": np.full(1, -1e30, F32), "product": np.ones(1, U64),
            "shorts": np.zeros(4, np.uint16),
        },
        [Launch("compareAndSwap", 2, 64, ["x", "largest", "product", "shorts"])],
        {
            "largest": exact(x.max()),
            "product": exact(product, U64),
            "shorts": exact(np.arange(10, 14, dtype=np.uint16)),
        },
    )  # fmt: skip


@case("atomics", mutants=[Mutant("BUG_1", "race"), Mutant("BUG_2", "race")])
def spin_lock(rng):
    value = 0
    for _ in range(12):
        value = value * 3 + 1 & 0xFFFFFFFF
    return Problem(
        {"lock": np.zeros(1, I32), "guarded": np.zeros(2, I32)},
        [Launch("spinLock", 4, 32, ["lock", "guarded", I32(3)])],
        {"lock": exact(0, I32), "guarded": exact(np.array([12, value], U32).view(I32))},
    )


@case("atomics", mutants=[Mutant("BUG_3", "race")])
def lock_per_lane(rng):
    return Problem(
        {"lock": np.zeros(1, I32), "guarded": np.zeros(1, I32)},
        [Launch("lockPerLane", 2, 32, ["lock", "guarded"])],
        {"guarded": exact(2 * 496, I32)},
    )


@case("atomics")
def hash_table(rng):
    keys = rng.integers(0, 60, 200, U32)
    asked = np.arange(80, dtype=U32)
    n, mask = I32(200), U32(127)
    asked_of = ["asked", "tableKeys", "tableCounts"]
    return Problem(
        {
            "keys": keys, "asked": asked, "tableKeys": np.full(128, 0xFFFFFFFF, U32),
            "tableCounts": np.zeros(128, U32), "found": Empty(80, U32),
        },
        [
            Launch("hashInsert", 4, 64, ["keys", "tableKeys", "tableCounts", n, mask]),
            Launch("hashFind", 2, 64, [*asked_of, "found", I32(80), mask]),
        ],
        {"found": exact(np.bincount(keys, minlength=80).astype(U32))},
    )  # fmt: skip


@case("atomics")
def atomic_refs(rng):
    x = rng.integers(0, 1000, 64, I32)
    start = rng.integers(0, 1000, 10, I32)
    want = start.copy()
    want[0] += x.sum()
    want[1] &= np.bitwise_and.reduce(x | 15)
    want[2] = min(start[2], x.min())
    want[3] |= np.bitwise_or.reduce(x)
    want[4] += 64
    want[5:9] = [x.sum(), x.max(), np.bitwise_xor.reduce(x), -64]
    want[9] = start[9] + 1
    return Problem(
        {"x": x, "global": start, "wide": np.zeros(1, I64)},
        [Launch("atomicRefs", 1, 64, ["x", "global", "wide"])],
        {"global": exact(want), "wide": exact(int(x.sum()) << 21, I64)},
    )


def chain(factor: int, blocks: int, per_block: int) -> np.ndarray:
    data = np.zeros((blocks, per_block), I64)
    data[0] = np.arange(per_block)
    for b in range(1, blocks):
        data[b] = np.roll(data[b - 1], -1) * factor + b
    return data.astype(I32)


@case(
    "flags",
    mutants=[
        Mutant("BUG_1", "race"),
        Mutant("BUG_2", "race"),
        Mutant("BUG_7", "race"),
        Mutant("BUG_8", "race", "instruction-budget"),
    ],
)
def chain_volatile(rng):
    return Problem(
        {"data": Empty((6, 100), I32), "flags": np.zeros(6, I32)},
        [Launch("chainVolatile", 6, 64, ["data", "flags", I32(100)])],
        {"data": exact(chain(3, 6, 100))},
    )


@case("flags", mutants=[Mutant("BUG_3", "race"), Mutant("BUG_4", "race")])
def chain_acquire_release(rng):
    return Problem(
        {"data": Empty((6, 100), I32), "flags": np.zeros(6, I32)},
        [Launch("chainAcquireRelease", 6, 64, ["data", "flags", I32(100)])],
        {"data": exact(chain(5, 6, 100))},
    )


@case("flags")
def ping_pong(rng):
    want = 0
    for turn in range(24):
        want = want * 2 + turn % 2
    return Problem(
        {"ball": np.zeros(1, I32), "turn": np.zeros(1, I32)},
        [Launch("pingPong", 2, 32, ["ball", "turn", I32(12)])],
        {"ball": exact(want, I32), "turn": exact(24, I32)},
    )


@case("flags", mutants=[Mutant("BUG_5", "race")])
def ring(rng):
    x = rng.integers(-99, 99, 30, I32)
    args = ["x", "slots", "head", "tail", "out", I32(30)]
    return Problem(
        {
            "x": x, "slots": Empty(4, I32), "head": np.zeros(1, U32), "tail": np.zeros(1, U32),
            "out": Empty(1, I32),
        },
        [Launch("ring", 2, 32, args)],
        {"out": exact(horner(x[:, None], 7))},
    )  # fmt: skip


@case("flags")
def warp_chain(rng):
    x = rng.integers(-99, 99, (4, 32), I32)
    want = x.copy()
    for w in range(1, 4):
        want[w] += want[w - 1, ::-1]
    return Problem(
        {"x": x, "out": Empty((4, 32), I32)},
        [Launch("warpChain", 1, 128, ["x", "out"])],
        {"out": exact(want)},
    )


@case("flags", mutants=[Mutant("BUG_6", "race")])
def grid_barrier(rng):
    a = rng.integers(-99, 99, 200).astype(F32) * 256
    want = a.astype(F64)
    for _ in range(4):
        want = 0.5 * want + 0.25 * (np.roll(want, 1) + np.roll(want, -1))
    args = ["a", "b", I32(200), I32(4), "arrived", "generation"]
    return Problem(
        {"a": a, "b": Empty(200, F32), "arrived": np.zeros(1, U32), "generation": np.zeros(1, U32)},
        [Launch("diffuse", 4, 64, args, cooperative=True)],
        {"a": exact(want.astype(F32))},
    )
