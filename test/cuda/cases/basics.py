"""Cases of ordinary code: element-wise loops, calls, variables, printf."""

from __future__ import annotations

import numpy as np

from .model import Empty, Launch, Mutant, Problem, Struct, case, exact, within

I32, U32, I64, U64, F32, F64 = np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64
MASK = (1 << 32) - 1


@case("elementwise", mutants=[Mutant("BUG_1", "out-of-bounds")])
def vector_add(rng):
    a, b = rng.standard_normal((2, 1000), F32)
    return Problem(
        {"a": a, "b": b, "c": Empty(1000, F32)},
        [Launch("vectorAdd", 8, 128, ["a", "b", "c", I32(1000)])],
        {"c": exact(a + b)},
    )


@case("elementwise")
def saxpy(rng):
    x, y = rng.integers(-99, 99, (2, 1000)).astype(F32)  # exact, fused or not
    return Problem(
        {"x": x, "y": y},
        [Launch("saxpyGridStride", 2, 128, [F32(0.5), "x", "y", I32(1000)])],
        {"y": exact(F32(0.5) * x + y)},
    )


@case("elementwise", mutants=[Mutant("BUG_2", "misaligned")])
def scale_vector4(rng):
    x = rng.standard_normal(1003, F32)
    return Problem(
        {"x": x, "y": Empty(1003, F32)},
        [Launch("scaleVector4", 2, 128, ["x", "y", F32(1.7), I32(1003)])],
        {"y": exact(x * F32(1.7))},
    )


@case("elementwise")
def gather(rng):
    index, table = rng.integers(0, 77, 500, I32), rng.standard_normal(77)
    return Problem(
        {"index": index, "table": table, "out": Empty(500, F64)},
        [Launch("gather", 4, 128, ["index", "table", "out", I32(500)])],
        {"out": exact(table[index])},
    )


@case("elementwise")
def particles(rng):
    kind = np.dtype(
        {
            "names": ["position", "mass", "velocity", "kind", "alive"],
            "formats": [(F32, 3), F32, (F32, 3), np.int16, np.int8],
            "offsets": [0, 12, 16, 28, 30],
            "itemsize": 32,
        }
    )
    raw = rng.integers(0, 9, (200, 32), np.uint8)
    before = raw.view(kind).reshape(-1)
    before["position"], before["velocity"] = rng.integers(-99, 99, (2, 200, 3)) / 64
    before["mass"], before["alive"] = 1, rng.integers(0, 2, 200)
    after = before.copy()
    after["position"] += F32(0.25) * before["velocity"]
    gone = after["position"][:, 0] > 1
    after["kind"][gone], after["alive"][gone] = -after["kind"][gone], 0
    dead = before["alive"] == 0
    want = np.where(dead[:, None], raw, after.view(np.uint8).reshape(200, 32))
    padding = np.where(np.arange(32) == 31, 255, 0)  # a byte that belongs to no member
    return Problem(
        {"particles": raw.copy()},
        [Launch("moveParticles", 2, 128, ["particles", F32(0.25), I32(200)])],
        {"particles": within(want, padding)},
    )


@case("elementwise")
def grey(rng):
    pixels = rng.integers(0, 256, (37, 53, 4), np.uint8)
    weighted = pixels[..., :3].astype(I32) @ np.array([77, 150, 29])
    want = np.clip(((weighted + 128) >> 8) + 40, 0, 255).astype(np.uint8)
    return Problem(
        {"in": pixels, "out": Empty((37, 53), np.uint8)},
        [Launch("rgbaToGrey", (4, 5), (16, 8), ["in", "out", I32(53), I32(37), I32(40)])],
        {"out": exact(want)},
    )


@case("functions", mutants=[Mutant("BUG_2", "call-depth", "out-of-bounds")])
def recursion(rng):
    depth = rng.integers(0, 5, 64, I32)
    want = 2 * depth + 3 + 3 * np.arange(64)  # Ackermann's function at 2
    return Problem(
        {"in": depth, "out": Empty(64, I32)},
        [Launch("recursion", 1, 64, ["in", "out", I32(64)])],
        {"out": exact(want.astype(I32))},
    )


@case("functions")
def function_pointers(rng):
    which, x = rng.integers(0, 4, 100, I32), rng.standard_normal(100, F32)
    want = np.choose(which, [x * x, -x, F32(0.5) * x, x + F32(1)])
    return Problem(
        {"which": which, "x": x, "out": Empty(100, F32)},
        [Launch("functionPointers", 1, 128, ["which", "x", "out", I32(100)])],
        {"out": exact(want)},
    )


