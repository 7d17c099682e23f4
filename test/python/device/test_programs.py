"""CUDA C++ programs: results against NumPy, and no findings."""

import pytest
import tilewright as tw
from cases import CASES
from cases.compile import load
from cases.run import DEVICES, run


@pytest.mark.parametrize("name", CASES)
def test_on_ampere(name, order):
    check(name, "sm_80", order)


@pytest.mark.parametrize("name", CASES)
def test_on_hopper(name):
    check(name, "sm_90", tw.EmulatorOptions(warp_order_seed=21))


def check(name: str, target: str, options: tw.EmulatorOptions) -> None:
    case = CASES[name]
    if target not in case.targets:
        pytest.skip(f"the program is for {' and '.join(case.targets)}")
    module = tw.Module(load(case.program, target), DEVICES[target], options)
    outcome = run(case.problem(), module)
    assert not outcome.problems(), f"{options}\n{outcome.problems()}"
