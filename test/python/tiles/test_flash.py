"""Flash attention as tile programs, from the load of Q to the store of O.

Results are within the project's error bound of float64 attention; `low` is the same
formula in float32 with probabilities rounded as the second product takes them. The
caches are poisoned: what lies past the last key, or in rows no page names, is NaN.
"""

import dataclasses

import numpy as np
import pytest
from flash_programs import Flash, attention
from ml_dtypes import bfloat16
from tilewright.testing import assert_within_bound

DTYPES = {"f16": np.float16, "bf16": bfloat16}


@dataclasses.dataclass
class Run:
    ptx: str
    phases: dict
    report: object
    out: np.ndarray


def run(flash: Flash, queries: int, keys: int, heads: int = 2, seed: int = 1, **options) -> Run:
    """Compiles, launches and compares."""
    dtype = DTYPES[flash.dtype]
    random = np.random.default_rng(seed)

    def draw(rows, columns):
        return random.standard_normal((heads, rows, columns)).astype(dtype)

    q, k, v = draw(queries, flash.d), draw(keys, flash.d), draw(keys, flash.values)
    o = np.full((heads, queries, flash.values), np.nan, dtype)
    program = flash.compile()
    sizes = [np.int32(n) for n in (queries, keys, heads)]
    if flash.paged:
        # Rows of a pool in any order; those that nobody owns are NaN.
        rows = 2 * keys + 3
        table = random.permutation(rows)[:keys].astype(np.int32)
        caches = [np.full((heads, rows, n), np.nan, dtype) for n in (flash.d, flash.values)]
        caches[0][:, table], caches[1][:, table] = k, v
        args = [q, *caches, table, np.int32(rows), o, *sizes]
    else:
        args = [q, k, v, o, *sizes]
    report = program.launch(args, {"M": queries, "N": keys, "H": heads}, **options)
    ref = attention(flash, q, k, v, np.float64)
    low = attention(flash, q, k, v, np.float32, rounded=dtype).astype(dtype)
    assert_within_bound(o, ref, low.astype(np.float32))
    return Run(program.ptx, program.phases, report, o)


LENGTHS = [(1, 1), (1, 147), (113, 203), (128, 217), (64, 64), (65, 300)]


@pytest.mark.parametrize("queries,keys", LENGTHS)
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
def test_lengths(queries, keys, causal):
    run(Flash(causal=causal, mask="split" if causal else "select"), queries, keys)


@pytest.mark.parametrize("d,dv", [(192, 128), (64, 72), (48, 8), (64, 40)])
def test_values_of_another_size(d, dv):
    run(Flash(d=d, dv=dv, tile_n=32), 70, 100, heads=1)


@pytest.mark.parametrize("stages,staggered", [(1, True), (2, True), (3, True), (2, False),
                                              (3, False), (1, False)])  # fmt: skip
@pytest.mark.parametrize("landing", ["late", "random"])
def test_pipelines(stages, staggered, landing):
    flash = Flash(stages=stages, staggered=staggered, mask="split", causal=True)
    run(flash, 100, 230, landing=landing, warp_order_seed=3)


@pytest.mark.parametrize("warps", [(4, 1), (2, 1), (1, 4), (2, 2), (1, 1)])
def test_warps(warps):
    tile_m = {1: 16, 2: 32, 4: 64}[warps[0]]
    run(Flash(tile_m=tile_m, warps=warps, staggered=True), 40, 150, heads=1)


def test_latent_heads():
    """D = 576 and Dv = 512, an odd repetition of layouts: one row of warps shares the keys."""
    run(Flash(d=576, dv=512, tile_m=16, tile_n=32, warps=(1, 4), stages=1), 10, 40, heads=1)


def test_bf16():
    run(Flash(dtype="bf16", causal=True), 65, 130)


@pytest.mark.parametrize("staggered", [False, True])
@pytest.mark.parametrize("d", [64, 96, 128])
def test_pages(d, staggered):
    run(Flash(d=d, paged=True, staggered=staggered, causal=True), 65, 150, heads=1)


def test_pages_without_copies():
    run(Flash(paged=True, stages=1), 20, 100, heads=1)


def test_rows_without_a_visible_key_are_zero():
    """More queries than keys: the first queries of a causal mask see nothing."""
    result = run(Flash(causal=True, mask="split"), 100, 30, heads=1)
    assert (result.out[0, :70] == 0).all()
    assert (result.out[0, 70:] != 0).any()


def test_probabilities_stay_in_their_registers():
    """An accumulator's registers, rounded, are those of operand A: nothing is converted."""
    program = Flash(d=128, mask="split").compile()
    assert "tilegpu.mma" in program.phases["layout"]
    assert "tilegpu.convert_layout" not in program.phases["layout"]
    assert "tilegpu.local_store" not in program.phases["memory"]
    assert "shfl.sync.idx" not in program.ptx


@pytest.mark.parametrize("d", [16, 32, 72, 80, 96, 112, 128, 192, 256])
def test_head_sizes_without_bank_conflicts(d):
    """Copies and ldmatrix take the wavefronts they must, also of rows of 144 or 192 bytes. A
    product sums multiples of 16: 72 columns of Q and K are 80 of a tile."""
    tile = 32 if d > 128 else 64
    flash = Flash(d=80 if d == 72 else d, dv=d, tile_n=tile, mask="split")
    result = run(flash, 70, 130, heads=1)
    for line in result.report.lines:
        wavefronts = line.counters.get("sharedWavefronts", 0)
        assert wavefronts == line.counters.get("sharedIdealWavefronts", 0), line.instruction


@pytest.mark.parametrize("queries,keys", [(1, 1), (100, 230), (64, 128), (130, 70), (65, 3)])
@pytest.mark.parametrize("causal", [False, True])
def test_masks_split_by_the_pass(queries, keys, causal):
    """One loop with a mask in every turn is as right, and visits the same tiles, as two loops
    with bounds that the program computes."""
    by_pass = run(Flash(causal=causal, mask="pass"), queries, keys)
    by_hand = run(Flash(causal=causal, mask="split"), queries, keys)
    assert by_pass.out.tobytes() == by_hand.out.tobytes()
    products = "matrixOperations"
    assert by_pass.report.counters.get(products) == by_hand.report.counters.get(products)


def test_full_tiles_have_no_mask():
    loops = Flash(causal=True, mask="pass").compile().phases["simplify"].split("scf.for")[1:]
    assert [loop.count("arith.cmpi") > 0 for loop in loops] == [False, True]


def test_one_division_is_left():
    """A program that divides in every turn is rewritten to divide once, and as right."""
    naive, deferred = (run(Flash(naive=n), 70, 200, heads=1) for n in (True, False))
    assert "arith.divf" in naive.phases["expand"].split("scf.for")[1].split("scf.yield")[0]
    loop = naive.phases["simplify"].split("scf.for")[1].split("scf.yield")[0]
    assert "arith.divf" not in loop
    np.testing.assert_allclose(
        naive.out.astype(np.float32), deferred.out.astype(np.float32), atol=2e-3
    )
