"""The same programs on a GPU, where there is one: the references hold there too."""

import dataclasses

import pytest
import tilewright as tw
from cases import CASES
from cases.compile import load
from cases.run import run

GPUS = [device for device in tw.devices() if device.name.startswith("cuda:")]


@pytest.mark.parametrize("name", CASES if GPUS else ["all of them"])
def test_on_gpu(name):
    if not GPUS:
        pytest.skip("there is no GPU")
    case = CASES[name]
    capability = int("".join(filter(str.isdigit, GPUS[0].target)))
    fitting = [target for target in case.targets if int(target[3:]) <= capability]
    if not fitting:
        pytest.skip(f"{GPUS[0].name} is too old for {' and '.join(case.targets)}")
    # What printf writes goes past us there.
    problem = dataclasses.replace(case.problem(), output=None)
    if any(launch.cooperative for launch in problem.launches):
        pytest.skip("needs a cooperative launch, which Module.launch does not make")
    outcome = run(problem, tw.Module(load(case.program, max(fitting)), GPUS[0].name))
    assert not outcome.problems()
