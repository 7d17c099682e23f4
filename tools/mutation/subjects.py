"""The correct kernels that are mutated: the CUDA programs of the tests and our own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tilewright as tw
from tilewright._extension import native, runtime
from tilewright.reports import read_report
from tilewright.testing import assert_within_bound, linear_reference

from .judge import Run, Subject

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "test/cuda"))

from cases import CASES
from cases.compile import load
from cases.run import DEVICES, run

#: Our kernels: rows, K, N, format and schedule of a linear layer. Few rows and split K;
#: several stages; several warps a block; plain loads.
LINEAR = {
    "decode": (4, 512, 64, "u4", None),
    "split_k": (
        16, 768, 64, "u8",
        "quant_matmul{split_k=3, stages=4, tile_k=128, tile_m=16, tile_n=64, warps_m=1, warps_n=2}",
    ),
    "two_stages": (
        32, 512, 64, "u3",
        "quant_matmul{split_k=1, stages=2, tile_k=128, tile_m=32, tile_n=64, warps_m=2, warps_n=2}",
    ),
    "prefill": (64, 256, 128, "u6", None),
}  # fmt: skip
DEVICE = "emulated:a100"


def subjects(only: list[str], targets: list[str]) -> Iterator[Subject]:
    """Those whose names begin as one of `only` does, or all. One that is not correct as it
    is is named and left out.
    """

    def wanted(name: str) -> bool:
        return not only or any(name.startswith(start) for start in only)

    for case in CASES.values():
        for target in case.targets:
            if wanted(case.name) and target in targets:
                yield from attempt(make_case, case, target)
    for name in LINEAR:
        if wanted(f"tilewright.{name}") and "sm_80" in targets:
            yield from attempt(make_linear, name)


def attempt(make, *args) -> Iterator[Subject]:
    try:
        yield make(*args)
    except ValueError as error:
        print(f"left out: {error}", flush=True)


def make_case(case, target: str) -> Subject:
    problem = case.problem()

    def execute(text: str, options: tw.EmulatorOptions) -> Run:
        outcome = run(problem, tw.Module(text, DEVICES[target], options))
        return Run(outcome.findings, outcome.wrong, outcome.reports)

    return Subject(case.name, target, load(case.program, target), execute)


def make_linear(name: str) -> Subject:
    rows, k, n, form, schedule = LINEAR[name]
    rng = np.random.default_rng(len(name))
    x = rng.integers(-4, 5, (rows, k)).astype(np.float16)
    weights = tw.quantize(rng.standard_normal((n, k)), form, layout="nk", group_size=128)
    kernel = tw.compile("linear", weights, m=rows, target="sm_80", schedule=schedule)
    metadata = json.dumps(kernel.metadata)

    def execute(text: str, options: tw.EmulatorOptions) -> Run:
        runtime().set_emulator_options(DEVICE, options.to_native())
        y = np.zeros((rows, n), np.float16)
        try:
            artifact = native().LoadedArtifact(runtime(), text, metadata, DEVICE)
            facts = artifact.quant_matmul(x, weights.packed(), None, y, report=True)
        except tw.CheckError as error:
            return Run(error.report.findings, [], [])
        finally:
            runtime().set_emulator_options(DEVICE, tw.EmulatorOptions().to_native())
        report = read_report(json.loads(facts["report"]), DEVICE, 0.0)
        reference, low, _ = linear_reference(x, weights, None, None, y.dtype)
        try:
            assert_within_bound(y, reference, low)
        except AssertionError as error:
            return Run([], [str(error)], [report])
        return Run([], [], [report])

    return Subject(f"tilewright.{name}", "sm_80", kernel.ptx, execute)
