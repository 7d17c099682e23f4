"""Arrays in and out: NumPy, torch CPU tensors (without importing torch), and
whatever exports host memory through `__dlpack__`.

A tensor of torch is recognised by its type's module, so users without torch never
load it and those with it have it loaded already.
"""

from __future__ import annotations

import sys
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from .errors import UnsupportedError

#: Dtypes that torch and ml_dtypes share, but torch and NumPy do not: what NumPy calls
#: them, integers of their size, torch's name.
_WITHOUT_NUMPY = (
    (ml_dtypes.bfloat16, np.int16, "bfloat16"),
    (ml_dtypes.float8_e4m3fn, np.uint8, "float8_e4m3fn"),
    (ml_dtypes.float8_e5m2, np.uint8, "float8_e5m2"),
)


def is_torch(array: Any) -> bool:
    """Whether `array` is a torch tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def to_numpy(array: Any, name: str) -> NDArray:
    """`array` as a NumPy array, sharing memory where it can; strides are kept.

    `name` is what errors call it. bfloat16 tensors become ml_dtypes.bfloat16.
    """
    if is_torch(array):
        return _torch_to_numpy(array, name)
    if not isinstance(array, np.ndarray) and hasattr(array, "__dlpack__"):
        return _dlpack_to_numpy(array, name)
    result = np.asarray(array)
    if result.dtype.hasobject:
        raise UnsupportedError(f"{name} is a {type(array).__name__}; expects an array of numbers")
    return result


def like(result: NDArray, example: Any) -> Any:
    """`result` as the kind of array that `example` is, sharing memory."""
    if not is_torch(example):
        return result
    torch = sys.modules["torch"]
    for dtype, bits, name in _WITHOUT_NUMPY:
        if result.dtype == dtype:
            return torch.from_numpy(result.view(bits)).view(getattr(torch, name))
    return torch.from_numpy(result)


def _dlpack_to_numpy(array: Any, name: str) -> NDArray:
    try:
        return np.from_dlpack(array)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise UnsupportedError(
            f"{name} is a {type(array).__name__} that NumPy cannot share ({error}); "
            "supported: NumPy arrays, torch CPU tensors, DLPack exporters in host memory"
        ) from None


def _torch_to_numpy(tensor: Any, name: str) -> NDArray:
    torch = sys.modules["torch"]
    if tensor.device.type != "cpu":
        raise UnsupportedError(
            f"{name} is on {tensor.device}; supported: NumPy arrays, CPU tensors"
        )
    tensor = tensor.detach()
    for dtype, bits, name in _WITHOUT_NUMPY:
        if tensor.dtype == getattr(torch, name, None):
            return tensor.view(getattr(torch, np.dtype(bits).name)).numpy().view(dtype)
    try:
        return tensor.numpy()
    except (TypeError, RuntimeError) as error:
        raise UnsupportedError(f"{name} has dtype {tensor.dtype}: {error}") from None
