"""What a turn over full tiles costs in flash attention written by hand, on sm_80.

The programs are those of test/python/flash_programs.py: 64 queries, 64 keys, 4 warps, masks split
off, K and V copied in groups of their own.
"""

import assembler
import numpy as np
import pytest
from flash_programs import Flash

# By head size: instructions of the loop over full tiles, all of it; what may only fall.
BUDGET = {64: 371, 128: 509}


@pytest.mark.parametrize("d", BUDGET)
def test_full_tiles_hold_nothing_but_what_they_need(nvdisasm, d):
    flash = Flash(d=d, mask="split", staggered=True)
    assembly = assembler.assemble(flash.compile().ptx)
    assert assembly.defects == []
    loop = assembler.disassemble(assembly)["flash"].main_loop
    counts = loop.counts
    assert loop.mmas == 2 * 64 * 64 * d // 4 // (16 * 8 * 16)
    # Both tiles, four matrices at a time: all warps read all of K and V.
    assert counts["matrix load"] == 2 * 64 * d // 256
    assert counts["local"] == counts["global"] == counts["shared store"] == 0
    assert counts["copy"] == 2 * 64 * d * 2 // 16 // 128
    # Each warp: a power a score and a factor a row; 16 x 64 scores in 32 lanes.
    powers = [i for i in loop.instructions if i.opcode.startswith("MUFU.EX2")]
    assert len(powers) == 64 // 2 + 2
    assert counts["barrier"] == 2
    assert len(loop.instructions) <= BUDGET[d], dict(counts)


@pytest.mark.parametrize("d", BUDGET)
def test_powers_a_visible_score(d):
    """At most 1.10 of full tiles, the factors of the accumulator included."""
    flash = Flash(d=d, mask="split", staggered=True)
    program = flash.compile()
    q, k, v = (np.ones((1, n, d), np.float16) for n in (64, 256, 256))
    o = np.zeros_like(q)
    sizes = [np.int32(n) for n in (64, 256, 1)]
    report = program.launch([q, k, v, o, *sizes], {"M": 64, "N": 256, "H": 1})
    powers = sum(
        line.counters.get("activeLanes", 0)
        for line in report.lines
        if line.instruction and line.instruction.startswith("ex2")
    )
    assert 1 <= powers / (64 * 256) <= 1.10
    assert report.counters.get("localBytes", 0) == 0
