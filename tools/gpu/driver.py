"""Kernels on a stream of somebody else's, by the CUDA driver API.

The calling thread has a context (torch's, the process's primary one). Nothing here waits.
"""

from __future__ import annotations

import ctypes

from .launch_plan import LaunchPlan

_MAX_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_END, _POINTER, _SIZE = (ctypes.c_void_p(code) for code in (0, 1, 2))  # CU_LAUNCH_PARAM_*


class DriverError(RuntimeError):
    """A call of the driver failed."""


class _Config(ctypes.Structure):
    """CUlaunchConfig."""

    _fields_ = [
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared", ctypes.c_uint),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("count", ctypes.c_uint),
    ]


class Driver:
    """libcuda.so.1, each call checked."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libcuda.so.1")
        self.call("cuInit", 0)

    def call(self, name: str, *arguments: object) -> None:
        """Calls `name`; DriverError says which call failed and what the driver calls it."""
        result = getattr(self._library, name)(*arguments)
        if result != 0:
            text = ctypes.c_char_p()
            self._library.cuGetErrorName(result, ctypes.byref(text))
            error = text.value.decode() if text.value else f"error {result}"
            raise DriverError(f"{name} failed: {error}")

    def load(self, ptx: str, plan: LaunchPlan) -> LoadedKernel:
        """The kernel of a plan, assembled by the driver."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("cuModuleLoadDataEx", ctypes.byref(module), ptx.encode() + b"\0", 0, None, None)
        name = plan.kernel.encode()
        self.call("cuModuleGetFunction", ctypes.byref(function), module, name)
        # Beyond 48 KiB a kernel has to ask.
        shared = plan.dynamic_shared
        self.call("cuFuncSetAttribute", function, _MAX_DYNAMIC_SHARED, shared)
        return LoadedKernel(self, module, function)


class LoadedKernel:
    """A kernel on the device; it stays until the process ends, as graphs may hold it."""

    def __init__(self, driver: Driver, module: ctypes.c_void_p, function: ctypes.c_void_p) -> None:
        self._driver, self._module, self._function = driver, module, function

    def launch(self, plan: LaunchPlan, addresses: dict[str, int], stream: int) -> None:
        """Launches as planned, on `stream` (a CUstream's value)."""
        block = plan.pack(addresses)
        size = ctypes.c_size_t(len(block))
        extra = (ctypes.c_void_p * 5)(
            _POINTER, ctypes.cast(block, ctypes.c_void_p),
            _SIZE, ctypes.cast(ctypes.byref(size), ctypes.c_void_p), _END,
        )  # fmt: skip
        config = _Config(plan.grid, plan.block, plan.dynamic_shared, stream, None, 0)
        self._driver.call("cuLaunchKernelEx", ctypes.byref(config), self._function, None, extra)
