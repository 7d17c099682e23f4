"""What the default decode schedules request and compute, at K = N = 2048 on the A100.

The table of docs/quantisation.md, printed by tools/counters.py.
"""

import dataclasses
import runpy

import counters
import pytest
import tilewright as tw
from assembler import AssemblerError
from assembler.traffic import Traffic, find_operands, read_traffic

ROWS = (1, 16)
# SASS instructions of the main loop a weight, zero points included, by bits from 1; what may
# only fall.
BUDGET = {
    1: (1.95, 1.91, 2.09, 2.03, 2.32, 2.38, 2.58, 1.97),
    16: (2.24, 2.12, 2.36, 2.27, 2.58, 2.66, 2.83, 2.23),
}
# m16n8k16 over those that a product with full operands takes.
PRODUCTS = {1: 1, 16: 1}


@pytest.mark.parametrize("m", ROWS)
@pytest.mark.parametrize("bits", range(1, 9))
def test_bytes_are_requested_once(bits, m):
    c = counters.count(counters.quantize(bits), m)
    assert 1 <= c.weights <= 1.03
    assert c.conflicts == 0
    assert c.mma == PRODUCTS[m]
    assert c.blocks >= 108  # every SM has one


@pytest.mark.parametrize("m", ROWS)
@pytest.mark.parametrize("bits", range(1, 9))
def test_instructions_a_weight(nvdisasm, bits, m):
    schedule = tw.compile("linear", counters.quantize(bits), target="a100", m=m).schedule
    assert counters.instructions_a_weight(bits, m, schedule) <= BUDGET[m][bits - 1] + 0.005


# The same of weights in planes at M = 1: a launch reads the planes of its width, and no others.
PLANES = dict(
    zip(
        counters.PLANES,
        (1.70, 1.81, 2.06, 2.20, 2.69, 2.88, 3.07, 3.16, 1.76, 1.76, 1.76, 1.76),
        strict=True,
    )
)


@pytest.mark.parametrize("weights", ["nested8.1", "nested8.3", "nested8.4", "nested8.8", "stack.3"])
def test_planes_are_read_once_and_only_as_many_as_are_asked_for(weights):
    c = counters.count(counters.quantize(weights), 1)
    assert 1 <= c.weights <= 1.03
    assert c.conflicts == 0
    assert c.mma == (int(weights[-1]) if weights.startswith("stack") else 1)
    assert c.blocks >= 108


@pytest.mark.parametrize("weights", ["nested8.1", "nested8.2", "nested8.4", "nested8.6", "stack.1"])
def test_instructions_a_weight_in_planes(nvdisasm, weights):
    schedule = tw.compile("linear", counters.quantize(weights), target="a100", m=1).schedule
    assert counters.instructions_a_weight(weights, 1, schedule) <= PLANES[weights] + 0.005


# The same beside int8 activations: one product more for the sum of x, of two or four.
@pytest.mark.parametrize(("m", "products"), [(1, 1.5), (16, 1.25)])
@pytest.mark.parametrize("bits", [1, 3, 4, 8])
def test_bytes_beside_bytes_are_requested_once(bits, m, products):
    c = counters.count(counters.quantize(f"int8.{bits}"), m)
    assert 1 <= c.weights <= 1.03
    assert c.conflicts == 0
    assert c.mma == products
    assert c.blocks >= 108


# By bits; what may only fall.
BYTES = {1: {1: 1.34, 3: 1.57, 4: 1.41}, 16: {1: 1.79, 3: 1.98, 4: 1.79}}


@pytest.mark.parametrize("m", ROWS)
@pytest.mark.parametrize("bits", [1, 3, 4])
def test_instructions_a_weight_beside_bytes(nvdisasm, bits, m):
    qw = counters.quantize(f"int8.{bits}")
    schedule = tw.compile("linear", qw, target="a100", m=m).schedule
    sass = counters.instructions_a_weight(f"int8.{bits}", m, schedule)
    assert sass <= BYTES[m][bits] + 0.005


# The same of large layers, whose tiles are 256 columns wide up to 5 bits. Two of the 463
# instructions of u4 at M = 1 are what an unsigned comparison with the edge costs there.
LARGE = {
    1: (1.83, 1.67, 1.98, 1.81, 2.18),
    16: (2.05, 1.96, 2.20, 2.04, 2.39),
}


@pytest.mark.parametrize("m", ROWS)
@pytest.mark.parametrize("bits", [1, 4, 5])
def test_instructions_a_weight_of_large_layers(nvdisasm, bits, m):
    """A warp that has 64 columns reads x and computes addresses half as often."""
    qw = counters.quantize(bits, 2048, 16384)
    schedule = tw.compile("linear", qw, target="a100", m=m).schedule
    assert "tile_n=256" in schedule
    assert counters.instructions_a_weight(bits, m, schedule) <= LARGE[m][bits - 1] + 0.005


def test_the_table_of_default_schedules_is_true():
    tool = runpy.run_path(str(counters.ROOT / "tools/docs/default_schedules.py"))
    text = (counters.ROOT / "docs/quantisation.md").read_text()
    assert "\n".join(tool["get_rows"]()) in text, "run tools/docs/default_schedules.py"


def test_triton_is_counted_alike(nvdisasm):
    c = counters.count_triton(1)
    assert (c.mma, c.partials, c.blocks) == (2, 0, 32)
    assert 1 < c.weights < 1.2
    assert c.conflicts > 0
    assert counters.triton_instructions_a_weight() > 2 * BUDGET[1][3]


PTX = """
ld.param.b64 %rd1, [k_param_0];
ld.param.b64 %rd2, [k_param_1];
ld.param.b32 %r1, [k_param_2];
mul.wide.u32 %rd3, %r1, 4;
add.s64 %rd4, %rd1, %rd3;
ld.global.v2.b32 {%r2, %r3}, [%rd4+16];
add.s64 %rd5, %rd2, %rd3;
@%p1 cp.async.cg.shared.global [%r9], [%rd5], 16, %r4;
st.global.b32 [%rd4], %r2;
"""


def test_accesses_are_told_apart_by_their_pointers():
    assert find_operands(PTX, [0, 1]) == {7: 0, 9: 1, 10: 0}
    parameters = [{"name": n, "kind": k} for n, k in (("a", "pointer"), ("b", "pointer"))]
    lines = [
        {"ptxLine": 7, "instruction": "ld.global.v2.b32", "counters": {"globalSectors": 3}},
        {"ptxLine": 9, "instruction": "cp.async.cg", "counters": {"globalSectors": 4}},
        {"ptxLine": 10, "instruction": "st.global.b32", "counters": {"globalSectors": 1}},
        {"ptxLine": 4, "instruction": "ld.param.b32", "counters": {"issues": 9}},
    ]
    got = {name: dataclasses.astuple(t) for name, t in read_traffic(PTX, parameters, lines).items()}
    assert got == {"a": (96, 32), "b": (128, 0)}
    assert Traffic() == Traffic(0, 0)


def test_an_access_through_two_pointers_is_refused():
    mixed = PTX.replace("add.s64 %rd5, %rd2, %rd3", "add.s64 %rd5, %rd2, %rd1")
    with pytest.raises(AssemblerError, match="line 9 goes through 2 pointers"):
        find_operands(mixed, [0, 1])
