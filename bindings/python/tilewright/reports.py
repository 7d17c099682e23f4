"""What a launch leaves behind: counters, findings of the checkers, printed text."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class CallSite:
    """A place in the source that a function was inlined at."""

    file: str
    line: int
    column: int
    #: It is this or one of its neighbours that are the same: PTX does not tell which.
    is_one_of_several: bool = False


@dataclasses.dataclass(frozen=True)
class Place:
    """Where in the code something happened, and which thread did it."""

    #: "ld.shared.f32".
    instruction: str
    #: Line and column of the PTX text; 0 where there is none.
    ptx_line: int
    ptx_column: int
    block: tuple[int, int, int]
    warp: int
    #: None: the whole warp.
    lane: int | None
    #: The source line (.loc), where the PTX has it; else None.
    source_file: str | None
    source_line: int | None
    source_column: int | None
    #: Where the function of that line was inlined, from the inside out.
    inlined_at: tuple[CallSite, ...] = ()

    @property
    def thread(self) -> str:
        """ "block (0,0,0), warp 1, lane 3"."""
        text = f"block ({','.join(map(str, self.block))}), warp {self.warp}"
        return text if self.lane is None else f"{text}, lane {self.lane}"


@dataclasses.dataclass(frozen=True)
class Party:
    """The other access that a finding is about."""

    #: "written by", "read by".
    what: str
    place: Place


@dataclasses.dataclass(frozen=True)
class Finding:
    """A defect that a checker of the emulated device found."""

    #: "race", "out-of-bounds", ...: docs/emulator/README.md lists them.
    kind: str
    #: What happened, without the place.
    message: str
    kernel: str
    place: Place
    #: The address and what it belongs to; None where the finding has no address.
    address: int | None
    space: str | None
    symbol: str | None
    #: An earlier access to the same bytes.
    other: Party | None
    #: What would make it right.
    remedy: str | None
    #: All of it in one line.
    text: str

    def __str__(self) -> str:
        return self.text


@dataclasses.dataclass(frozen=True)
class WorstAccess:
    """The access of an instruction that cost most above the least possible."""

    #: "shared" or "global".
    space: str
    block: tuple[int, int, int]
    warp: int
    #: Of a lane.
    nbytes: int
    #: Wavefronts of shared memory, or sectors of global memory; and the least that would do.
    cost: int
    ideal: int
    #: A lane each; None where it took no part.
    addresses: tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class LineCounters:
    """What was counted at one instruction, or at one line of the source."""

    #: Line of the PTX text; None for sums over a source line.
    ptx_line: int | None
    #: "ld.shared.f32"; None for sums over a source line.
    instruction: str | None
    #: "load", "float", ...; None for sums over a source line.
    instruction_class: str | None
    source_file: str | None
    source_line: int | None
    #: By name; those that are 0 are left out (tilewright.profiling describes them).
    counters: dict[str, int]
    #: With `EmulatorOptions.keep_worst_access`, of an instruction that accesses memory.
    worst_access: WorstAccess | None = None


@dataclasses.dataclass(frozen=True)
class Report:
    """One launch. On a GPU only kernel, device and seconds are known."""

    kernel: str
    device: str
    #: Wall time of the launch, without copies.
    seconds: float
    blocks: int = 0
    warps: int = 0
    #: Totals by name, as `tilewright.profile` has them.
    counters: dict[str, int] = dataclasses.field(default_factory=dict)
    #: Warp instructions by class.
    issues_by_class: dict[str, int] = dataclasses.field(default_factory=dict)
    #: An entry an instruction that was executed, in order of the text.
    lines: list[LineCounters] = dataclasses.field(default_factory=list)
    #: The same, summed over source lines.
    source_lines: list[LineCounters] = dataclasses.field(default_factory=list)
    findings: list[Finding] = dataclasses.field(default_factory=list)
    #: What printf wrote.
    output: str = ""
    #: What was not checked to the end, and why: a checker has reached a limit.
    notes: list[str] = dataclasses.field(default_factory=list)
    #: The emulated device's report as it gave it, for JSON; empty on a GPU.
    raw: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)


def read_report(
    raw: dict[str, Any], device: str, seconds: float, labels: Mapping[int, str] | None = None
) -> Report:
    """The report that the compiled half gives as JSON.

    `labels` says what findings call allocations, by address; others are numbered.
    """
    for finding in raw["findings"]:
        _name_allocation(finding, labels or {})
    return Report(
        kernel=raw["kernel"],
        device=device,
        seconds=seconds,
        blocks=raw["blocks"],
        warps=raw["warps"],
        counters=raw["total"],
        issues_by_class=raw["issuesByClass"],
        lines=[_read_line(line) for line in raw["lines"]],
        source_lines=[_read_line(line) for line in raw["sourceLines"]],
        findings=[_read_finding(finding) for finding in raw["findings"]],
        output=raw["output"],
        notes=raw["notes"],
        raw=raw,
    )


def parse_report(text: str, device: str, seconds: float) -> Report:
    """The same from text; called by the compiled half."""
    return read_report(json.loads(text), device, seconds)


def _name_allocation(finding: dict[str, Any], labels: Mapping[int, str]) -> None:
    """Puts a label in the place of "allocation 3" wherever the finding says that."""
    symbol = finding.get("symbol") or ""
    found = re.fullmatch(r"(?:freed )?(allocation \d+) of \d+ bytes, offset (\d+)", symbol)
    label = found and labels.get(finding["address"] - int(found[2]))
    if label:
        for key in ("symbol", "message", "text"):
            finding[key] = re.sub(rf"\b{found[1]}\b", label, finding[key])


def _read_line(raw: dict[str, Any]) -> LineCounters:
    return LineCounters(
        ptx_line=raw.get("ptxLine"),
        instruction=raw.get("instruction"),
        instruction_class=raw.get("class"),
        source_file=raw.get("file"),
        source_line=raw.get("sourceLine"),
        counters=raw["counters"],
        worst_access=_read_worst(raw.get("worstAccess")),
    )


def _read_worst(raw: dict[str, Any] | None) -> WorstAccess | None:
    if raw is None:
        return None
    return WorstAccess(
        space=raw["space"],
        block=tuple(raw["block"]),
        warp=raw["warp"],
        nbytes=raw["bytes"],
        cost=raw["cost"],
        ideal=raw["ideal"],
        addresses=tuple(raw["addresses"]),
    )


def _read_place(raw: dict[str, Any]) -> Place:
    source = raw.get("source", {})
    return Place(
        instruction=raw["instruction"],
        ptx_line=raw["ptxLine"],
        ptx_column=raw["ptxColumn"],
        block=tuple(raw["block"]),
        warp=raw["warp"],
        lane=raw.get("lane"),
        source_file=source.get("file") or None,
        source_line=source.get("line"),
        source_column=source.get("column"),
        inlined_at=tuple(
            CallSite(site["file"], site["line"], site["column"], "isOneOfSeveral" in site)
            for site in raw.get("inlinedAt", [])
        ),
    )


def _read_finding(raw: dict[str, Any]) -> Finding:
    other = raw.get("other")
    return Finding(
        kind=raw["kind"],
        message=raw["message"],
        kernel=raw["kernel"],
        place=_read_place(raw),
        address=raw.get("address"),
        space=raw.get("space"),
        symbol=raw.get("symbol") or None,
        other=None if other is None else Party(other["what"], _read_place(other)),
        remedy=raw.get("remedy"),
        text=raw["text"],
    )
