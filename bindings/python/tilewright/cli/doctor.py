"""`tw doctor`: what is found, what is missing and how to get it.

What is needed is tried, not looked up: a kernel is compiled and run. What is optional
is reported as found or as a note; only what is needed decides the exit status.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import functools
import importlib.metadata
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

from .._extension import native, runtime
from ..errors import Error
from . import nvidia
from .failures import FAILED, OK
from .options import add_json
from .output import print_json, print_table, seconds, wait_for

_OLDEST_PYTHON = (3, 11)
_REPORT = "this is a defect: please report it with the output of tw doctor --json"


@dataclasses.dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    #: "ok", "failed" (needed and not there, or broken) or "note" (optional and not there).
    status: str
    detail: str
    hint: str = ""


def add_parser(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "doctor",
        help="say what is found, what is missing and how to get it",
        description="Checks what Tilewright needs and can use here. Status 0 when everything "
        "needed is there; what is optional and missing is a note.",
    )
    add_json(parser)
    parser.set_defaults(function=examine)


def examine(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    checks = [check for group in _GROUPS for check in wait_for(group, "examining")]
    healthy = all(check.status != "failed" for check in checks)
    if arguments.json:
        print_json({"ok": healthy, "checks": [dataclasses.asdict(check) for check in checks]})
    else:
        _print_report(checks, healthy)
    return OK if healthy else FAILED


def _print_report(checks: list[Check], healthy: bool) -> None:
    print_table([(check.status, check.name, check.detail) for check in checks])
    hints = [(check.name, check.hint) for check in checks if check.hint]
    if hints:
        print("\nWhat to do:")
        print_table([(f"  {name}", hint) for name, hint in hints])
    print(
        "\nEverything needed is there."
        if healthy
        else "\nSomething needed is not there or broken: the lines 'failed' above."
    )


def check_python() -> list[Check]:
    """The interpreter and the packages it must have."""
    version = platform.python_version()
    oldest = ".".join(map(str, _OLDEST_PYTHON))
    if sys.version_info >= _OLDEST_PYTHON:
        checks = [Check("Python", "ok", f"{version} ({sys.executable})")]
    else:
        checks = [Check("Python", "failed", version, f"install Python {oldest} or newer")]
    for name in ("numpy", "ml_dtypes"):
        found = _installed(name)
        if found:
            checks.append(Check(name, "ok", found))
        else:
            checks.append(Check(name, "failed", "not installed", f"pip install {name}"))
    return checks


def check_compiler() -> list[Check]:
    """The compiled half of the package, proven by compiling a kernel and running it."""
    try:
        version, llvm = native().VERSION, native().LLVM_VERSION
    except Error as error:
        return [Check("tilewright", "failed", str(error), "make build, or: pip install .")]
    checks = [Check("tilewright", "ok", f"{version}, with LLVM {llvm}")]
    start = time.monotonic()
    try:
        compile_self_test(native().find_model("sm_80"))
    except Error as error:
        return [
            *checks,
            Check("compiler", "failed", f"compiling a kernel failed: {error}", _REPORT),
        ]
    checks.append(Check("compiler", "ok", f"a kernel for sm_80 in {seconds(_since(start))}"))
    return [*checks, check_device("emulated device", "emulated:a100")]


def compile_self_test(model: dict[str, Any]) -> Any:
    """Compiles a small kernel for a GPU model; returns problem and artifact."""
    from .problem import QuantMatmul, compile_for

    problem = QuantMatmul(
        m=16, n=64, k=128, format="u4", group="128", dtype="f16", out_dtype="f16",
        scale_dtype="f16", zero="integer", zero_dtype="u8", has_tensor_scale=False, bias=None,
        activation="none",
    )  # fmt: skip
    return problem, compile_for(problem, model, None)


def check_device(name: str, device: str, found: str = "") -> Check:
    """Runs a kernel on a device and compares the result."""
    from .inputs import GivenInputs
    from .run import judge, launch, load

    start = time.monotonic()
    try:
        problem, artifact = compile_self_test(native().device_model(runtime(), device))
        inputs = GivenInputs({}, {}).complete(problem, seed=0)
        y, _ = launch(load(artifact, device), inputs, problem, device)
    except Error as error:
        return Check(name, "failed", f"{found}running a kernel failed: {error}", _REPORT)
    accuracy = judge(y, inputs, problem)
    if not accuracy["within_bound"]:
        return Check(name, "failed", f"{found}a kernel errs: {accuracy['message']}", _REPORT)
    return Check(name, "ok", f"{found}a kernel ran and was right, {seconds(_since(start))}")


def check_gpu() -> list[Check]:
    """The CUDA driver and a kernel on each GPU."""
    found = nvidia.load_library("cuda", majors=("1",), searches_packages=False)
    if found is None:
        hint = "install NVIDIA's driver; without a GPU nothing is lost, kernels run emulated"
        return [Check("CUDA driver", "note", "no libcuda.so.1 on this machine", hint)]
    checks = [Check("CUDA driver", "ok", _driver_version(found[0]))]
    try:
        names = [name for name in runtime().device_names() if name.startswith("cuda:")]
        for name in names:
            row = native().device_model(runtime(), name)
            text = f"{row['name']}, {row['target']}, {row['sm_count']} SMs: "
            checks.append(check_device(name, name, text))
        checks += [Check("GPU", "note", problem) for problem in runtime().device_problems()]
    except Error as error:
        checks.append(Check("GPU", "note", str(error)))
    return checks


def _driver_version(driver: ctypes.CDLL) -> str:
    """12080 is CUDA 12.8."""
    version = ctypes.c_int()
    try:
        driver.cuDriverGetVersion(ctypes.byref(version))
    except AttributeError:
        return "of unknown version"
    return f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"


def check_cuda_tools() -> list[Check]:
    """Programs and libraries of the CUDA toolkit."""
    uses = {"ptxas": "registers, spills and cubins", "nvdisasm": "machine instructions"}
    checks = []
    for name, use in uses.items():
        path = nvidia.find_tool(name)
        if path:
            checks.append(Check(name, "ok", f"{nvidia.tool_version(path)} ({path})"))
        else:
            checks.append(
                Check(name, "note", f"not found; it tells {use}", nvidia.HOW_TO_GET[name])
            )
    for stem, function in (("nvrtc", "nvrtcVersion"), ("nvJitLink", "nvJitLinkVersion")):
        checks.append(_check_library(stem, function))
    return checks


def _check_library(stem: str, function: str) -> Check:
    label = stem.upper() if stem == "nvrtc" else stem
    found = nvidia.load_library(stem)
    if found is None:
        uses = {"nvrtc": "it compiles CUDA C++ for 'tw check' and 'tw profile'"}
        detail = f"not found; {uses.get(stem, 'nothing of this version needs it')}"
        return Check(label, "note", detail, nvidia.HOW_TO_GET[stem])
    library, name = found
    major, minor = ctypes.c_uint(), ctypes.c_uint()
    try:
        getattr(library, function)(ctypes.byref(major), ctypes.byref(minor))
    except AttributeError:
        return Check(label, "ok", name)
    return Check(label, "ok", f"{major.value}.{minor.value} ({name})")


def check_companions() -> list[Check]:
    """Packages that Tilewright works with, and where kernels are kept."""
    torch = _installed("torch")
    if torch:
        first = Check("torch", "ok", f"{torch}: CPU tensors are taken and returned")
    else:
        first = Check("torch", "note", "not installed; NumPy arrays are all that is taken")
    kept = "in memory, as long as the process lives; nothing is written to disk"
    return [first, Check("kernel cache", "ok", kept)]


_GROUPS: tuple[Callable[[], list[Check]], ...] = (
    check_python, check_compiler, check_gpu, check_cuda_tools, check_companions,
)  # fmt: skip


@functools.cache
def _installed(name: str) -> str | None:
    """The version of an installed package, which is not imported."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _since(start: float) -> float:
    return time.monotonic() - start
