"""The description of cases itself: comparison, structures, seeds, kept PTX."""

import os
import random

import numpy as np
import pytest
from cases import CASES, Problem, Struct
from cases.compile import (
    KEPT,
    PROGRAMS,
    comparable,
    compile_program,
    find_nvcc,
    fingerprint,
    keep_entries,
    kept_path,
    read_kept,
)
from cases.model import differences, exact, within, within_ulp
from cases.run import kernels_of

KEPT_FILES = sorted(
    {(case.program, target, None) for case in CASES.values() for target in case.targets}
    | {
        (case.program, case.targets[0], mutant.macro)
        for case in CASES.values()
        for mutant in case.mutants
    },
    key=str,
)


def test_exact_tells_one_bit():
    x = np.array([1, 2, 3], np.float32)
    assert differences("x", x, exact(x.copy())) is None
    y = np.nextafter(x, np.float32(9))
    assert "3 of 3 differ, first at [0]" in differences("x", y, exact(x))
    assert differences("x", np.array([-0.0]), exact([0.0])) is not None
    assert differences("x", np.array([np.nan]), exact([-np.nan])) is None


def test_bounds_are_absolute():
    x = np.array([1.0, -1.0, np.inf])
    assert differences("x", x + 0.5, within(x, 0.5)) is None
    assert "1 of 3" in differences("x", x + np.float64([0.6, 0, 0]), within(x, 0.5))
    assert differences("x", np.array([1, 1, np.nan]), within([1, 1, 1], 9)) is not None
    ulp = np.float32([1 + 2**-22, 1 + 2**-23])
    assert "1 of 2" in differences("x", ulp, within_ulp([1, 1], 1))


def test_structures_are_laid_out_as_in_cpp():
    struct = Struct((np.uint8(1), np.int32(2), "p", np.uint8(3)))
    raw = struct.pack(lambda name: {"p": 0x10}[name])
    assert raw == b"\1\0\0\0\2\0\0\0" + b"\x10" + bytes(7) + b"\3" + bytes(7)


def test_every_seed_has_its_own_numbers():
    case = CASES["elementwise.vector_add"]
    one, same, other = case.problem(1), case.problem(1), case.problem(2)
    assert (one.buffers["a"] == same.buffers["a"]).all()
    assert (one.buffers["a"] != other.buffers["a"]).any()


def test_every_program_has_cases():
    assert {path.stem for path in PROGRAMS.glob("*.cu")} == {c.program for c in CASES.values()}


def test_every_bug_has_a_case():
    for path in PROGRAMS.glob("*.cu"):
        written = {word for word in path.read_text().replace(")", " ").split() if "BUG_" in word}
        macros = {word.removeprefix("defined(").removeprefix("!defined(") for word in written}
        used = {m.macro for c in CASES.values() if c.program == path.stem for m in c.mutants}
        assert macros == used, path.name


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_expected_buffers_exist(case):
    problem = case.problem()
    assert isinstance(problem, Problem)
    assert problem.expected or problem.output
    for name, expected in problem.expected.items():
        assert expected.value.size == np.prod(problem.buffers[name].shape), name


def test_entries_are_cut_out():
    text = (
        ".global .u32 x;\n.visible .entry a(\n\t.param .u64 p\n)\n{\n\tret;\n}\n.entry b()\n{\n}\n"
    )
    assert keep_entries(text, {"b"}) == ".global .u32 x;\n.entry b()\n{\n}\n"


def kept_id(file) -> str:
    return ".".join(filter(None, file))


@pytest.mark.parametrize("file", KEPT_FILES, ids=kept_id)
def test_kept_ptx_is_of_this_source(file):
    program, target, macro = file
    kept = read_kept(program, target, macro)
    assert kept, f"run tools/keep_ptx.py: {kept_path(*file).name} is missing"
    assert kept[1] == fingerprint(program), f"run tools/keep_ptx.py: {program}.cu has changed"


def test_nothing_else_is_kept():
    known = {kept_path(*file) for file in KEPT_FILES}
    assert set(KEPT.glob("*")) <= known


def sample() -> list[tuple]:
    """Two of the kept files, others each time; all with TILEWRIGHT_CUDA_FULL=1."""
    if os.environ.get("TILEWRIGHT_CUDA_FULL"):
        return KEPT_FILES
    return sorted(random.sample(KEPT_FILES, 2), key=str)


@pytest.mark.parametrize(
    "index", range(len(KEPT_FILES) if os.environ.get("TILEWRIGHT_CUDA_FULL") else 2)
)
def test_nvcc_makes_the_kept_ptx(index):
    nvcc = find_nvcc()
    if nvcc is None:
        pytest.skip("there is no nvcc")
    program, target, macro = file = SAMPLE[index]
    kept = read_kept(*file)
    if kept[2] != nvcc[1]:
        pytest.skip(
            f"kept of nvcc {kept[2]}; here is {nvcc[1]}, whose PTX the tests compile and run"
        )
    text = compile_program(program, target, macro)
    if macro:
        kernels = [
            kernels_of(c)
            for c in CASES.values()
            for m in c.mutants
            if (c.program, m.macro) == (program, macro)
        ]
        text = keep_entries(text, set.union(*kernels))
    assert comparable(text) == comparable(kept[0]), kept_id(file)


SAMPLE = sample()
