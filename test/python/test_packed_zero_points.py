"""Integer zero points that share words: products bit for bit, on the emulated device.

Weights are small integers, so that sums are exact whatever their order. The arrangement of
zero points (dialects/Support/Layout/ScaleStorage.h) depends on bits and granularity, how a
kernel takes them apart on the tile of the schedule as well: all of them meet.
"""

import itertools

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from covering import covering_array

OPTIONS = {
    "format": ["u1", "u2", "u3", "u4", "i2", "u5"],
    "x": [np.float16, ml_dtypes.bfloat16],
    "group": [16, 32, 48, 64, 128, (64, 24), "tensor"],
    "tile_k": [128, 256, 384],
    "tile": [(8, 64, 1, 2), (16, 64, 1, 2)],
    "kn": [(40, 33), (300, 64)],
}
COVERING = covering_array(OPTIONS, seed=3)
# Strips of three: 96 columns are no power of two.
THREE = {"x": np.float16, "tile_k": 128, "tile": (8, 96, 1, 1), "kn": (300, 100)}
CASES = [
    *COVERING,
    *({"format": format, "group": group, **THREE} for format, group in (("u1", 32), ("u4", 64))),
]


def test_the_covering_array_covers():
    for a, b in itertools.combinations(OPTIONS, 2):
        met = {(str(case[a]), str(case[b])) for case in COVERING}
        assert len(met) == len(OPTIONS[a]) * len(OPTIONS[b])


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_products_are_exact(case):
    rng = np.random.default_rng(CASES.index(case))
    k, n = case["kn"]
    bits = int(case["format"][1])
    low = -(1 << (bits - 1)) if case["format"][0] == "i" else 0
    draw = lambda shape: rng.integers(low, low + (1 << bits), shape)  # noqa: E731
    rows, columns = case["group"] if isinstance(case["group"], tuple) else (case["group"], 1)
    if isinstance(rows, str):
        rows, columns = k, n if rows == "tensor" else 1
    grid = -(-n // columns), -(-k // rows)
    scales = np.exp2(rng.integers(-1, 2, grid)).astype(np.float16)
    codes, zeros = draw((n, k)), draw(grid)
    qw = tw.QuantizedTensor.from_codes(
        codes, scales, zeros, format=case["format"], layout="nk", group_size=case["group"]
    )
    # From what was packed, not from what is unpacked.
    spread = [
        np.repeat(np.repeat(table, columns, axis=0)[:n], rows, axis=1)[:, :k]
        for table in (zeros, scales.astype(np.float64))
    ]
    tile_m, tile_n, warps_m, warps_n = case["tile"]
    schedule = (
        f"quant_matmul{{split_k=1, stages=2, tile_k={case['tile_k']}, tile_m={tile_m}, "
        f"tile_n={tile_n}, warps_m={warps_m}, warps_n={warps_n}}}"
    )
    x = rng.integers(-2, 3, (9, k)).astype(case["x"])
    exact = x.astype(np.float64) @ ((codes - spread[0]) * spread[1]).T
    assert np.abs(exact).max() < 2**22
    y = tw.linear(x, qw, out_dtype=np.float32, device="emulated:a100", schedule=schedule)
    np.testing.assert_array_equal(y.astype(np.float64), exact)
