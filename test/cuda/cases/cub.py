"""Cases of CUB: block and warp primitives, and the kernels of device-wide ones.

The device-wide kernels are launched as CUB's host side does (CCCL 3.0,
cub/device/dispatch): tiles are items times threads of the policy for sm_80, and
what cudaMemsetAsync clears before a launch is a buffer of noughts here.
"""

from __future__ import annotations

import numpy as np

from .model import Empty, Launch, Mutant, Offset, Problem, Struct, case, exact

I32, U32, F32, U8 = np.int32, np.uint32, np.float32, np.uint8
NOTHING = bytes(1)  # an object without members


def tiles_of(count: int, tile: int) -> int:
    return (count + tile - 1) // tile


@case("cub_block", mutants=[Mutant("BUG_1", "race")])
def reduce(rng):
    x = rng.integers(-999, 999, 128, I32)
    want = np.array([x.sum(), x.max(), x.sum(), x[:77].sum()], I32)
    return Problem(
        {"x": x, "out": Empty(4, I32)},
        [Launch("blockReduce", 1, 128, ["x", "out", I32(77)])],
        {"out": exact(want)},
    )


@case("cub_block")
def scan(rng):
    x = rng.integers(-99, 99, 512, I32)
    want = np.concatenate([[0], np.cumsum(x)]).astype(I32)
    return Problem(
        {"x": x, "raking": Empty(513, I32), "warps": Empty(513, I32)},
        [
            Launch("blockScanRaking", 1, 128, ["x", "raking"]),
            Launch("blockScanWarps", 1, 128, ["x", "warps"]),
        ],
        {"raking": exact(want), "warps": exact(want)},
    )


@case("cub_block", mutants=[Mutant("BUG_2", "race")])
def long_scan(rng):
    x = rng.integers(-99, 99, 1400, I32)
    return Problem(
        {"x": x, "out": Empty(1400, I32)},
        [Launch("longScan", 1, 128, ["x", "out", I32(1400)])],
        {"out": exact(np.cumsum(x).astype(I32))},
    )


@case("cub_block")
def radix_sort(rng):
    keys, values = rng.standard_normal(512, F32), rng.integers(0, 1 << 20, 512, I32)
    order = np.argsort(keys, kind="stable")
    words = values.astype(U32) * U32(2654435761)
    middle = (words >> 4) & 0xFFFFFF
    descending = words[np.argsort(-middle.astype(np.int64), kind="stable")]
    args = ["keys", "values", "sortedKeys", "sortedValues", "descending"]
    return Problem(
        {
            "keys": keys, "values": values, "sortedKeys": Empty(512, F32),
            "sortedValues": Empty(512, I32), "descending": Empty(512, U32),
        },
        [Launch("blockRadixSort", 1, 128, args)],
        {
            "sortedKeys": exact(keys[order]),
            "sortedValues": exact(values[order]),
            "descending": exact(descending),
        },
    )  # fmt: skip


@case("cub_block")
def merge_sort(rng):
    block, warps = rng.integers(-999, 999, 512, I32), rng.integers(-999, 999, (4, 96), np.int16)
    return Problem(
        {"block": block, "warps": warps},
        [Launch("mergeSorts", 1, 128, ["block", "warps"])],
        {"block": exact(np.sort(block)), "warps": exact(np.sort(warps, 1))},
    )


@case("cub_block")
def histogram(rng):
    x = rng.integers(0, 64, 512, U8) & rng.integers(0, 64, 512, U8)
    want = exact(np.bincount(x, minlength=64).astype(U32))
    return Problem(
        {"x": x, "atomic": Empty(64, U32), "sorted": Empty(64, U32)},
        [Launch("blockHistogram", 1, 128, ["x", "atomic", "sorted"])],
        {"atomic": want, "sorted": want},
    )


@case("cub_block")
def neighbours(rng):
    x = rng.integers(0, 4, 512, I32)
    heads = np.concatenate([[1], x[1:] != x[:-1]]).astype(I32)
    differences = np.concatenate([x[:1], np.diff(x)])
    outputs = ["heads", "differences", "rotated", "striped"]
    return Problem(
        {
            "x": x, "heads": Empty(512, I32), "differences": Empty(512, I32),
            "rotated": Empty(128, I32), "striped": Empty(512, I32),
        },
        [Launch("neighbours", 1, 128, ["x", *outputs])],
        {
            "heads": exact(heads),
            "differences": exact(differences),
            "rotated": exact(np.roll(x[::4], -5)),
            # Thread t gets the items t, t + 128, ...
            "striped": exact(x.reshape(4, 128).T),
        },
    )  # fmt: skip


@case("cub_block")
def warp_primitives(rng):
    x = rng.integers(-99, 99, 128, I32)
    before = np.full((4, 32), -1000, I32)
    before[:, 1:] = np.maximum.accumulate(x.reshape(4, 32), 1)[:, :-1]
    heads = np.zeros(128, I32)
    first = 0
    for t in range(128):
        # C++ has the sign of the dividend, but it is nought for the same numbers.
        if x[t] % 3 == 0 or t % 16 == 0:
            first = t
        heads[first] += x[t]
    return Problem(
        {"x": x, "sums": Empty(8, I32), "scans": Empty((4, 32), I32), "heads": Empty(128, I32)},
        [Launch("warpPrimitives", 1, 128, ["x", "sums", "scans", "heads"])],
        {
            "sums": exact(x.reshape(8, 16).sum(1, dtype=I32)),
            "scans": exact(before),
            "heads": exact(heads),
        },
    )


