"""Runs a problem on a `tilewright.Module` and compares what comes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .model import Case, Empty, Offset, Problem, Struct, differences

#: The emulated device that runs code of a target.
DEVICES = {"sm_80": "emulated:a100", "sm_90": "emulated:h200"}


@dataclass
class Outcome:
    """What a problem left behind: findings, wrong results, what printf wrote."""

    findings: list[Any] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    output: str = ""
    reports: list[Any] = field(default_factory=list)

    def kinds(self) -> set[str]:
        return {finding.kind for finding in self.findings}

    def problems(self) -> str:
        """Everything that is not as it should be, a line each; empty when all is well."""
        return "\n".join([*map(str, self.findings), *self.wrong])


def run(problem: Problem, module: Any, *, stop_at_finding: bool = True) -> Outcome:
    """Launches in order on `module`; after a finding the rest is not launched."""
    buffers = {
        name: module.empty(value.shape, value.dtype)
        if isinstance(value, Empty)
        else module.from_numpy(value)
        for name, value in problem.buffers.items()
    }
    for name, value in problem.symbols.items():
        module.symbol(name, value.dtype).write(np.ravel(value))
    outcome = Outcome()
    for launch in problem.launches:
        args = [resolve(arg, buffers) for arg in launch.args]
        report = module.launch(
            launch.kernel,
            launch.grid,
            launch.block,
            args,
            dynamic_shared=launch.shared,
            allow_findings=True,
        )
        outcome.reports.append(report)
        outcome.findings += report.findings
        outcome.output += report.output
        if report.findings and stop_at_finding:
            return outcome
    for name, expected in problem.expected.items():
        wrong = differences(name, buffers[name].to_numpy(), expected)
        outcome.wrong += [wrong] if wrong else []
    for name, expected in problem.symbols_expected.items():
        value = module.symbol(name, expected.value.dtype).to_numpy()
        wrong = differences(name, value, expected)
        outcome.wrong += [wrong] if wrong else []
    if problem.output is not None:
        got, want = sorted(outcome.output.split("\n")), sorted(problem.output.split("\n"))
        if got != want:
            outcome.wrong.append(f"printf wrote\n{outcome.output}\nbut expected\n{problem.output}")
    return outcome


def resolve(arg: Any, buffers: dict[str, Any]) -> Any:
    """The value of an argument, where buffers are known."""
    if isinstance(arg, str):
        return buffers[arg]
    if isinstance(arg, Offset):
        return np.uint64(buffers[arg.buffer].address + arg.nbytes)
    if isinstance(arg, Struct):
        return arg.pack(lambda name: buffers[name].address)
    return arg


def kernels_of(case: Case) -> set[str]:
    """The kernels that a case launches."""
    return {launch.kernel for launch in case.problem().launches}
