"""Causal attention beside Triton's kernel: what tools/attention_counters.py counts."""

import attention_counters as counters
import pytest
from linear_programs import find_compiler
from triton_cases import TRITON_CASES, read_kept

LENGTH = 1024


@pytest.mark.parametrize("d", [64, 128])
def test_only_what_is_seen_is_computed_and_nothing_is_kept_elsewhere(d):
    c = counters.count(d, LENGTH)
    assert (c.conflicts, c.local, c.stores) == (0, 0, 0)
    assert c.mma == 1
    assert 1 < c.scores <= 1.07  # half of the diagonal tiles of 64 x 64 is hidden
    assert 1 < c.powers <= 1.10


@pytest.mark.parametrize("d", [64, 128])
def test_full_tiles_take_no_more_instructions_than_tritons(nvdisasm, d):
    triton = counters.get_full_loop(read_kept(TRITON_CASES[f"flash_attention_{d}"]))
    compiler = find_compiler()
    if compiler is None:
        pytest.skip("no tw-compile: the compiler is not part of this build")
    ours = counters.get_full_loop(counters.compile_kernel(compiler, d))
    assert ours.mmas == triton.mmas
    assert len(ours.instructions) <= len(triton.instructions)


@pytest.mark.parametrize("length", [192, 300])
def test_lengths_are_whole_tiles(length):
    with pytest.raises(ValueError, match=rf"length is {length}; .* such as (256|320)"):
        counters.make_operands(64, length)
