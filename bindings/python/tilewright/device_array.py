"""Memory of a device that outlives a launch."""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .errors import ArgumentError, ShapeError
from .formats import FLOATS


class Allocation:
    """Device memory that is released with the last array that lies in it."""

    def __init__(
        self, native: Any, address: int, *, owned: bool = True, name: str | None = None
    ) -> None:
        self.native, self.address, self.name = native, address, name
        if owned:
            weakref.finalize(self, native.release, address).atexit = False


class DeviceArray:
    """A contiguous array in the memory of a module's device.

    Made by `Module.empty`, `Module.from_numpy` and `Module.symbol`. As an argument of
    `Module.launch` it is a pointer to its first element: nothing is copied, so launches
    share it. Its size is exact: an access one byte beyond is a finding.

    Attributes:
        shape, dtype, nbytes: as of a NumPy array.
        address: where it lies on the device.
    """

    def __init__(
        self, allocation: Allocation, address: int, shape: tuple[int, ...], dtype: np.dtype
    ) -> None:
        self._allocation = allocation
        self.address = address
        self.shape = shape
        self.dtype = dtype

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def to_numpy(self) -> NDArray:
        """A copy in host memory."""
        result = np.empty(self.shape, self.dtype)
        if result.nbytes:
            self._allocation.native.read(self.address, result.reshape(-1).view(np.uint8))
        return result

    def tobytes(self) -> bytes:
        """Its bytes."""
        return self.to_numpy().tobytes()

    def write(self, data: NDArray | bytes) -> None:
        """Overwrites all of it.

        Args:
            data: an array of the same dtype and shape, or that many bytes.

        Raises:
            ShapeError: it does not fit.
        """
        if isinstance(data, (bytes, bytearray, memoryview)):
            raw = np.frombuffer(data, np.uint8)
            if raw.nbytes != self.nbytes:
                raise ShapeError(f"data has {raw.nbytes} bytes; expects {self.nbytes}")
        else:
            array = np.asarray(data)
            if array.dtype != self.dtype or array.shape != self.shape:
                raise ShapeError(
                    f"data is {array.dtype}{list(array.shape)}; "
                    f"expects {self.dtype}{list(self.shape)}"
                )
            raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        if raw.nbytes:
            self._allocation.native.write(self.address, raw)

    def view(self, dtype: DTypeLike, shape: int | tuple[int, ...] | None = None) -> DeviceArray:
        """The same bytes as another dtype and shape.

        Args:
            dtype: of the elements.
            shape: None for one dimension.

        Raises:
            ShapeError: it would have another number of bytes.
        """
        resolved = device_dtype(dtype)
        if shape is None:
            extents: tuple[int, ...] = (self.nbytes // max(resolved.itemsize, 1),)
        else:
            extents = device_shape(shape)
        if math.prod(extents) * resolved.itemsize != self.nbytes:
            raise ShapeError(
                f"{resolved}{list(extents)} does not have the {self.nbytes} bytes of this array"
            )
        return DeviceArray(self._allocation, self.address, extents, resolved)

    def lies_with(self, native: Any) -> bool:
        """Whether it is memory of this module's device."""
        mine = self._allocation.native
        return mine is native or (
            mine.device_name == native.device_name and not mine.device_name.startswith("emulated:")
        )

    def __repr__(self) -> str:
        where = self._allocation.native.device_name
        return f"DeviceArray({self.dtype}{list(self.shape)} on {where})"


def device_dtype(dtype: DTypeLike) -> np.dtype:
    """A dtype of fixed size, given as one or by a short name ("bf16")."""
    try:
        resolved = np.dtype(FLOATS.get(dtype, dtype) if isinstance(dtype, str) else dtype)
    except TypeError:
        raise ArgumentError(f"dtype is {dtype!r}; expects the name of a NumPy dtype") from None
    if resolved.hasobject or not resolved.itemsize:
        raise ArgumentError(f"dtype is {resolved}; expects elements of fixed size")
    return resolved


def device_shape(shape: Any) -> tuple[int, ...]:
    """A shape as a tuple of extents."""
    extents = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    for extent in extents:
        if not isinstance(extent, (int, np.integer)) or isinstance(extent, bool) or extent < 0:
            raise ShapeError(f"shape is {shape!r}; expects extents of 0 or more")
    return tuple(int(extent) for extent in extents)
