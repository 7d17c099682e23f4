"""Values for the parameters of a kernel, as the bytes that a launch takes.

What a parameter takes follows from its type in the PTX: `.param .u64` an array or an
address, `.param .f32` a float, `.param .b8 name[24]` a struct of 24 bytes.
"""

from __future__ import annotations

import ctypes
import dataclasses
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import is_torch, to_numpy
from .device_array import Allocation, DeviceArray
from .errors import ArgumentError, ShapeError


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A parameter of a kernel, as the PTX declares it."""

    name: str
    #: "u64", "f32"; of an array, its elements'.
    type: str
    #: Of the whole parameter.
    nbytes: int
    alignment: int
    #: From the start of the argument block.
    offset: int
    is_array: bool

    def __str__(self) -> str:
        suffix = f"[{self.nbytes // (int(self.type.lstrip('bfsu')) // 8)}]" if self.is_array else ""
        return f".{self.type} {self.name}{suffix}"


@dataclasses.dataclass
class Staged:
    """Host arrays of a launch and their copies on the device."""

    #: (array, address), each host array once.
    arrays: list[tuple[NDArray, int]] = dataclasses.field(default_factory=list)
    #: Keeps what the launch uses alive.
    allocations: list[Allocation] = dataclasses.field(default_factory=list)

    @property
    def labels(self) -> dict[int, str]:
        """What findings call the memory, by address."""
        return {a.address: a.name for a in self.allocations if a.name is not None}


class ArgumentPacker:
    """Packs the arguments of one launch; host arrays are copied to the device."""

    def __init__(self, native: Any, kernel: str) -> None:
        self._native = native
        self._kernel = kernel
        self._staged = Staged()

    def pack(
        self, parameters: Sequence[Parameter], values: Sequence[Any], nbytes: int
    ) -> tuple[bytes, Staged]:
        """The argument block, and the arrays that were copied for it.

        Raises:
            ArgumentError, ShapeError: a value does not fit its parameter.
        """
        if len(values) != len(parameters):
            takes = ", ".join(map(str, parameters)) or "none"
            raise ArgumentError(
                f"kernel '{self._kernel}' takes {len(parameters)} arguments ({takes}), "
                f"but got {len(values)}"
            )
        block = bytearray(nbytes)
        for index, (parameter, value) in enumerate(zip(parameters, values, strict=True)):
            raw = self._pack_one(index, parameter, value)
            block[parameter.offset : parameter.offset + len(raw)] = raw
        return bytes(block), self._staged

    def _fail(self, index: int, parameter: Parameter, what: str) -> ArgumentError:
        return ArgumentError(
            f"argument {index} of kernel '{self._kernel}' ({parameter}, {parameter.nbytes} bytes) "
            f"{what}"
        )

    def _pack_one(self, index: int, parameter: Parameter, value: Any) -> bytes:
        if is_torch(value):
            value = to_numpy(value, f"argument {index}")
        if value is None or isinstance(value, (np.ndarray, DeviceArray)):
            return self._pack_pointer(index, parameter, value)
        if isinstance(value, np.generic):
            return self._pack_scalar(index, parameter, value)
        if isinstance(value, (ctypes.Structure, ctypes.Union, ctypes.Array)):
            if ctypes.alignment(value) > parameter.alignment:
                raise self._fail(
                    index,
                    parameter,
                    f"is a {type(value).__name__} aligned to {ctypes.alignment(value)} bytes; "
                    f"the parameter is aligned to {parameter.alignment}",
                )
            return self._pack_bytes(index, parameter, bytes(value), type(value).__name__)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._pack_bytes(index, parameter, bytes(value), type(value).__name__)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._pack_number(index, parameter, value)
        raise self._fail(
            index,
            parameter,
            f"is {_show(value)}; expects a NumPy array or scalar, a DeviceArray, a number, "
            "a ctypes structure or bytes",
        )

    def _pack_pointer(
        self, index: int, parameter: Parameter, value: NDArray | DeviceArray | None
    ) -> bytes:
        if parameter.nbytes != 8 or parameter.is_array or parameter.type == "f64":
            raise self._fail(
                index, parameter, f"is {_show(value)}; a pointer needs a parameter of .u64 or .b64"
            )
        if value is None:
            return bytes(8)
        if isinstance(value, DeviceArray):
            if not value.lies_with(self._native):
                raise self._fail(
                    index,
                    parameter,
                    f"is {value!r} of another module; each module on an emulated device has "
                    "memory of its own",
                )
            self._staged.allocations.append(value._allocation)
            return value.address.to_bytes(8, "little")
        return self._stage(index, parameter, value).to_bytes(8, "little")

    def _stage(self, index: int, parameter: Parameter, array: NDArray) -> int:
        """Copies a host array to the device, once however often it is given."""
        if array.dtype.hasobject:
            raise self._fail(index, parameter, "is an array of objects; expects one of numbers")
        if not array.flags.c_contiguous:
            raise ShapeError(
                f"argument {index} of kernel '{self._kernel}' has strides {array.strides}; "
                "expects a contiguous array (numpy.ascontiguousarray)"
            )
        begin, end = array.ctypes.data, array.ctypes.data + array.nbytes
        for earlier, address in self._staged.arrays:
            first, last = earlier.ctypes.data, earlier.ctypes.data + earlier.nbytes
            if (begin, end) == (first, last) and array.nbytes:
                return address
            if begin < last and first < end:
                raise self._fail(
                    index,
                    parameter,
                    "overlaps an earlier argument in part; pass one array, or a DeviceArray "
                    "and addresses within it",
                )
        allocation = Allocation(
            self._native, self._native.allocate(array.nbytes), name=f"argument {index}"
        )
        if array.nbytes:
            self._native.write(allocation.address, array.reshape(-1).view(np.uint8))
        self._staged.allocations.append(allocation)
        self._staged.arrays.append((array, allocation.address))
        return allocation.address

    def _pack_scalar(self, index: int, parameter: Parameter, value: np.generic) -> bytes:
        is_float = value.dtype.kind == "f" or value.dtype.name.startswith(("bfloat", "float"))
        takes_float = parameter.type.startswith(("f", "bf"))
        takes_integer = parameter.type[0] in "us" and not parameter.is_array
        if (is_float and takes_integer) or (takes_float and value.dtype.kind in "iub"):
            raise self._fail(
                index, parameter, f"is {value.dtype.name} {value}; its type is .{parameter.type}"
            )
        return self._pack_bytes(index, parameter, value.tobytes(), value.dtype.name)

    def _pack_bytes(self, index: int, parameter: Parameter, raw: bytes, what: str) -> bytes:
        if len(raw) != parameter.nbytes:
            raise self._fail(
                index, parameter, f"is {what} of {len(raw)} bytes; expects {parameter.nbytes}"
            )
        return raw

    def _pack_number(self, index: int, parameter: Parameter, value: int | float) -> bytes:
        kind, bits = parameter.type.rstrip("0123456789"), parameter.nbytes * 8
        if parameter.is_array or bits not in (32, 64):
            raise self._fail(
                index,
                parameter,
                f"is the Python number {value!r}, whose width nothing says; expects a NumPy "
                "scalar such as np.int16, a ctypes structure or bytes",
            )
        if isinstance(value, float) and kind in "us":
            raise self._fail(index, parameter, f"is {value!r}; expects an integer")
        if isinstance(value, float) or kind == "f":
            try:
                return struct.pack("<f" if bits == 32 else "<d", value)
            except OverflowError:
                raise self._fail(index, parameter, f"is {value!r}; too large for it") from None
        least, most = -(1 << (bits - 1)), (1 << (bits - (kind == "s"))) - 1
        if not least <= value <= most:
            raise self._fail(index, parameter, f"is {value}; expects {least} to {most}")
        return (value % (1 << bits)).to_bytes(bits // 8, "little")


def _show(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array {value.dtype}{list(value.shape)}"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"
