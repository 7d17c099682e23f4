"""Cases of irregular work: sparse products, graphs, transforms, fractals."""

from __future__ import annotations

import itertools

import numpy as np

from .model import Empty, Launch, Mutant, Problem, case, exact, within

I32, U32, I64, U64, F32, F64 = np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64


def sparse_matrix(rng, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    counts = rng.integers(0, 20, rows)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(I32)
    column = rng.integers(0, columns, start[-1], I32)
    return start, column, rng.integers(-99, 99, start[-1]).astype(F64)


@case("irregular")
def sparse(rng):
    start, column, value = sparse_matrix(rng, 100, 60)
    x = rng.integers(-99, 99, 60).astype(F64)
    want = np.array([value[a:b] @ x[column[a:b]] for a, b in itertools.pairwise(start)])
    args = ["start", "column", "value", "x"]
    return Problem(
        {
            "start": start, "column": column, "value": value, "x": x,
            "scalar": Empty(100, F64), "vector": Empty(100, F64),
        },
        [
            Launch("csrScalar", 2, 64, [*args, "scalar", I32(100)]),
            Launch("csrVector", 7, 128, [*args, "vector", I32(100)]),
        ],
        {"scalar": exact(want), "vector": exact(want)},
    )  # fmt: skip


@case("irregular")
def search(rng):
    nodes = 120
    neighbours = [rng.integers(0, nodes, rng.integers(1, 4)) for _ in range(nodes)]
    start = np.concatenate([[0], np.cumsum([len(e) for e in neighbours])]).astype(I32)
    depth = np.full(nodes, -1, I32)
    depth[0] = 0
    want, frontier, level = depth.copy(), [0], 0
    launches, sizes = [], np.zeros(12, I32)
    sizes[0] = 1
    while frontier:
        level += 1
        found = sorted({int(m) for n in frontier for m in neighbours[n] if want[m] < 0})
        want[found] = level
        frontier = found
    # Queue k is used at level k; each has room for all nodes.
    buffers = {"start": start, "edges": np.concatenate(neighbours).astype(I32), "depth": depth}
    for k in range(level + 1):
        buffers[f"queue{k}"] = np.zeros(1, I32) if k == 0 else Empty(nodes, I32)
        buffers[f"size{k}"] = np.full(1, int(k == 0), I32)
    for k in range(level):
        queues = [f"queue{k}", f"size{k}", f"queue{k + 1}", f"size{k + 1}"]
        launches.append(
            Launch("searchStep", 2, 64, ["start", "edges", "depth", *queues, I32(k + 1)])
        )
    return Problem(buffers, launches, {"depth": exact(want)})


@case("irregular", mutants=[Mutant("BUG_1", "race")])
def fourier(rng):
    x = (rng.standard_normal((2, 256)) + 1j * rng.standard_normal((2, 256))).astype(np.complex64)
    want = np.fft.fft(x.astype(np.complex128))
    # Eight steps, each adds some 4 u to values of at most the norm: Higham, Accuracy and
    # Stability, section 24.1.
    norm = np.abs(x).sum(1).max()
    return Problem(
        {"x": x.view(F32), "out": Empty((2, 512), F32)},
        [Launch("fft256", 2, 128, ["x", "out"])],
        {"out": within(np.ascontiguousarray(want).view(F64), 8 * 4 * 2.0**-24 * norm)},
    )


@case("irregular")
def gravity(rng):
    bodies = rng.uniform(-1, 1, (100, 4)).astype(F32)
    bodies[:, 3] = rng.uniform(0.1, 1, 100)
    wide = bodies.astype(F64)
    offset = wide[None, :, :3] - wide[:, None, :3]
    pulls = (wide[:, 3] / ((offset**2).sum(2) + F64(F32(0.01))) ** 1.5)[..., None] * offset
    # Each term has some 12 roundings beside those of the sum.
    return Problem(
        {"bodies": bodies, "forces": Empty((100, 3), F32)},
        [Launch("gravity", 2, 64, ["bodies", "forces", I32(100)], shared=64 * 16)],
        {"forces": within(pulls.sum(1), (128 + 12) * 2.0**-24 * np.abs(pulls).sum(1))},
    )


def philox(counter: list[int], key: list[int]) -> list[int]:
    mask = (1 << 32) - 1
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [
            (second >> 32) ^ counter[1] ^ key[0],
            second & mask,
            (first >> 32) ^ counter[3] ^ key[1],
            first & mask,
        ]
        key = [(key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask]
    return counter


@case("irregular")
def random_numbers(rng):
    key = rng.integers(0, 1 << 32, 2, U32)
    want = np.array([philox([i, 0, 0, 0], list(map(int, key))) for i in range(128)], U32)
    x, y = (want[:, 0] >> 8).astype(U64), (want[:, 1] >> 8).astype(U64)
    return Problem(
        {"out": Empty((128, 4), U32), "inside": np.zeros(1, U64)},
        [Launch("randomNumbers", 2, 64, ["out", "inside", key.tobytes()])],
        {
            "out": exact(want),
            "inside": exact(np.count_nonzero(x * x + y * y < 1 << 48), U64),
        },
    )


@case("irregular")
def mandelbrot(rng):
    width, height, limit, one = 40, 24, 60, 1 << 24
    want = np.empty((height, width), I32)
    for py in range(height):
        for px in range(width):
            cx, cy, x, y, count = (
                px * 3 * one // width - 2 * one,
                py * 2 * one // height - one,
                0,
                0,
                0,
            )
            while count < limit and x * x + y * y <= 4 * one * one:
                x, y, count = ((x * x - y * y) >> 24) + cx, ((2 * x * y) >> 24) + cy, count + 1
            want[py, px] = count
    return Problem(
        {"out": Empty((height, width), I32)},
        [Launch("mandelbrot", (3, 3), (16, 8), ["out", I32(width), I32(height), I32(limit)])],
        {"out": exact(want)},
    )


@case("irregular", mutants=[Mutant("BUG_2", "race"), Mutant("BUG_3", "out-of-bounds")])
def edit_distance(rng):
    length = 60
    words = rng.integers(0, 3, (2, 3, length), np.uint8)
    want = []
    for a, b in zip(*words, strict=True):
        row = list(range(length + 1))
        for i in range(1, length + 1):
            last, row = row, [i]
            for j in range(1, length + 1):
                row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + int(a[i - 1] != b[j - 1])))
        want.append(row[-1])
    return Problem(
        {"a": words[0], "b": words[1], "out": Empty(3, I32)},
        [Launch("editDistance", 3, 64, ["a", "b", "out", I32(length)], shared=3 * 61 * 4)],
        {"out": exact(np.array(want, I32))},
    )