def even_share(count: int, blocks: int, tile: int) -> Struct:
    """cub::GridEvenShare after DispatchInit."""
    tiles = tiles_of(count, tile)
    grid = min(tiles, blocks)
    average = tiles // grid
    big = tiles - average * grid
    return Struct(
        (
            I32(tiles), I32(big), U32((average + 1) * tile), U32(average * tile), U32(big * tile),
            U32(count), I32(grid), U32(count), U32(count), U32(0),
        )
    )  # fmt: skip


@case("cub_device", targets=["sm_80"])
def device_reduce(rng):
    # Policy600: 256 threads, 16 items.
    n, tile = 22000, 256 * 16
    x = rng.integers(-999, 999, n, I32)
    share = even_share(n, 4, tile)  # six tiles on four blocks
    return Problem(
        {"x": x, "parts": Empty(4, I32), "sum": Empty(1, I32)},
        [
            Launch("DeviceReduceKernel", 4, 256, ["x", "parts", U32(n), share, NOTHING, NOTHING]),
            Launch(
                "DeviceReduceSingleTileKernel", 1, 256,
                ["parts", "sum", U32(4), NOTHING, I32(0), NOTHING],
            ),
        ],
        {"sum": exact(x.sum(), I32)},
    )  # fmt: skip


@case("cub_device", targets=["sm_80"])
def device_scan(rng):
    # 320 threads, 12 items; 32 descriptors before the tiles' own.
    n, tile = 14000, 320 * 12
    x, tiles = rng.integers(-99, 99, n, I32), tiles_of(n, tile)
    args = ["x", "out", Struct(("state",)), I32(0), NOTHING, NOTHING, U32(n)]
    return Problem(
        {"x": x, "out": Empty(n, I32), "state": Empty(2 * (32 + tiles), U32)},
        [
            Launch("DeviceScanInitKernel", 1, 128, [Struct(("state",)), I32(tiles)]),
            Launch("DeviceScanKernel", tiles, 320, args),
        ],
        {"out": exact(np.cumsum(x).astype(I32))},
    )


@case("cub_device", targets=["sm_80"])
def device_radix_sort(rng):
    # Onesweep: 384 threads, 21 items, eight bits a pass.
    n, tile = 10000, 384 * 21
    keys = rng.integers(0, 1 << 32, n, U32)
    buffers = {"keys": keys, "bins": np.zeros(4 * 256, U32)}
    launches = [
        Launch(
            "DeviceRadixSortHistogramKernel",
            3,
            128,
            ["bins", "keys", U32(n), I32(0), I32(32), NOTHING],
        ),
        Launch("DeviceRadixSortExclusiveSumKernel", 4, 256, ["bins"]),
    ]
    here = "keys"
    for step in range(4):
        there = f"keys{step}"
        buffers |= {
            there: Empty(n, U32),
            f"lookback{step}": np.zeros(tiles_of(n, tile) * 256, I32),
            f"counter{step}": np.zeros(1, I32),
        }
        args = [
            f"lookback{step}", f"counter{step}", None, Offset("bins", step * 1024), there, here,
            None, None, I32(n), I32(8 * step), I32(8), NOTHING,
        ]  # fmt: skip
        launches.append(Launch("DeviceRadixSortOnesweepKernel", tiles_of(n, tile), 384, args))
        here = there
    return Problem(buffers, launches, {here: exact(np.sort(keys))})


@case("cub_device", targets=["sm_80"])
def device_radix_sort_small(rng):
    # One tile: 256 threads, 19 items.
    keys = rng.integers(0, 1 << 32, 3000, U32)
    args = ["keys", "sorted", None, None, U32(3000), I32(0), I32(32), NOTHING]
    return Problem(
        {"keys": keys, "sorted": Empty(3000, U32)},
        [Launch("DeviceRadixSortSingleTileKernel", 1, 256, args)],
        {"sorted": exact(np.sort(keys))},
    )


@case("cub_device", targets=["sm_80"])
def device_histogram(rng):
    # Bytes: each of the 256 values has a bin of its own in the block, which are scaled to
    # 16 bins at the end. 384 threads, 16 samples.
    n, tile, bins = 15000, 384 * 16, 16
    x = rng.integers(0, 256, n, U8)
    queue, tiles = Struct(("queue",)), tiles_of(n, tile)
    clear = [Struct((I32(bins),)), Struct(("bins",))]
    scale = Struct((I32(256), I32(0), I32(bins), I32(256)))
    args = [
        "x", Struct((I32(bins),)), Struct((I32(256),)), Struct(("bins",)), Struct(("private",)),
        scale, NOTHING, I32(n), I32(1), I32(n), I32(tiles), queue,
    ]  # fmt: skip
    return Problem(
        {
            "x": x, "bins": Empty(bins, I32), "private": Empty(256, I32),
            "queue": Empty(2, I32),
        },
        [
            Launch("DeviceHistogramInitKernel", 1, 256, [*clear, queue]),
            Launch("DeviceHistogramSweepKernel", 2, 384, args),
        ],
        {"bins": exact(np.bincount(x >> 4, minlength=bins).astype(I32))},
    )  # fmt: skip
