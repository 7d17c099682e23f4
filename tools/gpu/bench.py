"""Times packed products against float16, torch's 4-bit product and Triton.

A row of the results is one problem and one contender: seconds, how much of the measured
copy bandwidth the operands' bytes make of that, and how long beside the float16 product.
On an emulated device there is nothing to time: rows have counters instead.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tilewright as tw
from tilewright import testing

from .contenders import TRITON_BLOCKS, Absent, Bench
from .launch_plan import LaunchPlan, operands_of
from .shapes import Problem, make_weights, make_x
from .timing import GraphTimer, Spread, measure_copy, time_in_turn

#: Counters that say what a kernel costs.
COUNTERS = (
    "issues", "matrixOperations", "globalLoadBytes", "asyncBytes", "globalSectors",
    "globalSectorsNeeded", "sharedWavefronts", "sharedIdealWavefronts",
)  # fmt: skip


@dataclasses.dataclass
class Row:
    """One contender at one problem."""

    problem: Problem
    contender: str
    #: Bytes of operands and result, each once.
    nbytes: int
    seconds: Spread | None = None
    #: nbytes / seconds over the bandwidth of a copy.
    of_bandwidth: float | None = None
    #: Seconds over those of the float16 product.
    of_fp16: float | None = None
    counters: dict[str, int] | None = None
    #: Why there are no seconds.
    absent: str = ""


def ideal_bytes(problem: Problem, weights: tw.QuantizedTensor | None) -> int:
    """Bytes of x, w and y; None stands for float16 weights."""
    w = 2 * problem.k * problem.n if weights is None else weights.nbytes
    return 2 * problem.m * (problem.k + problem.n) + w


def problems(
    layers: list[tuple[int, int]], rows: list[int], formats: list[str]
) -> Iterator[tuple[tw.QuantizedTensor, list[Problem]]]:
    """Weights, each made once, and the problems that they are for."""
    for (k, n), format in itertools.product(layers, formats):
        yield make_weights(format, k, n), [Problem(m, k, n, format) for m in rows]


def emulate(problem: Problem, weights: tw.QuantizedTensor, device: tw.Device) -> Row:
    """Launches as on a GPU, from metadata, on an emulated device; checks the result."""
    kernel = tw.compile("linear", weights, m=problem.m, target=device.model)
    plan = LaunchPlan.of(kernel.metadata, {"M": problem.m})
    module = tw.Module(kernel.ptx, device.name)
    x = make_x(problem.m, problem.k)
    arrays = {"x": x, **operands_of(weights)}
    memory = {name: module.from_numpy(array, name=name) for name, array in arrays.items()}
    memory["y"] = module.empty((problem.m, problem.n), np.float16, name="y")
    for space in plan.workspaces:
        memory[space.name] = module.empty(space.nbytes, np.uint8, name=space.name)
        if space.is_zeroed:
            memory[space.name].write(np.zeros(space.nbytes, np.uint8))
    arguments = [
        memory[a.name] if a.value is None else np.array(a.value, f"<i{a.nbytes}")[()]
        for a in plan.arguments
    ]
    report = module.launch(
        plan.kernel, plan.grid, plan.block, arguments, dynamic_shared=plan.dynamic_shared
    )
    ref, low, _ = testing.linear_reference(x, weights)
    testing.assert_within_bound(memory["y"].to_numpy(), ref, low, name=str(problem))
    counters = {name: report.counters.get(name, 0) for name in COUNTERS}
    return Row(problem, "tilewright", ideal_bytes(problem, weights), counters=counters)


def time_problem(torch: Any, problem: Problem, weights: Any, target: str, rounds: int) -> list[Row]:
    """All contenders of one problem."""
    bench = Bench(torch, problem, weights, make_x(problem.m, problem.k))
    makers = {
        "tilewright": lambda: bench.ours(target),
        "torch float16": bench.fp16,
        "torch int4pack": bench.int4pack,
        **{
            f"Triton {blocks}": lambda blocks=blocks: bench.triton(blocks)
            for blocks in TRITON_BLOCKS
        },
    }
    rows, timers = {}, {}
    for name, make in makers.items():
        own = None if name == "torch float16" else weights
        rows[name] = Row(problem, name, ideal_bytes(problem, own))
        try:
            timers[name] = GraphTimer(torch, make())
        except Absent as error:
            rows[name].absent = str(error)
        except AssertionError as error:
            rows[name].absent = f"wrong: {error}"
    for name, spread in time_in_turn(timers, rounds).items():
        rows[name].seconds = spread
    return keep_best_triton(list(rows.values()))


def keep_best_triton(rows: list[Row]) -> list[Row]:
    """One row for Triton: its fastest choice of blocks, or the first that is absent."""
    choices = [row for row in rows if row.contender.startswith("Triton")]
    timed = [row for row in choices if row.seconds]
    best = min(timed, key=lambda row: row.seconds.median) if timed else choices[0]
    return [row for row in rows if row not in choices or row is best]


def relate(rows: list[Row], copy_bandwidth: float) -> None:
    """Fills in the fractions of the rows of one problem."""
    (fp16,) = [row for row in rows if row.contender == "torch float16"]
    for row in rows:
        if row.seconds:
            row.of_bandwidth = row.nbytes / row.seconds.median / copy_bandwidth
            if fp16.seconds:
                row.of_fp16 = row.seconds.median / fp16.seconds.median


def time_all(
    torch: Any, device: tw.Device, work: Any, rounds: int, show: Any
) -> tuple[float, list[Row]]:
    """The bandwidth of a copy, and the rows of every problem; `show` is given each."""
    bandwidth = measure_copy(torch, rounds)
    rows: list[Row] = []
    for weights, listed in work:
        for problem in listed:
            found = time_problem(torch, problem, weights, device.model, rounds)
            relate(found, bandwidth)
            for row in found:
                show(row)
            rows += found
            torch.cuda.empty_cache()
    return bandwidth, rows


def format_row(row: Row) -> str:
    """One line for people."""
    head = f"{row.problem!s:32} {row.contender:34}"
    if row.absent:
        return f"{head} absent: {row.absent}"
    if row.seconds is None:
        counters = row.counters or {}
        return f"{head} no time: emulated, {counters.get('issues', 0):,} warp instructions"
    spread = row.seconds
    quartiles = f"[{1e6 * spread.lower_quartile:.1f}, {1e6 * spread.upper_quartile:.1f}]"
    beside = f", {row.of_fp16:.2f} of float16" if row.of_fp16 else ""
    return (
        f"{head} {1e6 * spread.median:9.1f} us {quartiles}, {row.of_bandwidth:.0%} of copy{beside}"
    )
