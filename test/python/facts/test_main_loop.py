"""What a turn of the main loop costs, from the machine code of default schedules.

The counts of dequantisation are those of the field maps of the packing: 32
weights are `bits` words, the instructions are those between loading the words
and the mma that reads the numbers. The tests hold them exactly, so that one
instruction wasted fails, and one saved asks for its new count.
"""

import assembler
import pytest
from assembler import ptx
from linear_programs import Linear, compile_linear

# By bits, 1 to 8: instructions to unpack 32 weights (docs/quantisation.md).
DEQUANTISATION = {
    "f16": (33, 34, 36, 36, 40, 42, 46, 32),
    "bf16": (34, 36, 40, 44, 46, 48, 52, 72),
}
# The same of float codes.
FLOATS = {
    "f4e2m1": {"f16": 40, "bf16": 56},
    "f5e3m1": {"f16": 57, "bf16": 68},
    "f5e2m2": {"f16": 57, "bf16": 63},
    "f6e3m2": {"f16": 58, "bf16": 76},
    "f6e2m3": {"f16": 60, "bf16": 72},
    "f6e4m1": {"f16": 58, "bf16": 72},
    "f7e5m1": {"f16": 37, "bf16": 76},
    "f7e4m2": {"f16": 60, "bf16": 78},
    "f7e3m3": {"f16": 59, "bf16": 78},
    "f7e2m4": {"f16": 60, "bf16": 76},
    "e4m3": {"f16": 48, "bf16": 64},
    "e5m2": {"f16": 16, "bf16": 64},
}
# The same of indices, for either type.
CODEBOOKS = {"lut2": 46, "lut3": 69, "lut4": 88}
# The same of the top bits of nested codes, 1 to 8; a plane of a stack is unpacked as one.
NESTED = {
    "f16": (33, 36, 43, 47, 61, 65, 71, 75),
    "bf16": (35, 40, 50, 53, 66, 70, 91, 110),
}
PLANES = [f"nested8.{bits}" for bits in range(1, 8)] + ["nested8", "stack"]
# The same of integers beside int8 activations, signed or not, by bits from 1.
BYTES = (15, 14, 17, 12, 19, 18, 21, 0)
# Floats of one exponent bit are unpacked as integers.
FIXED_POINT = ["f3e1m1", "f4e1m2", "f5e1m3"]
FORMATS = [f"{sign}{bits}" for sign in "ui" for bits in range(1, 9)] + [
    *FIXED_POINT,
    *FLOATS,
    *CODEBOOKS,
    *PLANES,
]


def get_table(linear: Linear) -> int:
    if linear.weight in FLOATS:
        return FLOATS[linear.weight][linear.x]
    if linear.weight in CODEBOOKS:
        return CODEBOOKS[linear.weight]
    if linear.weight in PLANES:
        return NESTED[linear.x][linear.bits - 1]
    # A signed byte is biased by 128, which is what splitting its top bit off yields: the
    # addition of 16 pairs is not needed.
    if linear.x == "bf16" and linear.weight == "i8":
        return DEQUANTISATION["bf16"][7] - 16
    return DEQUANTISATION[linear.x][linear.bits - 1]


def get_main_loop(linear: Linear, target: str = "a100"):
    compiled = compile_linear(linear, target)
    assembly = assembler.assemble(compiled.ptx)
    assert assembly.defects == []
    return compiled, assembler.disassemble(assembly)[compiled.metadata["kernel"]].main_loop


@pytest.mark.parametrize("x", ["f16", "bf16"])
@pytest.mark.parametrize("weight", FORMATS)
def test_unpacks_at_the_count_of_its_field_map(nvdisasm, weight, x):
    linear = Linear(weight=weight, x=x)
    compiled, loop = get_main_loop(linear)
    per_32 = len(loop.operands) * 32 / compiled.weights
    assert per_32 == get_table(linear)
    # ptxas makes some of the field maps' constants anew in every turn; nothing in PTX keeps
    # it from that. One-bit weights, with a constant or two for each of ten offsets, have most.
    assert len(loop.constants) <= (16 if linear.bits == 1 else 12), [str(i) for i in loop.constants]


@pytest.mark.parametrize("x", ["f16", "bf16"])
@pytest.mark.parametrize("weight", FORMATS)
def test_unpacks_at_the_count_of_its_field_map_in_ptx(weight, x):
    linear = Linear(weight=weight, x=x)
    compiled = compile_linear(linear, "a100")
    loop = ptx.find_main_loop(compiled.ptx)
    per_32 = len(loop.operands) * 32 / compiled.weights
    assert (loop.mmas, per_32) == (compiled.mmas, get_table(linear))


