"""`tw check`: runs kernels under every checker and prints what they find."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Iterable
from typing import Any

from ..checking import variants
from ..emulation import CHECKS, EmulatorOptions
from ..errors import ArgumentError, CompileError, DeviceError, UnsupportedError
from ..kernel_files import Kernels, read_kernels
from ..module import Module
from ..reports import Finding, Report
from ..spec import LaunchSpec, Outcome, read_spec, run_spec
from ..spec.template import make_template
from ..suggest import nearest
from .diagnostics import Painter, Printer, Sources, demangle, text_diagnostic
from .failures import FAILED, OK, BadInput
from .options import add_json
from .output import count, print_json, seconds, wait_for

_HINT = "'tw check --help' and docs/cli.md say what a launch spec holds"


def add_parser(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "check",
        help="run anybody's kernel under the checkers",
        description="Runs the kernels of a PTX or CUDA C++ file on an emulated GPU, as the launch "
        "spec says, and reports what the checkers find: accesses out of bounds, races, reads of "
        "memory nobody wrote, copies that were not waited for, misused barriers, deadlocks. "
        "CUDA C++ is compiled by NVRTC.",
        epilog="Exit status: 0 clean; 1 findings, or a buffer that does not hold what the spec "
        "expects; 2 bad input.",
    )
    add_launch_options(parser, needs_file=True)
    parser.add_argument(
        "--template",
        action="store_true",
        help="print a launch spec to start from, made from the kernels' parameters, and stop",
    )
    parser.add_argument(
        "--off",
        metavar="NAMES",
        type=_names,
        default=(),
        help=f"checkers to leave out, separated by commas: {', '.join(CHECKS)}",
    )
    parser.add_argument(
        "--seeds",
        type=_positive,
        default=1,
        metavar="N",
        help="try N orders of warps and times of landing (default 1)",
    )
    add_json(parser)
    parser.set_defaults(function=check)


def add_launch_options(parser: argparse.ArgumentParser, *, needs_file: bool) -> None:
    """What to run: also for `tw profile`."""
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs=None if needs_file else "?",
        help="kernels: FILE.ptx or FILE.cu",
    )
    parser.add_argument(
        "--launch",
        metavar="SPEC",
        help="how to launch them: a .toml or .json file (docs/cli.md)",
    )
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="emulated:h200, ... (default: the spec's, else the first that runs the code)",
    )
    parser.add_argument(
        "--seed", type=_seed, metavar="S", help="of random data, instead of the spec's"
    )
    parser.add_argument(
        "--ptx", metavar="FILE", dest="ptx_output", help="write the PTX there that ran"
    )


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in CHECKS:
            raise argparse.ArgumentTypeError(
                f"no checker is called '{name}'; {nearest(name, CHECKS)}"
            )
    return names


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100000:
        raise argparse.ArgumentTypeError(f"expects an integer from 1 to 100000, but got '{text}'")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 63:
        raise argparse.ArgumentTypeError(f"expects an integer of 0 or more, but got '{text}'")
    return int(text)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A file and a spec that fit each other."""

    file: str
    spec: LaunchSpec
    kernels: Kernels
    sources: Sources


def prepare(arguments: argparse.Namespace) -> Prepared:
    """Reads spec and file.

    Raises:
        BadInput: what is wrong with them, for PTX with the line and a caret.
    """
    try:
        # For a template there is none yet.
        spec = read_spec(arguments.launch or {"launch": {}})
    except ArgumentError as error:
        raise BadInput(str(error), _HINT) from None
    if arguments.seed is not None:
        spec = dataclasses.replace(spec, seed=arguments.seed)
    file = arguments.file
    if not file.endswith((".ptx", ".cu")):
        raise BadInput(f"FILE is '{file}'; expects a .ptx or .cu file", _HINT)
    try:
        kernels = wait_for(lambda: read_kernels(file, spec, arguments.device), f"reading {file}")
    except CompileError as error:
        raise Refused(file, str(error), None) from None
    except UnsupportedError as error:
        raise BadInput(str(error), "'tw doctor' says what is found") from None
    except (ArgumentError, DeviceError) as error:
        raise BadInput(str(error), _HINT) from None
    if arguments.ptx_output:
        write_text(arguments.ptx_output, kernels.ptx)
        kernels = dataclasses.replace(kernels, ptx_name=arguments.ptx_output)
    sources = Sources(kernels.ptx, kernels.ptx_name, file)
    try:
        wait_for(lambda: kernels.load(spec.options), f"loading {file}")
    except CompileError as error:
        raise Refused(file, str(error), sources) from None
    except (ArgumentError, DeviceError) as error:
        raise BadInput(str(error), "'tw devices' lists devices") from None
    return Prepared(file, spec, kernels, sources)


