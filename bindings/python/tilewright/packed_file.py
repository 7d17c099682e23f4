"""Files of packed weights: one tensor or a whole model, in the safetensors format.

A packed weight called `w` is the tensors `w.words`, `w.scales` and what else it has
(QuantizedTensor.parts); other arrays keep their names. The header's metadata hold

    tilewright  JSON: {"version": 3 or 4, "weights": {name: description}, "checksums":
                {tensor: XXH3 of its dtype, shape and bytes}}
    checksum    XXH3 of that text

so a file says what its words mean, in which layout version they are packed, and whether
a byte of it has changed. `save` writes such a file with one weight of no name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ._extension import native
from .errors import ArgumentError, Error, UnsupportedError
from .quantized_tensor import QuantizedTensor
from .suggest import nearest
from .tensor_file import TensorFile, TensorWriter, dtype_name

#: Of the description of weights; the layout of words has its own version. Files of version 1
#: say nothing of scales, which are 16-bit numbers, and zero points, which are integers. Before
#: version 3 an integer zero point is a byte, whatever the bits of codes. Those of
#: version 4 have weights packed for 8-bit activations; others stay readable by what is older.
FILE_VERSION = 4
_READABLE = (1, 2, 3, 4)
_KEY, _CHECKSUM = "tilewright", "checksum"
# Bytes of the header that a tensor may take beside its name: shape, offsets, checksum,
# and those that a weight's description may take.
_ENTRY_ROOM, _DESCRIPTION_ROOM = 300, 600
_MOST_PARTS = 8


def checksum(array: NDArray) -> str:
    """XXH3 (64 bits, hexadecimal) of an array's dtype, shape and bytes."""
    data = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    of_bytes = native().checksum(data.reshape(-1).view(np.uint8))
    text = f"{dtype_name(array.dtype)} {list(array.shape)} {of_bytes}"
    return _text_checksum(text)


def _text_checksum(text: str) -> str:
    return native().checksum(np.frombuffer(text.encode(), np.uint8))


class PackedWriter:
    """Writes a file of packed weights, one at a time; used as a context.

    Args:
        path: the file's name in the end.
        names: those of all weights and arrays that may follow.
        overwrite: whether a file of that name is replaced.

    Raises:
        FileExistsError: there is one, and `overwrite` is not set.
        OSError: the folder cannot be written.
    """

    def __init__(
        self, path: str | os.PathLike[str], names: Iterable[str], *, overwrite: bool = False
    ) -> None:
        room = 1000 + sum(
            # A name may take 6 bytes a character in JSON, and 12 in JSON within JSON.
            _MOST_PARTS * (20 * len(name) + _ENTRY_ROOM) + _DESCRIPTION_ROOM
            for name in names
        )
        self._writer = TensorWriter(path, header_room=room, overwrite=overwrite)
        self._weights: dict[str, dict[str, Any]] = {}
        self._checksums: dict[str, str] = {}

    def add(self, name: str, value: QuantizedTensor | NDArray) -> int:
        """Appends a weight or an array; returns its bytes."""
        if not isinstance(value, QuantizedTensor):
            self._add(name, value)
            return value.nbytes
        parts = value.parts()
        self._weights[name] = {**value.description(), "parts": list(parts)}
        for part, array in parts.items():
            self._add(_part_name(name, part), array)
        return value.nbytes

    def commit(self) -> None:
        """Reads all back from the disk, compares, and gives the file its name.

        Raises:
            Error: what was read is not what was written.
        """
        description = {
            "version": FILE_VERSION if self._has_bytes() else FILE_VERSION - 1,
            "weights": self._weights,
            "checksums": self._checksums,
        }
        text = json.dumps(description, separators=(",", ":"))
        with self._writer.finish({_KEY: text, _CHECKSUM: _text_checksum(text)}) as file:
            for name, expected in self._checksums.items():
                if checksum(file.read(name)) != expected:
                    raise Error(
                        f"{self._writer.path}: '{name}' was read back as something else than "
                        "was written; the disk or its driver is broken"
                    )
        self._writer.commit()

    def __enter__(self) -> PackedWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, traceback)

    def _has_bytes(self) -> bool:
        return any(weight["activations"] == "8-bit" for weight in self._weights.values())

    def _add(self, name: str, array: NDArray) -> None:
        self._writer.add(name, array)
        self._checksums[name] = checksum(array)