INTEGERS = [f"{sign}{bits}" for sign in "ui" for bits in range(1, 9)]


@pytest.mark.parametrize("zero", ["none", "integer"])
@pytest.mark.parametrize("weight", INTEGERS)
def test_unpacks_bytes_at_the_count_of_its_field_map(nvdisasm, weight, zero):
    """Zero points do not touch the weights: one more product, for the sum of x."""
    compiled, loop = get_main_loop(Linear(weight=weight, x="i8", zero=zero))
    bits = int(weight[1])
    assert len(loop.operands) * 32 / compiled.weights == BYTES[bits - 1]
    steps = compiled.warp_rows // 16 * compiled.schedule["tile_k"] // 32
    assert loop.mmas == compiled.mmas + steps * (zero == "integer")
    # Sums become floats by a subtraction each: I2F would take a quarter of the rate.
    assert not [i for i in loop.instructions if i.name in ("I2F", "I2FP")]
    counts = loop.counts
    accumulators = compiled.warp_rows * compiled.warp_columns // 32
    assert counts["float"] == 2 * accumulators
    assert len(loop.constants) <= 2, [str(i) for i in loop.constants]


@pytest.mark.parametrize("weight", INTEGERS)
def test_unpacks_bytes_at_the_count_of_its_field_map_in_ptx(weight):
    compiled = compile_linear(Linear(weight=weight, x="i8"), "a100")
    loop = ptx.find_main_loop(compiled.ptx)
    per_32 = len(loop.operands) * 32 / compiled.weights
    assert (loop.mmas, per_32) == (compiled.mmas, BYTES[int(weight[1]) - 1])


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_decode_loop_holds_nothing_but_what_it_needs(nvdisasm, dynamic):
    compiled, loop = get_main_loop(Linear(m=16, dynamic=dynamic))
    counts = loop.counts
    assert loop.mmas == compiled.mmas
    assert counts["barrier"] == 1
    assert counts["local"] == counts["global"] == counts["shared store"] == 0
    # Scales: a thread has two columns in each n8, converts each once a group and scales
    # its accumulators; a turn is one group.
    assert counts["conversion"] == compiled.warp_columns // 8 * 2
    assert counts["float"] == compiled.warp_rows * compiled.warp_columns // 32
    # The x fragments of a turn are read once, four matrices at a time.
    fragments = compiled.warp_rows // 16 * compiled.schedule["tile_k"] // 16
    assert counts["matrix load"] == fragments


@pytest.mark.parametrize("m", [1, 16, 64, 256])
def test_copies_and_words_move_in_16_bytes(nvdisasm, m):
    compiled, loop = get_main_loop(Linear(m=m))
    copies = [i for i in loop.instructions if i.name == "LDGSTS"]
    assert copies
    assert all(i.opcode == "LDGSTS.E.BYPASS.128" for i in copies), [str(i) for i in copies]
    # ptxas puts loads to RZ before copies on sm_80; they load nothing.
    words = [i for i in loop.instructions if i.name == "LDS" and i.operands[0] != "RZ"]
    # Weights are operand A up to 8 rows: a lane has four columns of a strip, else eight.
    assert len(words) == compiled.weights // 2 // 16 + compiled.warp_columns // 32
    narrow = [i for i in words if i.opcode != "LDS.128"]
    assert [i.opcode for i in narrow] == ["LDS.64"] * (m <= 8), [str(i) for i in words]


# Instructions a turn, all of it: what may only fall. By M: main loops of K = N = 1024; that of
# 256 rows is a stream's, whose loop has one instruction more than a split's.
BUDGET = {1: 238, 16: 289, 64: 269, 256: 271}


@pytest.mark.parametrize("m", BUDGET)
def test_loop_is_within_its_budget(nvdisasm, m):
    _, loop = get_main_loop(Linear(m=m))
    assert len(loop.instructions) <= BUDGET[m], dict(loop.counts)


@pytest.mark.parametrize("x", ["f16", "bf16"])
@pytest.mark.parametrize("weight", ["u3", "u4", "u8"])
def test_zero_points_cost_little(nvdisasm, weight, x):
    """Subtracted while unpacking: no more than one instruction a pair of weights."""
    linear = Linear(weight=weight, x=x, zero="integer")
    compiled, loop = get_main_loop(linear)
    extra = len(loop.operands) * 32 / compiled.weights - get_table(linear)
    assert 0 < extra <= 16, extra
    # Conversions run at a quarter of the rate: f16 puts the code below a magic byte instead.
    if x == "f16":
        assert not [i for i in loop.operands if i.name in ("I2F", "I2FP")]
