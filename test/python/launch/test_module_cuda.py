"""tilewright.Module on a GPU, which here is a driver library that only records calls."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tilewright as tw

BUILD = Path(tw.__file__).absolute().parents[2]
STUB = BUILD / "test" / "unit" / "runtime" / "Device" / "libStubDriver.so"

SCRIPT = """
import ctypes
import struct

import numpy as np
import tilewright as tw
from launch_ptx import ADD

stub = ctypes.CDLL("libcuda.so.1")
stub.stubCalls.restype = ctypes.c_char_p
stub.stubArguments.restype = ctypes.c_void_p

module = tw.Module(ADD, device="cuda:0")
kept = module.empty(32, "f32", name="kept")
kept.write(np.arange(32, dtype=np.float32))
a = np.ones(32, np.float32)
c = np.full(32, 7, np.float32)
report = module.launch("add", (3, 2), 32, [a, kept, c, np.int32(31)], dynamic_shared=256)
assert (report.device, report.counters, report.findings) == ("cuda:0", {}, [])
assert (c == 7).all() and (kept.to_numpy() == np.arange(32)).all()

size = ctypes.c_size_t()
block = ctypes.string_at(stub.stubArguments(ctypes.byref(size)), 28)
first, second, third, count = struct.unpack("<QQQI", block)
assert size.value == 28 and second == kept.address and count == 31
assert len({first, second, third}) == 3 and 0 not in (first, second, third)
calls = stub.stubCalls().decode().splitlines()
assert [call for call in calls if call.startswith("cuLaunch")] == [
    "cuLaunchKernelEx(f00, 3x2x1, 32x1x1, 256, 0)"
]
launched = calls.index("cuLaunchKernelEx(f00, 3x2x1, 32x1x1, 256, 0)")
assert "cuStreamSynchronize(0)" in calls[launched:]
# Those of the arrays are released, the other is not.
assert sum(call.startswith("cuMemAlloc") for call in calls) == 3
assert sum(call.startswith("cuMemFree") for call in calls) == 2

symbol = module.symbol("table", np.float32)
assert (symbol.address, symbol.shape) == (0x9100, (12,))

# Memory of one GPU is every module's.
other = tw.Module(ADD, device="cuda:0")
other.launch("add", 1, 32, [kept, kept, kept, 32])

stub.stubFail(b"cuLaunchKernelEx", 1)
try:
    module.launch("add", 1, 32, [a, a, c, 32])
except tw.DeviceError as error:
    assert "cuLaunchKernelEx failed" in str(error), error
else:
    raise AssertionError("a launch that fails raises nothing")
stub.stubFail(b"cuModuleGetGlobal_v2", 1)
try:
    module.symbol("gone")
except tw.ArgumentError as error:
    assert "'gone'" in str(error), error
else:
    raise AssertionError("a variable that is not there raises nothing")
print("done")
"""


def test_a_module_on_a_gpu(tmp_path):
    if not STUB.is_file():
        pytest.skip(f"{STUB} is not built")
    (tmp_path / "libcuda.so.1").symlink_to(STUB)
    search = [str(Path(__file__).parent), str(BUILD / "python"), os.environ.get("PYTHONPATH", "")]
    environment = dict(
        os.environ, LD_LIBRARY_PATH=str(tmp_path), PYTHONPATH=os.pathsep.join(filter(None, search))
    )
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "done\n"