class PackedFile:
    """An open file of packed weights; a weight is read when it is asked for.

    Raises:
        OSError: it cannot be opened.
        UnsupportedError: it is of another kind, or of a version this build cannot read.
        ArgumentError: it is damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = TensorFile(path)
        try:
            self._weights, self._checksums = self._read_description()
        except BaseException:
            self._file.close()
            raise

    @property
    def names(self) -> list[str]:
        """Names of weights and arrays, sorted."""
        parts = {tensor for name in self._weights for tensor in self._parts(name).values()}
        return sorted([*self._weights, *(self._file.entries.keys() - parts)])

    def read(self, name: str) -> QuantizedTensor | NDArray:
        """The weight or array called `name`."""
        if name not in self._weights:
            return self._read(name)
        parts = {part: self._read(tensor) for part, tensor in self._parts(name).items()}
        try:
            return QuantizedTensor.from_parts(self._weights[name], parts)
        except UnsupportedError as error:
            raise UnsupportedError(f"{self._file.path}: '{name}': {error}") from None
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise self._damaged(f"'{name}' does not fit its description: {error}") from None

    def read_weight(self, name: str | None = None) -> QuantizedTensor:
        """The weight called `name`, or the only one.

        Raises:
            ArgumentError: there is none of that name, or several and no name.
        """
        if name is None:
            if len(self._weights) != 1:
                raise ArgumentError(
                    f"{self._file.path} holds {len(self._weights)} weights; name one of them: "
                    + ", ".join([*map(repr, sorted(self._weights)[:3]), "..."])
                )
            (name,) = self._weights
        if name not in self._weights:
            raise ArgumentError(
                f"{self._file.path} holds no weight {name!r}; {nearest(name, self._weights)}"
            )
        return cast(QuantizedTensor, self.read(name))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> PackedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _parts(self, name: str) -> dict[str, str]:
        """The tensors that a weight consists of, by part."""
        return {part: _part_name(name, part) for part in self._weights[name]["parts"]}

    def _read_description(self) -> tuple[dict[str, Any], dict[str, Any]]:
        metadata = self._file.metadata
        if _KEY not in metadata:
            raise UnsupportedError(f"{self._file.path} holds no packed weights of tilewright")
        text = metadata[_KEY]
        if _text_checksum(text) != metadata.get(_CHECKSUM):
            raise self._damaged("its description has changed since it was written")
        try:
            description = json.loads(text)
            version = description["version"]
            weights, checksums = dict(description["weights"]), dict(description["checksums"])
            tensors = {
                _part_name(name, part) for name in weights for part in weights[name]["parts"]
            }
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise self._damaged(f"its description is incomplete: {error}") from None
        if version not in _READABLE:
            raise UnsupportedError(
                f"{self._file.path} has file version {version}; supported: "
                + ", ".join(map(str, _READABLE))
            )
        differing = (checksums.keys() ^ self._file.entries.keys()) | (tensors - checksums.keys())
        if differing:
            raise self._damaged(f"description and tensors differ in '{min(differing)}'")
        return weights, checksums

    def _read(self, tensor: str) -> NDArray:
        array = self._file.read(tensor)
        if checksum(array) != self._checksums[tensor]:
            raise self._damaged(f"'{tensor}' has changed since it was written")
        return array

    def _damaged(self, what: str) -> ArgumentError:
        return ArgumentError(f"{self._file.path} is damaged: {what}")


def _part_name(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part


def load_packed(path: str | os.PathLike[str]) -> dict[str, QuantizedTensor | NDArray]:
    """Reads a file of packed weights: what `tw pack` and `save_packed` write.

    Returns:
        Weights and arrays by name.

    Raises:
        OSError: the file cannot be read.
        UnsupportedError: it is of another kind, or newer than this build.
        ArgumentError: it is damaged.
    """
    with PackedFile(path) as file:
        return {name: file.read(name) for name in file.names}


def save_packed(
    path: str | os.PathLike[str],
    values: Mapping[str, QuantizedTensor | NDArray],
    *,
    overwrite: bool = False,
) -> None:
    """Writes packed weights and arrays to one file; nothing is left of it on an error.

    Args:
        path: the file; it appears when all is written, flushed and read back.
        values: weights and NumPy arrays by name.
        overwrite: whether a file of that name is replaced.

    Raises:
        FileExistsError: there is one, and `overwrite` is not set.
        OSError: the file cannot be written.
        ArgumentError: two tensors would have the same name.
        UnsupportedError: an array's dtype is not one of the safetensors format.
    """
    with PackedWriter(path, values, overwrite=overwrite) as writer:
        for name, value in sorted(values.items(), key=_by_element_size):
            writer.add(name, value)
        writer.commit()


def _by_element_size(item: tuple[str, QuantizedTensor | NDArray]) -> tuple[int, str]:
    """Weights first, whose parts are multiples of 32 bytes, then the widest elements."""
    name, value = item
    return (-16 if isinstance(value, QuantizedTensor) else -value.itemsize), name