class Refused(BadInput):
    """A file that does not compile or load: the diagnostics are the message."""

    def __init__(self, file: str, message: str, sources: Sources | None) -> None:
        lines = message.splitlines()
        first = next((line for line in lines if "error" in line), message)
        if sources:
            hint = "docs/emulator/README.md lists what the emulated device executes"
        elif "cannot open source file" in message:
            hint = "NVRTC compiles device code: keep host code and its headers in "
            hint += "#ifndef __CUDACC_RTC__; nvrtc_options of the launch spec adds -I folders"
        else:
            hint = "the compiler is NVRTC; options for it are nvrtc_options of the launch spec"
        super().__init__(first, hint, "CompileError")
        self._file, self._sources, self._message = file, sources, message

    def show(self) -> str:
        """The whole of it on stderr: a compiler's own words, or the line of the PTX. Returns
        what is left to say.
        """
        if self._sources is None:
            print(self._message, file=sys.stderr)
            return f"{self._file} does not compile"
        painter = Painter.for_stream(sys.stderr)
        for line in text_diagnostic(self._sources, self._message, painter):
            print(line, file=sys.stderr)
        return f"{self._file} does not load"


def write_text(path: str, text: str) -> None:
    """Writes a file that an option names."""
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise BadInput(f"cannot write {path}: {reason}", "the folder must exist") from None


def run(prepared: Prepared, module: Module) -> Outcome:
    """Carries the spec out; what does not fit is bad input."""
    try:
        return run_spec(prepared.spec, module)
    except ArgumentError as error:
        raise BadInput(str(error), _HINT) from None


@dataclasses.dataclass
class Sighting:
    """A finding, and in which runs it was seen."""

    finding: Finding
    runs: list[int]


