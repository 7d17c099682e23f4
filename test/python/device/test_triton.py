"""Triton's PTX: as it is kept, and of the `triton` package where that is installed."""

import sys
from pathlib import Path

import pytest
import tilewright as tw
from cases.run import run

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "triton"))

from triton_cases import TRITON_CASES, read_kept
from triton_compile import compile_kernel, has_triton


@pytest.mark.parametrize("name", TRITON_CASES)
def test_kept(name, order):
    case = TRITON_CASES[name]
    ptx = read_kept(case)
    assert ptx.startswith(f"// {case.fingerprint()} by triton "), (
        "run test/triton/triton_compile.py where the triton package is"
    )
    check(case, ptx, order)


@pytest.mark.skipif(not has_triton(), reason="no triton package: make install TRITON=1")
@pytest.mark.parametrize("name", TRITON_CASES)
def test_compiled_here(name):
    case = TRITON_CASES[name]
    check(case, compile_kernel(case), tw.EmulatorOptions(warp_order_seed=41))


def check(case, ptx: str, options: tw.EmulatorOptions) -> None:
    outcome = run(case.problem(ptx), tw.Module(ptx, "emulated:a100", options))
    assert not outcome.problems(), f"{options}\n{outcome.problems()}"
