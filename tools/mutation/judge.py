"""Runs mutants under the checkers and says what became of them."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import tilewright as tw

from .sites import Mutant, find, places

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
    is_known: bool = False  # missed, and `redundant.toml` says why

    def __str__(self) -> str:
        place = f"{self.source or 'line'} ({self.line})"
        return (
            f"{self.outcome}: {self.case} {self.target} {place}: {self.change} "
            f"{self.instruction} {self.detail}"
        )

    @property
    def is_good(self) -> bool:
        """Whether the checkers have done what they should."""
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


@dataclasses.dataclass
class Run:
    """What one run left behind."""

    findings: list[tw.Finding]
    wrong: list[str]  # results that are not as they should be
    reports: list[tw.Report]


class Subject:
    """A correct kernel, and how to run a text in its place.

    Args:
        name: "reduce.tree"; what stands before the point is the program.
        execute: runs a text with options.

    Raises:
        ValueError: the kernel as it is gives findings or wrong results.
    """

    def __init__(
        self, name: str, target: str, text: str, execute: Callable[[str, tw.EmulatorOptions], Run]
    ) -> None:
        self.name, self.target, self.text, self.execute = name, target, text, execute
        # A kernel that needs no leniency gets none.
        self.strict = True
        run = execute(text, tw.EmulatorOptions(strict_acquire=True, strict_warps=True, threads=1))
        if run.findings:
            self.strict = False
            run = execute(text, tw.EmulatorOptions(threads=1))
        if run.findings or run.wrong:
            problems = "\n".join([*map(str, run.findings), *run.wrong])
            raise ValueError(f"{name} on {target} is not correct:\n{problems}")
        # What hangs is to be found soon.
        self.budget = 200_000 + 20 * sum(r.counters.get("issues", 0) for r in run.reports)
        lines = {line.ptx_line for report in run.reports for line in report.lines}
        where = places(text)
        self.sources = {line: where[line - 1] for line in lines}

    def mutants(self) -> Iterator[Mutant]:
        """Every mutant of what the kernel executes."""
        return find(self.text, set(self.sources))

    def judge(self, mutant: Mutant, reasons: dict[tuple, str]) -> Verdict:
        """Runs a mutant under many orders until a checker reports it."""
        outcome, detail = self._try(mutant)
        is_known = False
        if outcome in ("unexplained", "missed"):
            guard_and_opcode = mutant.instruction.split()[:2]
            opcode = guard_and_opcode[mutant.instruction.startswith("@")].rstrip(";")
            place = self.sources[mutant.line]
            for change in (mutant.change, "any"):
                key = (self.name.split(".")[0], place, opcode, change)
                if outcome == "unexplained" and ("redundant", *key) in reasons:
                    outcome, detail = "redundant", reasons["redundant", *key]
                elif ("missed", *key) in reasons:
                    outcome, detail, is_known = "missed", reasons["missed", *key], True
        return Verdict(
            self.name,
            self.target,
            mutant.kind,
            mutant.change,
            mutant.line,
            self.sources[mutant.line],
            mutant.instruction,
            outcome,
            detail,
            is_known,
        )

    def _try(self, mutant: Mutant) -> tuple[str, str]:
        wrong = ""
        for order in orders():
            options = dataclasses.replace(
                order,
                strict_acquire=self.strict,
                strict_warps=self.strict,
                instruction_budget=self.budget,
                max_findings=1,
                threads=1,
            )
            try:
                run = self.execute(mutant.text, options)
            except tw.Error as error:
                return "missed", f"the mutant does not load: {error}"
            if run.findings:
                return "caught", run.findings[0].kind
            wrong = wrong or "; ".join(run.wrong)
        return ("missed", wrong.split("\n")[0]) if wrong else ("unexplained", "")


def read_reasons(path: Path = REASONS) -> dict[tuple, str]:
    """Why mutants change nothing, or why they are missed: by which of the two, program,
    place, opcode and change.
    """
    return {
        (outcome, entry["program"], place, entry["opcode"], change): entry["reason"]
        for outcome, entries in tomllib.loads(path.read_text()).items()
        for entry in entries
        for place in entry["at"]
        for change in entry["changes"]
    }
