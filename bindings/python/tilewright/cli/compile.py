"""`tw compile`: a program or a problem to PTX, and what it costs."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from typing import Any

from .._extension import native
from . import nvidia
from .artifact import Artifact, read_text, write_file
from .attention_problem import (
    ATTENTION_OPS,
    AttentionProblem,
    add_attention_options,
    given_attention_options,
)
from .failures import OK, BadInput, as_bad_input
from .options import add_json, add_schedule
from .output import count, print_facts, print_json, seconds, wait_for
from .problem import (
    OPS,
    SCHEDULE_HINT,
    QuantMatmul,
    add_problem_options,
    compile_problem,
    given_options,
)

EMITS = ("ptx", "ir", "metadata", "cubin")


def add_parser(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "compile",
        help="compile a program or a problem to PTX",
        description="Compiles an MLIR program (FILE), or a problem given by options (--op), "
        "and prints what the kernel needs, or with --emit the kernel itself.",
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="an nn or tile program; - is stdin")
    parser.add_argument(
        "--target",
        default="sm_80",
        metavar="NAME",
        help="sm_XX or a GPU's name, as 'tw devices' lists them (default sm_80)",
    )
    add_schedule(parser)
    parser.add_argument(
        "--emit",
        choices=EMITS,
        help="print this instead of a summary; ptx holds the launch metadata in its first line",
    )
    parser.add_argument(
        "--phase", metavar="NAME", help="with --emit ir: only the IR after this phase"
    )
    parser.add_argument(
        "-o", dest="output", metavar="FILE", help="write it there (ptx without --emit)"
    )
    add_json(parser)
    add_problem_options(parser, (*OPS, *ATTENTION_OPS))
    add_attention_options(parser)
    parser.set_defaults(function=compile_and_show)


def compile_and_show(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    _check(arguments)
    with as_bad_input("'tw devices' lists the names"):
        model = native().find_model(arguments.target)
    kind = AttentionProblem if arguments.op in ATTENTION_OPS else QuantMatmul
    problem = None if arguments.file else kind.from_options(arguments)
    wants_ir = arguments.emit == "ir"
    if problem is None:
        artifact = _compile_file(arguments, model["name"], wants_ir)
    else:
        artifact = compile_problem(problem, model["name"], arguments.schedule, phases=wants_ir)
    if wants_ir:
        phases = _select(artifact.phases, arguments.phase)
        return _deliver(arguments, "".join(_titled(*phase) for phase in phases), dict(phases))

    target = model["target"]
    assembly = wait_for(lambda: nvidia.assemble(artifact.ptx, target), f"ptxas for {target}")
    if assembly is not None:
        artifact = artifact.with_assembly(assembly)
    if arguments.emit == "metadata":
        text = json.dumps(artifact.metadata, indent=2) + "\n"
        return _deliver(arguments, text, artifact.metadata)
    if arguments.emit == "cubin":
        if assembly is None:
            raise BadInput("a cubin needs ptxas, which was not found", nvidia.HOW_TO_GET["ptxas"])
        return _deliver(arguments, assembly.cubin, base64.b64encode(assembly.cubin).decode("ascii"))
    if arguments.emit == "ptx":
        return _deliver(arguments, artifact.text(), artifact.text())
    if arguments.output:
        write_file(arguments.output, artifact.text())
    summary = summarize(artifact, model, arguments.m or 16)
    if arguments.json:
        print_json({**summary, "output": arguments.output})
    else:
        print_summary(summary)
        if arguments.output:
            print(f"\nWrote {arguments.output}; 'tw run {arguments.output}' runs it.")
    return OK


def _check(arguments: argparse.Namespace) -> None:
    """Refuses options that contradict each other."""
    given = given_options(arguments) + given_attention_options(arguments)
    if arguments.file and (arguments.op or given):
        extra = given[0] if given else "--op"
        raise BadInput(
            f"{extra} and {arguments.file} exclude each other: the file says what to compute",
            f"leave {extra} out",
        )
    if not arguments.file and not arguments.op:
        raise BadInput(
            "expects a FILE or --op",
            "for example: tw compile --op quant_matmul --format u4 -m 16 -n 1024 -k 1024",
        )
    foreign = given_attention_options(arguments, arguments.op) if arguments.op else []
    if arguments.op in ATTENTION_OPS:
        shared = {"--dtype"} | ({"--out-dtype"} if arguments.op == "merge_attention" else set())
        foreign += [option for option in given_options(arguments) if option not in shared]
    if foreign:
        raise BadInput(
            f"{foreign[0]} is no option of --op {arguments.op}", f"leave {foreign[0]} out"
        )
    if arguments.phase and arguments.emit != "ir":
        raise BadInput("--phase belongs to --emit ir", "add --emit ir")
    writes_binary = arguments.emit == "cubin" and not arguments.output and not arguments.json
    if writes_binary and sys.stdout.isatty():
        raise BadInput("a cubin is no text for a terminal", "add -o FILE")


def _compile_file(arguments: argparse.Namespace, model: str, phases: bool) -> Artifact:
    source = read_text(arguments.file)
    name = "<stdin>" if arguments.file == "-" else arguments.file
    # What is wrong with the program itself carries its place.
    with as_bad_input(SCHEDULE_HINT if arguments.schedule else "mend the program"):
        return Artifact.compiled(
            native().compile_source(
                source, name, model, arguments.schedule, arguments.m or 16, phases
            )
        )


def _select(phases: list[tuple[str, str]], name: str | None) -> list[tuple[str, str]]:
    """The phases asked for."""
    chosen = [phase for phase in phases if name in (None, phase[0])]
    if not chosen:
        names = ", ".join(phase[0] for phase in phases)
        raise BadInput(f"no phase is called '{name}'", f"the phases are {names}")
    return chosen


def _titled(phase: str, ir: str) -> str:
    return f"// after {phase}\n{ir.rstrip()}\n"


def _deliver(arguments: argparse.Namespace, contents: str | bytes, value: Any) -> int:
    """Writes what --emit asked for to the output, or prints it."""
    if arguments.output:
        write_file(arguments.output, contents)
    if arguments.json:
        print_json({"emit": arguments.emit, "output": arguments.output, arguments.emit: value})
    elif not arguments.output:
        data = contents.encode() if isinstance(contents, str) else contents
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
    return OK


def summarize(artifact: Artifact, model: dict[str, Any], m: int) -> dict[str, Any]:
    """What a kernel is and needs, as `--json` prints it."""
    metadata = artifact.metadata
    return {
        "kernel": metadata["kernel"],
        "model": model["name"],
        "target": metadata["target"],
        "problem": metadata["problem"],
        "schedule": artifact.schedule,
        "launch": {
            "grid": metadata["grid"],
            "cluster": metadata["cluster"],
            "block": metadata["block"],
            "m": m,
            "blocks": artifact.blocks(m, model["sm_count"]),
        },
        "resources": resources(artifact, model),
        "remarks": metadata["remarks"],
        "versions": metadata["versions"],
        "compile_seconds": artifact.compile_seconds,
    }


def resources(artifact: Artifact, model: dict[str, Any]) -> dict[str, Any]:
    """What a block uses and may use; null where ptxas would have to say."""
    metadata = artifact.metadata
    return {
        "registers": metadata.get("registers"),
        "registers_limit": model["registers_per_thread"],
        "spill_bytes": metadata.get("spill_bytes"),
        "shared_bytes": metadata["static_shared_bytes"] + metadata["dynamic_shared_bytes"],
        "shared_limit": model["shared_bytes_per_block"],
        "threads": metadata["block"][0] * metadata["block"][1] * metadata["block"][2],
        "threads_limit": model["threads_per_block"],
        "ptxas": metadata["versions"].get("ptxas"),
    }


def describe_resources(used: dict[str, Any]) -> str:
    """Lines for people."""
    lines = [
        f"{count(used['shared_bytes'])} of {count(used['shared_limit'])} bytes of shared memory",
        f"{used['threads']} of {used['threads_limit']} threads",
    ]
    if used["registers"] is None or used["spill_bytes"] is None:
        lines.append(f"registers unknown without ptxas ({nvidia.HOW_TO_GET['ptxas']})")
    else:
        lines.append(
            f"{used['registers']} of {used['registers_limit']} registers a thread, "
            f"{count(used['spill_bytes'])} bytes spilled (ptxas {used['ptxas']})"
        )
    return "\n".join(lines)


def print_summary(summary: dict[str, Any]) -> None:
    """The summary for people."""
    launch = summary["launch"]
    blocks = " x ".join(str(extent) for extent in launch["blocks"])
    print_facts(
        [
            ("kernel", summary["kernel"]),
            ("target", f"{summary['target']} ({summary['model']})"),
            ("schedule", summary["schedule"]),
            ("grid", f"({', '.join(launch['grid'])}): {blocks} blocks for M = {launch['m']}"),
            ("block", describe_resources(summary["resources"])),
            ("remarks", "\n".join(summary["remarks"]) or "none"),
            ("compiled", f"in {seconds(summary['compile_seconds'])}"),
        ]
    )
