"""Runs a kernel, or a call of this package, under every checker."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ._extension import runtime
from .emulation import EmulatorOptions
from .errors import ArgumentError, CheckError

if TYPE_CHECKING:
    from .spec import Outcome


def variants(options: EmulatorOptions, seeds: int) -> Iterator[EmulatorOptions]:
    """The options themselves, then `seeds - 1` others: every order of warps and every time
    of landing that they pick is legal, so a correct kernel is clean in all of them.
    """
    yield options
    landings = ("late", "random", "eager")
    for seed in range(1, seeds):
        yield dataclasses.replace(
            options,
            landing=landings[seed % len(landings)],
            landing_seed=(options.landing_seed + seed) % (1 << 64),
            warp_order_seed=(options.warp_order_seed + seed) % (1 << 64),
            preemption_seed=(options.preemption_seed + seed) % (1 << 64),
        )


def check(
    what: str | os.PathLike[str] | Callable[..., Any],
    *args: Any,
    launch: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    device: str | None = None,
    options: EmulatorOptions | None = None,
    seeds: int = 1,
    **kwargs: Any,
) -> Any:
    """Runs something on an emulated device with every checker on.

        tw.check("kernel.ptx", launch="spec.toml", seeds=8)
        y = tw.check(tw.linear, x, qw, activation="gelu")

    Args:
        what: the path of a .ptx or .cu file or PTX text, or a function of this package that
            takes a device.
        args, kwargs: of the function.
        launch: of a kernel: a launch spec (docs/cli.md), as a file or a dictionary.
        device: "emulated:h200"; None for the spec's or the code's own, and for a function
            "emulated:a100".
        options: instead of the spec's.
        seeds: how many orders of warps and times of landing are tried.

    Returns:
        Of a kernel an `Outcome` with the reports, and what the buffers hold in the end; of a
        function its result.

    Raises:
        CheckError: a checker found a defect, or a buffer does not hold what the spec expects;
            `.report` has all findings.
        ArgumentError: the spec or its values do not fit.
    """
    if not isinstance(seeds, int) or seeds < 1:
        raise ArgumentError(f"seeds is {seeds!r}; expects 1 or more")
    if callable(what):
        if launch is not None:
            raise ArgumentError("launch is for kernels; a function gets its arguments")
        return _check_call(what, args, kwargs, device, options or EmulatorOptions(), seeds)
    if launch is None or args or kwargs:
        raise ArgumentError("a kernel needs launch=, a launch spec, and nothing else")
    return _check_kernels(os.fspath(what), launch, device, options, seeds)


def _check_kernels(
    file: str,
    launch: str | os.PathLike[str] | Mapping[str, Any],
    device: str | None,
    options: EmulatorOptions | None,
    seeds: int,
) -> Outcome:
    """What came of a launch spec under the first options; all others were clean, too."""
    from .kernel_files import read_kernels
    from .spec import read_spec, run_spec

    spec = read_spec(launch)
    if options is not None:
        spec = dataclasses.replace(spec, options=options)
    kernels = read_kernels(file, spec, device)
    outcomes = []
    for variant in variants(spec.options, seeds):
        outcome = run_spec(spec, kernels.load(variant))
        report = outcome.reports[-1]
        if not outcome.is_clean:
            raise CheckError(str([*report.findings, *outcome.mismatches][0]), report)
        outcomes.append(outcome)
    return outcomes[0]


def _check_call(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    device: str | None,
    options: EmulatorOptions,
    seeds: int,
) -> Any:
    """The result of a function on an emulated device whose options vary."""
    name = device or "emulated:a100"
    if not name.startswith("emulated:"):
        raise ArgumentError(f"device is {name!r}; only emulated devices check")
    result = None
    try:
        for index, variant in enumerate(variants(options, seeds)):
            runtime().set_emulator_options(name, variant.to_native())
            value = function(*args, **kwargs, device=name)
            result = value if index == 0 else result
    finally:
        runtime().set_emulator_options(name, EmulatorOptions().to_native())
    return result
