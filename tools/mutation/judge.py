"""Runs mutants under the checkers and says what became of them."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tilewright as tw

from .sites import Mutant, find

REASONS = Path(__file__).with_name("redundant.toml")
#: A mutant that is silent must be so under this many orders.
SEEDS = 16


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a mutant."""

    case: str
    target: str
    kind: str
    change: str
    line: int
    source: str  # "file:line", or "" without .loc
    instruction: str
    outcome: str  # "caught", "redundant", "unexplained", "missed"
    detail: str  # the finding's kind, the reason, or what differed

    @property
    def is_good(self) -> bool:
        return self.outcome in ("caught", "redundant")


def orders() -> Iterator[tw.EmulatorOptions]:
    """The orders under which a mutant runs; the first ones find most."""
    yield tw.EmulatorOptions()
    for seed in range(1, SEEDS + 1):
        yield tw.EmulatorOptions(
            landing="random" if seed % 2 else "late",
            landing_seed=seed,
            warp_order_seed=seed,
            preemption_seed=seed,
        )


class Subject:
    """A case on a target: its text, problem and a device to run on."""

    def __init__(self, case: Any, target: str, text: str, device: str, run: Any) -> None:
        self.case, self.target, self.text, self.device = case, target, text, device
        self.problem, self._run = case.problem(), run
        outcome = run(self.problem, tw.Module(text, device, tw.EmulatorOptions()))
        if outcome.problems():
            raise ValueError(f"{case.name} on {target} is not correct:\n{outcome.problems()}")
        steps = sum(report.counters.get("issues", 0) for report in outcome.reports)
        # What hangs is to be found soon.
        self.budget = 200_000 + 20 * steps
        self.sources: dict[int, str] = {}
        for report in outcome.reports:
            for line in report.lines:
                self.sources[line.ptx_line] = source_of(line)

    def mutants(self) -> Iterator[Mutant]:
        return find(self.text, set(self.sources))

    def judge(self, mutant: Mutant, reasons: dict[tuple, str]) -> Verdict:
        def verdict(outcome: str, detail: str) -> Verdict:
            return Verdict(
                self.case.name,
                self.target,
                mutant.kind,
                mutant.change,
                mutant.line,
                self.sources[mutant.line],
                mutant.instruction,
                outcome,
                detail,
            )

        wrong = ""
        for order in orders():
            options = dataclasses.replace(order, instruction_budget=self.budget, max_findings=1)
            try:
                outcome = self._run(self.problem, tw.Module(mutant.text, self.device, options))
            except tw.Error as error:
                return verdict("missed", f"the mutant does not load: {error}")
            if outcome.findings:
                return verdict("caught", outcome.findings[0].kind)
            wrong = wrong or "; ".join(outcome.wrong)
        if wrong:
            return verdict("missed", wrong.split("\n")[0])
        opcode = mutant.instruction.rstrip(";").split()[0 if mutant.instruction[0] != "@" else 1]
        reason = reasons.get((self.case.program, self.sources[mutant.line], opcode, mutant.change))
        return verdict("redundant", reason) if reason else verdict("unexplained", opcode)


def source_of(line: Any) -> str:
    """ "reduce.cu:12" of a counted line."""
    if not line.source_line:
        return ""
    return f"{Path(line.source_file or '').name}:{line.source_line}"


def read_reasons(path: Path = REASONS) -> dict[tuple, str]:
    """Why mutants change nothing, by program, place, opcode and change."""
    if not path.exists():
        return {}
    entries = tomllib.loads(path.read_text()).get("redundant", [])
    return {
        (entry["program"], place, entry["opcode"], change): entry["reason"]
        for entry in entries
        for place in entry["at"]
        for change in entry["changes"]
    }
