"""Codes into packed words, on the host or by a kernel; the bytes are the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import hardware
from ._extension import native, runtime
from .hardware import Device
from .profiling import detail, note_facts

_BLOCK_K, _BLOCK_N = 128, 32


def pack_codes(
    codes: NDArray[np.uint8],
    bits: int,
    storage: str,
    activations: str,
    device: str | Device | None = None,
    schedule: str | None = None,
) -> NDArray[np.uint32]:
    """The words of the stored codes [N, K], any strides.

    Args:
        codes: below 2**bits, in the form that is stored (`WeightFormat.to_stored`).
        bits, storage, activations: as `_native.pack_codes` has them.
        device: where a kernel packs; None for the host's packer.
        schedule: the kernel's schedule as text, "pack{...}"; None for the default.

    Raises:
        ResourceError: `schedule` does not fit the device.
        CompileError, DeviceError: the kernel could not be compiled; the device failed.
    """
    if device is None:
        return native().pack_codes(codes, bits, storage, activations)
    n, k = codes.shape
    blocks = -(-n // _BLOCK_N) * -(-k // _BLOCK_K)
    words = np.empty(blocks * _BLOCK_N * _BLOCK_K * bits // 32, np.uint32)
    where = hardware.device(device).name
    if words.size == 0:
        return words
    # Kernels read contiguous rows, of either order.
    is_along_n = codes.strides[0] == 1 and codes.strides[1] >= n
    rows = codes.T if is_along_n else codes
    if rows.strides[1] != 1 or rows.strides[0] < 0:
        rows = np.ascontiguousarray(rows)
    constants = {"bits": bits, "storage": storage, "activations": activations}
    constants["along_n"] = is_along_n
    note_facts(runtime().pack(rows, words, constants, where, schedule, detail()), where)
    return words