def check(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    if arguments.template:
        prepared = prepare(arguments)
        print(make_template(prepared.kernels.load(EmulatorOptions()), arguments.file), end="")
        return OK
    if not arguments.launch:
        raise BadInput(
            "expects --launch SPEC, which says how to launch the kernels",
            f"'tw check {arguments.file} --template' prints one to start from",
        )
    prepared = prepare(arguments)
    options = prepared.spec.options.without(*arguments.off)
    outcomes: list[Outcome] = []
    total = arguments.seeds
    for number, variant in enumerate(variants(options, total), 1):
        doing = f"checking {prepared.file}" + (f", run {number} of {total}" if total > 1 else "")
        outcomes.append(
            wait_for(lambda variant=variant: run(prepared, prepared.kernels.load(variant)), doing)
        )
    sightings = _collect(outcomes)
    clean = all(outcome.is_clean for outcome in outcomes)
    if arguments.json:
        print_json(_as_json(prepared, options, outcomes, sightings))
    else:
        _print(prepared, outcomes, sightings)
    return OK if clean else FAILED


def _collect(outcomes: list[Outcome]) -> list[Sighting]:
    """Every finding once: kind and place tell them apart. A race is two accesses, whichever
    came second; of "reads what was written" and "writes what was read" the first says more.
    """
    sightings: dict[tuple[Any, ...], Sighting] = {}
    for number, outcome in enumerate(outcomes):
        for finding in outcome.reports[-1].findings:
            places = {(finding.place.ptx_line, finding.place.ptx_column)}
            if finding.kind == "race" and finding.other is not None:
                places.add((finding.other.place.ptx_line, finding.other.place.ptx_column))
            key = (finding.kernel, finding.kind, frozenset(places))
            sighting = sightings.setdefault(key, Sighting(finding, []))
            if finding.message.startswith("reads"):
                sighting.finding = finding
            if number not in sighting.runs:
                sighting.runs.append(number)
    return list(sightings.values())


def _print(prepared: Prepared, outcomes: list[Outcome], sightings: list[Sighting]) -> None:
    printer = Printer(prepared.sources, Painter.for_stream(sys.stdout))
    if prepared.kernels.warnings.strip():
        print(prepared.kernels.warnings.strip())
    for report in outcomes[0].reports:
        print(report.output, end="" if report.output.endswith("\n") or not report.output else "\n")
    for sighting in sightings:
        seen = f"(in {len(sighting.runs)} of {len(outcomes)} runs)" if len(outcomes) > 1 else ""
        printer.finding(sighting.finding, seen)
    mismatches = [(i, m) for i, outcome in enumerate(outcomes) for m in outcome.mismatches]
    for number, mismatch in mismatches[:1]:
        run_text = f" in run {number + 1} of {len(outcomes)}" if len(outcomes) > 1 else ""
        printer.message("error", f"{mismatch}{run_text}")
    for _, mismatch in mismatches[1:] if len(outcomes) == 1 else ():
        printer.message("error", str(mismatch))
    for note in collect_notes(report for outcome in outcomes for report in outcome.reports):
        printer.message("note", note)
    print(_summary(prepared, outcomes, sightings))


def collect_notes(reports: Iterable[Report]) -> list[str]:
    """What was not checked to the end, once each."""
    notes = (
        f"in '{demangle(report.kernel)}': {note}" for report in reports for note in report.notes
    )
    return list(dict.fromkeys(notes))


def _summary(prepared: Prepared, outcomes: list[Outcome], sightings: list[Sighting]) -> str:
    """One line: verdict, what ran, where."""
    reports = outcomes[0].reports
    found = _plural(len(sightings), "finding")
    wrong = len({m.buffer for outcome in outcomes for m in outcome.mismatches})
    verdict = "clean" if not sightings and not wrong else found if sightings else ""
    if wrong:
        verdict += (", " if verdict else "") + _plural(wrong, "buffer") + " not as expected"
    ran = " then ".join(dict.fromkeys(f"'{demangle(report.kernel)}'" for report in reports))
    blocks = sum(report.blocks for report in reports)
    issues = sum(report.counters.get("issues", 0) for report in reports)
    time = sum(report.seconds for outcome in outcomes for report in outcome.reports)
    runs = f", {len(outcomes)} runs" if len(outcomes) > 1 else ""
    seed = f", seed {prepared.spec.seed}" if prepared.spec.is_random else ""
    return (
        f"{prepared.file}: {verdict}: {ran} on {reports[0].device}, {_plural(blocks, 'block')}, "
        f"{count(issues)} warp instructions{runs} in {seconds(time)}{seed}"
    )


def _plural(number: int, word: str) -> str:
    return f"{count(number)} {word}{'' if number == 1 else 's'}"


def _as_json(
    prepared: Prepared,
    options: EmulatorOptions,
    outcomes: list[Outcome],
    sightings: list[Sighting],
) -> dict[str, Any]:
    mismatches = [
        {**dataclasses.asdict(mismatch), "run": number}
        for number, outcome in enumerate(outcomes)
        for mismatch in outcome.mismatches
    ]
    return {
        "file": prepared.file,
        "device": outcomes[0].reports[0].device,
        "clean": all(outcome.is_clean for outcome in outcomes),
        "checks": sorted(options.checks),
        "seed": prepared.spec.seed if prepared.spec.is_random else None,
        "runs": len(outcomes),
        "findings": [
            {**dataclasses.asdict(sighting.finding), "runs": sighting.runs}
            for sighting in sightings
        ],
        "mismatches": mismatches,
        "launches": [_launch_as_json(report) for report in outcomes[0].reports],
    }


def _launch_as_json(report: Report) -> dict[str, Any]:
    return {
        "kernel": report.kernel,
        "blocks": report.blocks,
        "warps": report.warps,
        "seconds": report.seconds,
        "counters": dict(sorted(report.counters.items())),
        "output": report.output,
        "notes": report.notes,
    }
