"""`tw run`: runs a kernel on a device and compares the result with float64."""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import hardware
from .._extension import native, runtime
from ..errors import Error
from ..formats import RESULTS
from ..testing import assert_within_bound, linear_reference
from . import nvidia
from .artifact import Artifact, read_artifact
from .compile import describe_resources, resources
from .failures import FAILED, OK, BadInput, Failure, as_bad_input
from .inputs import Inputs, read_inputs, save_array
from .options import add_json, add_schedule
from .output import count, print_facts, print_json, seconds, wait_for
from .problem import QuantMatmul, add_problem_options, compile_for, given_options


def add_parser(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "run",
        help="run a kernel and check its result",
        description="Runs a problem given by options (--op), or an ARTIFACT that 'tw compile -o' "
        "wrote, on random or given inputs, and compares the result with float64 arithmetic "
        "within the error bound. Status 1 when it is outside.",
    )
    parser.add_argument("artifact", nargs="?", metavar="ARTIFACT", help="a kernel to run")
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="cuda:0, emulated:a100, ... (default: the first GPU, else emulated:a100)",
    )
    add_schedule(parser)
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="of the random inputs (default 0)"
    )
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=FILE.npy",
        help="x [M,K], w [N,K] (quantised here) or bias [N] instead of random values",
    )
    parser.add_argument("-o", dest="output", metavar="FILE.npy", help="write y [M,N] there")
    add_json(parser)
    add_problem_options(parser)
    parser.set_defaults(function=run_and_check)


