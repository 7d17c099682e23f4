"""Bugs that people make, put into the programs one at a time: each must be found."""

import dataclasses

import pytest
import tilewright as tw
from cases import CASES
from cases.compile import load
from cases.run import DEVICES, run

MUTANTS = {
    f"{case.name}-{mutant.macro}": (case, mutant)
    for case in CASES.values()
    for mutant in case.mutants
}


#: Copies land late: one that lands at issue hides that nobody waits for it.
ORDERS = {
    "straight": tw.EmulatorOptions(),
    "shuffled": tw.EmulatorOptions(warp_order_seed=31, preemption_seed=32),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("name", MUTANTS)
def test_is_found(name, order):
    case, mutant = MUTANTS[name]
    target = case.targets[0]
    # A bug may make a loop endless, so budgets are short.
    options = dataclasses.replace(order, instruction_budget=20_000_000, max_findings=64)
    module = tw.Module(load(case.program, target, mutant.macro), DEVICES[target], options)
    outcome = run(case.problem(), module)
    assert outcome.kinds() & set(mutant.kinds), (
        f"expects {' or '.join(mutant.kinds)}, but got:\n{outcome.problems() or 'nothing'}"
    )
