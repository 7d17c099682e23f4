"""Launches from metadata: the arithmetic, the argument block, and the driver's calls."""

import copy
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tilewright as tw
from gpu.launch_plan import LaunchPlan, evaluate, operands_of

BUILD = Path(tw.__file__).absolute().parents[2]
STUB = BUILD / "test" / "unit" / "runtime" / "Device" / "libStubDriver.so"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        ("ceildiv(M, 8)", 3),
        ("4 * 32 * ceildiv(M, 8)", 384),
        ("min(M, 3) + max(M, 3) - 1", 19),
        ("M / 2 % 3", 2),
        ("-M / 2", -9),
    ],
)
def test_expressions(text, value):
    assert evaluate(text, {"M": 17}) == value


@pytest.mark.parametrize("text", ["M.real", "(lambda: 1)()", "[M]", "M ** 2", "M < 2"])
def test_what_is_no_expression(text):
    with pytest.raises(ValueError, match="expects sums and products"):
        evaluate(text, {"M": 2})


@pytest.fixture(scope="module")
def kernel():
    """Split, so that there are workspaces."""
    weights = tw.quantize(np.ones((64, 512), np.float32), "u4", layout="nk", zero_point=True)
    split = (
        "quant_matmul{split_k=2, stages=2, tile_k=128, tile_m=16, tile_n=32, warps_m=1, warps_n=1}"
    )
    return tw.compile("linear", weights, m=16, target="h200", schedule=split)


def test_a_plan_of_a_split_kernel(kernel):
    plan = LaunchPlan.of(kernel.metadata, {"M": 33})
    assert plan.kernel == "quant_matmul"
    blocks = np.prod(plan.grid)
    assert blocks == 2 * (64 // 32) * -(-33 // 16)  # parts, columns, rows
    assert plan.block == (32, 1, 1)
    names = [argument.name for argument in plan.arguments]
    assert names[:5] == ["x", "w", "scales", "zeros", "y"]
    sizes = {workspace.name: workspace.nbytes for workspace in plan.workspaces}
    assert sizes["counters"] == 4 * (64 // 32) * 3
    assert [w.is_zeroed for w in plan.workspaces] == [w.name == "counters" for w in plan.workspaces]
    block = plan.pack({name: 0x1000 * (i + 1) for i, name in enumerate(names)})
    values = dict(zip(names, struct.unpack_from("<5QI", block), strict=False))
    assert values["x"] == 0x1000
    assert values["M"] == 33
    # A pointer after a 32-bit number is aligned.
    assert struct.unpack_from("<Q", block, 48)[0] == 0x1000 * (names.index("M") + 2)
    assert len(block) == 48 + 8 * (len(names) - 6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["parameters"][0].update(kind="tensor_map"), "parameter x .* is a tensor_map"),
        (lambda m: m["cluster"].__setitem__(0, "2"), "has clusters"),
        (
            lambda m: m["workspaces"][-1].update(zeroed=True, reset_by_kernel=False),
            "zeroed for each",
        ),
    ],
)
def test_what_a_plain_launch_cannot_give(kernel, change, message):
    metadata = copy.deepcopy(kernel.metadata)
    change(metadata)
    with pytest.raises(ValueError, match=message):
        LaunchPlan.of(metadata, {"M": 1})


def test_operands_are_named_as_parameters():
    weights = tw.quantize(np.ones((8, 64), np.float32), "nf4", layout="nk")
    assert set(operands_of(weights)) == {"w", "scales", "codebook"}


SCRIPT = """
import ctypes
import sys

from gpu.driver import Driver, DriverError
from gpu.launch_plan import Argument, LaunchPlan

stub = ctypes.CDLL("libcuda.so.1")
stub.stubCalls.restype = ctypes.c_char_p
stub.stubArguments.restype = ctypes.c_void_p
arguments = (Argument("x", 8), Argument("M", 4, 5), Argument("y", 8))
plan = LaunchPlan("matmul", (3, 2, 1), (64, 1, 1), 70000, arguments, ())
driver = Driver()
driver.load(".version 8.0", plan).launch(plan, {"x": 0x1100, "y": 0x2200}, 9)
print(stub.stubCalls().decode(), end="")
size = ctypes.c_size_t()
block = ctypes.string_at(stub.stubArguments(ctypes.byref(size)), 24)
print(size.value, block.hex())
stub.stubFail(b"cuModuleLoadDataEx", 2)
try:
    driver.load(".version 8.0", plan)
except DriverError as error:
    print(error)
"""


def test_the_drivers_calls(tmp_path):
    if not STUB.is_file():
        pytest.skip(f"{STUB} is not built")
    (tmp_path / "libcuda.so.1").symlink_to(STUB)
    search = os.pathsep.join(sys.path)
    environment = dict(os.environ, LD_LIBRARY_PATH=str(tmp_path), PYTHONPATH=search)
    command = [sys.executable, "-c", SCRIPT]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    numbers = struct.pack("<QIIQ", 0x1100, 5, 0, 0x2200).hex()
    assert run.stdout.splitlines() == [
        "cuInit(0)",
        "cuModuleLoadDataEx(.version)",
        "cuModuleGetFunction(3000, matmul)",
        "cuFuncSetAttribute(f00, 8, 70000)",
        "cuLaunchKernelEx(f00, 3x2x1, 64x1x1, 70000, 9)",
        f"24 {numbers}",
        "cuModuleLoadDataEx failed: CUDA_ERROR_OUT_OF_MEMORY",
    ]