def run_and_check(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    _check(arguments)
    given = read_inputs(arguments.input)
    loaded = read_artifact(arguments.artifact) if arguments.artifact else None
    with as_bad_input("'tw devices' lists the names"):
        device = hardware.device(arguments.device).name
    model = native().device_model(runtime(), device)
    if loaded:
        _check_target(loaded, model["target"])
        artifact = loaded
        kernel = load(artifact, device)
        problem = QuantMatmul.from_artifact(loaded, arguments.m)
    else:
        given.fill_extents(arguments)
        problem = QuantMatmul.from_options(arguments)
        artifact = _compile(problem, model, arguments.schedule)
        kernel = load(artifact, device)
    inputs = wait_for(lambda: given.complete(problem, arguments.seed), "preparing the inputs")
    y, facts = launch(kernel, inputs, problem, device)
    accuracy = wait_for(lambda: judge(y, inputs, problem), "comparing with float64")
    report = {
        "device": device,
        "kernel": artifact.metadata["kernel"],
        "target": artifact.metadata["target"],
        "problem": str(problem),
        "schedule": artifact.schedule,
        "seed": arguments.seed if inputs.random else None,
        "random": list(inputs.random),
        "accuracy": accuracy,
        "compile_seconds": artifact.compile_seconds,
        "seconds": facts["seconds"],
        "counters": dict(sorted(facts["counters"].items())),
        "resources": resources(artifact, model),
        "remarks": artifact.metadata["remarks"],
        "output": arguments.output,
    }
    if arguments.output:
        save_array(arguments.output, y)
    if arguments.json:
        print_json(report)
    else:
        _print_report(report)
    return OK if accuracy["within_bound"] else FAILED


def _compile(problem: QuantMatmul, model: dict[str, Any], schedule: str | None) -> Artifact:
    """The kernel of a problem, with what ptxas says about it."""
    target = model["target"]
    artifact = compile_for(problem, model, schedule)
    assembly = wait_for(lambda: nvidia.assemble(artifact.ptx, target), f"ptxas for {target}")
    return artifact.with_assembly(assembly) if assembly else artifact


def _check(arguments: argparse.Namespace) -> None:
    """Refuses options that contradict each other."""
    path = arguments.artifact
    if not path and not arguments.op:
        raise BadInput(
            "expects an ARTIFACT or --op",
            "for example: tw run --op quant_matmul --format u4 -m 16 -n 1024 -k 1024",
        )
    given = given_options(arguments)
    if path and (arguments.op or arguments.schedule or given):
        extra = given[0] if given else "--op" if arguments.op else "--schedule"
        raise BadInput(
            f"{extra} and {path} exclude each other: the kernel is compiled already",
            f"leave {extra} out",
        )


def _check_target(artifact: Artifact, target: str) -> None:
    made_for = str(artifact.metadata.get("target"))
    if not runs_on(made_for, target):
        raise BadInput(
            f"{artifact.path} was compiled for {made_for}; a device of {target} does not run that",
            f"compile it with --target {target}",
        )


def runs_on(made_for: str, target: str) -> bool:
    """Whether PTX for one target runs on a device of another.

    Later capabilities run what earlier ones do; targets with a letter run nowhere else
    (PTX ISA, "PTX Module Directives: .target").
    """
    if made_for == target:
        return True
    number, wanted = made_for.removeprefix("sm_"), target.removeprefix("sm_").rstrip("af")
    return number.isdigit() and int(number) <= int(wanted)


def launch(
    kernel: Any, inputs: Inputs, problem: QuantMatmul, device: str, report: bool = False
) -> tuple[NDArray, dict[str, Any]]:
    """y, and what the launch reports; with `report` all of it."""
    y = np.zeros((problem.m, problem.outputs), RESULTS[problem.out_dtype])

    def work() -> dict[str, Any]:
        return kernel.quant_matmul(
            inputs.x, inputs.weights.packed(problem.dtype), inputs.bias, y, report
        )

    return y, wait_for(work, f"running on {device}")


def load(artifact: Artifact, device: str) -> Any:
    """The kernel on the device. What is wrong in a file is said with its place there."""
    metadata = json.dumps(artifact.metadata)
    try:
        return native().LoadedArtifact(runtime(), artifact.ptx, metadata, device)
    except Error as error:
        place = re.compile(r"(kernel '\S*': )?ptx line (\d+), column (\d+): ")
        message = str(error)
        if artifact.path:
            message = place.sub(lambda found: f"{artifact.path}:{found[2]}:{found[3]}: ", message)
            if message.startswith("metadata"):
                message = f"{artifact.path}:1: {message}"
            raise BadInput(message, "'tw compile -o' writes files that run") from None
        raise Failure(message, "this is a defect of tilewright") from None


def judge(y: NDArray, inputs: Inputs, problem: QuantMatmul) -> dict[str, Any]:
    """How far `y` is from float64 arithmetic, and whether that is within the bound."""
    activation = None if problem.activation == "none" else problem.activation
    ref, low, magnitude = linear_reference(
        inputs.x, inputs.weights, inputs.bias, activation, y.dtype
    )
    # Elements that are not finite are the bound's to judge; JSON has no word for them.
    with np.errstate(invalid="ignore"):
        errors = np.abs(y.astype(np.float64) - ref)
    result = {"max_error": _largest(errors), "max_reference": _largest(np.abs(ref))}
    try:
        ratio = assert_within_bound(y, ref, low, magnitude=magnitude, k=problem.k, name="y")
    except AssertionError as failure:
        return {**result, "of_bound": None, "within_bound": False, "message": str(failure)}
    return {**result, "of_bound": ratio, "within_bound": True, "message": None}


def _largest(values: NDArray[np.float64]) -> float:
    return float(values[np.isfinite(values)].max(initial=0.0))


def _print_report(report: dict[str, Any]) -> None:
    accuracy = report["accuracy"]
    if accuracy["within_bound"]:
        verdict = (
            f"within the bound: largest error {accuracy['max_error']:.3g} where values reach "
            f"{accuracy['max_reference']:.3g}, at most {accuracy['of_bound']:.0%} of the bound"
        )
    else:
        verdict = f"OUTSIDE the bound: {accuracy['message']}"
    made = f"random ({', '.join(report['random'])}), seed {report['seed']}"
    times = f"{seconds(report['seconds'])} on {report['device']}"
    if report["compile_seconds"]:
        times += f", compiled in {seconds(report['compile_seconds'])}"
    print_facts(
        [
            ("problem", report["problem"]),
            ("kernel", f"{report['kernel']} for {report['target']}"),
            ("schedule", report["schedule"]),
            ("inputs", made if report["random"] else "given"),
            ("result", verdict),
            ("time", times),
            ("block", describe_resources(report["resources"])),
            ("counters", _describe_counters(report["counters"])),
            ("remarks", "\n".join(report["remarks"]) or "none"),
        ]
    )


def _describe_counters(counters: dict[str, Any]) -> str:
    """Counters that counted something, a line each."""
    shown = {name: value for name, value in counters.items() if value}
    if not shown:
        return "none: only emulated devices count"
    width = max(len(name) for name in shown)
    return "\n".join(f"{name:<{width}}  {count(value):>15}" for name, value in shown.items())