@case("functions")
def virtual_functions(rng):
    x = rng.integers(1, 64, 100).astype(F32)
    want = np.where(np.arange(100) % 3, 3 * x * x, 2 * x + 4000).astype(F32)
    return Problem(
        {"x": x, "out": Empty(100, F32)},
        [Launch("virtualFunctions", 1, 128, ["x", "out", I32(100)])],
        {"out": exact(want)},
    )


@case("functions")
def structures(rng):
    values = rng.integers(-99, 99, 12, I32)
    big = values.tobytes() + F64(1.5).tobytes() + b"abcde" + bytes(3)
    turns = np.arange(32) % 12
    rolled = np.stack([np.roll(values, t) for t in turns])
    names = np.tile(np.frombuffer(b"abcde", np.uint8), (32, 1))
    names[np.arange(32), turns % 5] = ord("!")
    return Problem(
        {
            "values": Empty((32, 12), I32),
            "scales": Empty(32, F64),
            "names": Empty((32, 5), np.uint8),
        },
        [Launch("structures", 1, 32, [big, "values", "scales", "names"])],
        {"values": exact(rolled), "scales": exact(1.5 * turns), "names": exact(names)},
    )


@case("functions")
def local_sort(rng):
    values = rng.integers(-999, 999, (64, 24), I32)
    return Problem(
        {"in": values, "out": Empty((64, 24), I32)},
        [Launch("localSort", 2, 32, ["in", "out"])],
        {"out": exact(np.sort(values, 1))},
    )


@case("functions", mutants=[Mutant("BUG_1", "uninitialised")])
def tree_walk(rng):
    weight, roots = rng.integers(-99, 99, 255, I32), rng.integers(0, 60, 64, I32)

    def total(node):
        below = total(2 * node + 1) + total(2 * node + 2) if 2 * node + 2 < 255 else 0
        return int(weight[node]) + below

    return Problem(
        {"weight": weight, "roots": roots, "sums": Empty(64, I32)},
        [Launch("treeWalk", 1, 64, ["weight", I32(255), "sums", "roots"])],
        {"sums": exact(np.array([total(int(r)) for r in roots], I32))},
    )


@case("variables")
def polynomial(rng):
    x, c = rng.integers(-3, 4, 100).astype(F32), rng.integers(-9, 9, 8).astype(F32)
    want = np.polynomial.polynomial.polyval(x, c) + c[np.arange(100) % 8]
    return Problem(
        {"x": x, "out": Empty(100, F32)},
        [Launch("polynomial", 1, 128, ["x", "out", I32(100)])],
        {"out": exact(want.astype(F32))},
        symbols={"coefficients": c},
    )


@case("variables")
def globals_of_module(rng):
    primes, words, t = np.array([2, 3, 5, 7, 11, 13]), [b"warp", b"lane", b"block"], np.arange(64)
    return Problem(
        {"out": Empty(64, I32)},
        [Launch("globals", 1, 64, ["out"])],
        {"out": exact(np.array([words[i % 3][i % 4] for i in t], I32))},
        symbols_expected={
            "counter": exact(100 + primes[t % 6].sum(), I32),
            "results": exact(0.5 * primes[:4]),
            "storage": exact(np.array([4, 3, 77, 1], I32)),
        },
    )


@case("variables")
def by_structure(rng):
    x = rng.standard_normal((5, 70), F32)
    sign = np.where(np.arange(70) % 3 == 1, F32(-1), F32(1))
    flags = (np.uint8(0), np.uint8(1), np.uint8(0))
    settings = Struct((I32(5), I32(70), F32(0.3), "x", "y", *flags))
    return Problem(
        {"x": x, "y": Empty((5, 70), F32)},
        [Launch("byStructure", (3, 5), 32, [settings])],
        {"y": exact(x * F32(0.3) * sign)},
    )


@case("printing", mutants=[Mutant("BUG_1", "assert")])
def report(rng):
    values = rng.integers(0, 99999, 5, I32)
    lines = [f"thread {i} of 8: {v} {v:x} {v:5d}|{v:<4d}|" for i, v in enumerate(values)]
    lines += [
        "printf has c, 100% of -1234567890123 and 18446744073709551615",
        f"{1.5:.3f} {0.25:g} {12345.678:e}",
        "no arguments",
    ]
    # Without the bug the assertion holds for all threads: n is the block's size.
    return Problem(
        {"in": np.concatenate([values, np.zeros(3, I32)])},
        [Launch("report", 1, 5, ["in", I32(5)])],
        {},
        output="\n".join(lines).replace(" of 8:", " of 5:") + "\n",
    )


@case("printing")
def no_trap(rng):
    values = rng.integers(0, 99, 64, I32)
    return Problem(
        {"in": values, "out": Empty(64, I32)},
        [Launch("trapIf", 1, 64, ["in", "out"])],
        {"out": exact(values + 1)},
    )
