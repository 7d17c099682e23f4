"""`tw profile`: where a kernel spends its instructions and its memory traffic."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any

from .._extension import native, runtime
from ..emulation import EmulatorOptions
from ..kernel_files import Kernels
from ..profile_page import ProfiledLaunch, describe_launch, render_page
from ..reports import LineCounters, parse_report
from .check import add_launch_options, collect_notes, prepare, run, write_text
from .diagnostics import Painter, Printer, Sources, demangle
from .failures import FAILED, OK, BadInput
from .inputs import GivenInputs
from .options import add_json, add_schedule
from .output import count, print_facts, print_json, print_table, wait_for
from .problem import QuantMatmul, add_problem_options, compile_for, given_options

#: What lines can be sorted by: the counter that is above its ideal, or the counter itself.
_SORTS = {
    "issues": lambda c: c.get("issues", 0),
    "sectors": lambda c: c.get("globalSectors", 0) - c.get("globalSectorsNeeded", 0),
    "conflicts": lambda c: c.get("sharedWavefronts", 0) - c.get("sharedIdealWavefronts", 0),
    "bytes": lambda c: sum(v for name, v in c.items() if name.endswith("Bytes")),
}


def add_parser(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "profile",
        help="count what a kernel does, line by line",
        description="Runs kernels on an emulated GPU and counts exactly: warp instructions, "
        "sectors of global memory, wavefronts of shared memory and how many would do without "
        "bank conflicts, for each source line and each PTX instruction. What runs are the kernels "
        "of a PTX or CUDA C++ FILE with a launch spec, or a problem given by options (--op).",
        epilog="Exit status: 0 it worked; 1 a checker found a defect; 2 bad input.",
    )
    add_launch_options(parser, needs_file=False)
    parser.add_argument(
        "--html", metavar="OUT", help="write a page with source, PTX and pictures of accesses"
    )
    parser.add_argument(
        "--sort",
        choices=_SORTS,
        default="issues",
        help="order of lines: issues, or what is above the ideal: sectors, conflicts; or bytes",
    )
    parser.add_argument(
        "--top", type=_count, default=20, metavar="N", help="how many lines to print (default 20)"
    )
    add_json(parser)
    add_schedule(parser)
    add_problem_options(parser)
    parser.set_defaults(function=profile)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1 << 31:
        raise argparse.ArgumentTypeError(f"expects an integer of 1 or more, but got '{text}'")
    return int(text)


@dataclasses.dataclass(frozen=True)
class Profiled:
    """What ran, with the texts it is about."""

    title: str
    launches: list[ProfiledLaunch]
    sources: Sources
    seed: int | None = None


def profile(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    _check(arguments)
    profiled = _profile_problem(arguments) if arguments.op else _profile_file(arguments)
    if arguments.html:
        page = render_page(profiled.title, profiled.launches, profiled.sources.locate)
        write_text(arguments.html, page)
    found = [f for launch in profiled.launches for f in launch.report.findings]
    if arguments.json:
        print_json(
            {
                "title": profiled.title,
                "seed": profiled.seed,
                "findings": [finding.text for finding in found],
                "launches": [
                    describe_launch(launch, profiled.sources.locate) for launch in profiled.launches
                ],
            }
        )
        return FAILED if found else OK
    for launch in profiled.launches:
        _print_launch(launch, profiled.sources, arguments.sort, arguments.top)
    printer = Printer(profiled.sources, Painter(False))
    for finding in found:
        printer.finding(finding)
    for note in collect_notes(launch.report for launch in profiled.launches):
        printer.message("note", note)
    if arguments.html:
        print(f"written to {arguments.html}")
    return FAILED if found else OK


def _check(arguments: argparse.Namespace) -> None:
    """Refuses options that contradict each other."""
    example = "for example: tw profile kernel.ptx --launch spec.toml"
    if arguments.op and (arguments.file or arguments.launch):
        raise BadInput("--op and FILE exclude each other", example)
    if not arguments.op and not (arguments.file and arguments.launch):
        raise BadInput("expects FILE and --launch, or --op", example)
    given = [] if arguments.op else given_options(arguments)
    given += ["--schedule"] * bool(arguments.schedule and not arguments.op)
    if given:
        raise BadInput(f"{given[0]} belongs to --op, but FILE is given", f"leave {given[0]} out")
    if arguments.device and not arguments.device.startswith("emulated:"):
        raise BadInput(f"--device is {arguments.device}; only emulated devices count", "tw devices")


def _profile_file(arguments: argparse.Namespace) -> Profiled:
    prepared = prepare(arguments)
    options = dataclasses.replace(
        prepared.spec.options, count_accesses=True, keep_worst_access=True
    )
    kernels: Kernels = prepared.kernels
    outcome = wait_for(lambda: run(prepared, kernels.load(options)), f"profiling {prepared.file}")
    launches = [
        ProfiledLaunch(
            report,
            kernels.ptx,
            kernels.ptx_name,
            f"grid {'x'.join(map(str, step.grid))}, block {'x'.join(map(str, step.block))}",
        )
        for report, step in zip(outcome.reports, prepared.spec.steps, strict=False)
    ]
    seed = prepared.spec.seed if prepared.spec.is_random else None
    return Profiled(prepared.file, launches, prepared.sources, seed)


def _profile_problem(arguments: argparse.Namespace) -> Profiled:
    """A problem of our own, on random inputs."""
    device = arguments.device or "emulated:a100"
    model = native().device_model(runtime(), device)
    problem = QuantMatmul.from_options(arguments)
    artifact = compile_for(problem, model, arguments.schedule)
    seed = arguments.seed or 0
    inputs = wait_for(lambda: GivenInputs({}, {}).complete(problem, seed), "preparing the inputs")
    options = EmulatorOptions(keep_worst_access=True)
    from .run import launch, load

    kernel = load(artifact, device)
    runtime().set_emulator_options(device, options.to_native())
    try:
        _, facts = launch(kernel, inputs, problem, device, report=True)
        report = parse_report(facts["report"], device, facts["seconds"])
    finally:
        runtime().set_emulator_options(device, EmulatorOptions().to_native())
    name = arguments.ptx_output or f"{artifact.metadata['kernel']}.ptx"
    if arguments.ptx_output:
        write_text(arguments.ptx_output, artifact.ptx)
    profiled = ProfiledLaunch(report, artifact.ptx, name, str(problem))
    return Profiled(str(problem), [profiled], Sources(artifact.ptx, name), seed)


def _print_launch(launch: ProfiledLaunch, sources: Sources, sort: str, top: int) -> None:
    """Totals, then the lines that matter most."""
    report, total = launch.report, launch.report.counters
    print(f"kernel '{demangle(report.kernel)}' on {report.device}, {launch.problem}")
    issues = total.get("issues", 0)
    classes = sorted(report.issues_by_class.items(), key=lambda item: -item[1])
    shares = ", ".join(f"{name} {_percent(n, issues)}" for name, n in classes[:6] if n)
    facts = [
        ("  blocks, warps", f"{count(report.blocks)}, {count(report.warps)}"),
        ("  warp instructions", f"{count(issues)}: {shares}"),
        ("  active lanes", _percent(total.get("activeLanes", 0), 32 * issues)),
        ("  global sectors", _of_ideal(total, "globalSectors", "globalSectorsNeeded")),
        ("  shared wavefronts", _of_ideal(total, "sharedWavefronts", "sharedIdealWavefronts")),
        ("  bytes", _describe_bytes(total)),
        ("  barrier waits", count(total.get("barrierWaits", 0))),
    ]
    print_facts([fact for fact in facts if fact[1] not in ("", "0")])
    has_source = bool(report.source_lines)
    lines = report.source_lines if has_source else report.lines
    key = _SORTS[sort]
    ordered = sorted(lines, key=lambda line: -key(line.counters))
    print()
    _print_lines(ordered[:top], launch, sources, issues)
    if len(ordered) > top:
        print(f"... {len(ordered) - top} more lines; --top shows more")
    print()


def _print_lines(
    lines: Sequence[LineCounters], launch: ProfiledLaunch, sources: Sources, issues: int
) -> None:
    rows = [("line", "issues", "share", "lanes", "sectors/needed", "wavefronts/ideal", "")]
    for line in lines:
        counters = line.counters
        if line.ptx_line is None:
            name, number = sources.locate(line.source_file or "source"), line.source_line or 0
        else:
            name, number = launch.ptx_name, line.ptx_line
        text = (sources.line(name, number) or line.instruction or "").strip()
        rows.append(
            (
                f"{name.rsplit('/', 1)[-1]}:{number}",
                count(counters.get("issues", 0)),
                _percent(counters.get("issues", 0), issues),
                _percent(counters.get("activeLanes", 0), 32 * counters.get("issues", 0)),
                _pair(counters, "globalSectors", "globalSectorsNeeded"),
                _pair(counters, "sharedWavefronts", "sharedIdealWavefronts"),
                text if len(text) <= 60 else text[:57] + "...",
            )
        )
    print_table(rows, right=range(1, 6))


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else ""


def _pair(counters: dict[str, int], actual: str, ideal: str) -> str:
    if not counters.get(actual):
        return ""
    return f"{count(counters[actual])}/{count(counters.get(ideal, 0))}"


def _of_ideal(counters: dict[str, int], actual: str, ideal: str) -> str:
    """ "1,024, twice the least of 512"."""
    value, least = counters.get(actual, 0), counters.get(ideal, 0)
    if not value:
        return ""
    times = f", {value / least:.2f} times the least of {count(least)}" if least < value else ""
    return f"{count(value)}{times or ', the least possible'}"


def _describe_bytes(counters: dict[str, int]) -> str:
    names = {
        "globalLoadBytes": "global read", "globalStoreBytes": "global written",
        "asyncBytes": "copied asynchronously", "sharedLoadBytes": "shared read",
        "sharedStoreBytes": "shared written", "localBytes": "local",
    }  # fmt: skip
    return ", ".join(
        f"{count(counters[key])} {name}" for key, name in names.items() if counters.get(key)
    )
