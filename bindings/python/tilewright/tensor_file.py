"""Safetensors files, read and written one tensor at a time.

A file is 8 bytes with the length of a header, the header (JSON, padded with blanks), and
the tensors' bytes without gaps (https://github.com/huggingface/safetensors#format).
Reading checks all of that before it uses any of it. Writing goes to another name in the
same folder; `commit` makes the file durable and only then gives it its name, so that a
reader sees nothing or all of it, whenever the writer dies.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import math
import os
import secrets
import stat
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from .errors import ArgumentError, UnsupportedError

#: The format's names of dtypes.
DTYPES: dict[str, np.dtype] = {
    name: np.dtype(dtype)
    for name, dtype in {
        "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16,
        "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
        "F8_E8M0": ml_dtypes.float8_e8m0fnu, "C64": np.complex64, "BOOL": np.bool_,
        "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8,
        "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8,
    }.items()
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in DTYPES.items()}

# The format's own limit: more is not read by its library.
_MAX_HEADER = 100_000_000
_METADATA = "__metadata__"


def dtype_name(dtype: np.dtype) -> str:
    """What the format calls a dtype."""
    if dtype not in _NAMES:
        raise UnsupportedError(f"dtype is {dtype}; safetensors files hold {', '.join(DTYPES)}")
    return _NAMES[dtype]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A tensor in a file: `begin` and `end` count bytes from the end of the header."""

    dtype: np.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


class TensorFile:
    """An open file. Its tensors are read when they are asked for.

    Attributes:
        path: where it lies.
        entries: what is in it, by name.
        metadata: the texts of its header.

    Raises:
        OSError: it cannot be opened.
        ArgumentError: it is no safetensors file, or is cut off.
        UnsupportedError: a tensor has a dtype that NumPy lacks.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        # Not blocking: opening a pipe would wait for somebody to write to it.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        self._descriptor = os.open(self.path, flags)
        self._closing = weakref.finalize(self, os.close, self._descriptor)
        try:
            status = os.fstat(self._descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise self._damaged("it is no regular file")
            self._size = status.st_size
            self.entries, self.metadata, self._data = self._read_header()
        except BaseException:
            self.close()
            raise

    def read(self, name: str) -> NDArray:
        """The tensor called `name`."""
        entry = self.entries[name]
        data = np.empty(entry.end - entry.begin, np.uint8)
        self._read_into(memoryview(data), self._data + entry.begin)
        return data.view(entry.dtype).reshape(entry.shape)

    def close(self) -> None:
        """Closes the file; so does the end of this object's life."""
        self._closing()

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_into(self, buffer: memoryview, offset: int) -> None:
        while buffer:
            # A single read returns at most 2 GiB on Linux.
            count = os.preadv(self._descriptor, [buffer], offset)
            if count == 0:
                raise self._damaged(f"it ends at byte {offset}")
            buffer, offset = buffer[count:], offset + count

    def _read_header(self) -> tuple[dict[str, Entry], dict[str, str], int]:
        if self._size < 8:
            raise self._damaged(f"it has {self._size} bytes")
        length_bytes = bytearray(8)
        self._read_into(memoryview(length_bytes), 0)
        length = int.from_bytes(length_bytes, "little")
        if length > min(_MAX_HEADER, self._size - 8):
            raise self._damaged(f"its header would have {length} bytes")
        text = bytearray(length)
        self._read_into(memoryview(text), 8)
        try:
            header = json.loads(text.decode(), object_pairs_hook=_unique_keys)
        except (ValueError, RecursionError) as error:
            raise self._damaged(f"its header is no JSON: {error}") from None
        if not isinstance(header, dict):
            raise self._damaged("its header is no JSON object")
        metadata = header.pop(_METADATA, {})
        if not _is_texts(metadata):
            raise self._damaged("its metadata are not texts by name")
        entries = {name: self._parse(name, value) for name, value in header.items()}
        self._check_offsets(entries, self._size - 8 - length)
        return entries, metadata, 8 + length

    def _parse(self, name: str, value: Any) -> Entry:
        try:
            dtype, shape, (begin, end) = value["dtype"], value["shape"], value["data_offsets"]
        except (KeyError, TypeError, ValueError):
            raise self._damaged(f"'{name}' lacks dtype, shape or data_offsets") from None
        numbers = [begin, end, *shape] if isinstance(shape, list) else [None]
        if not all(type(number) is int and 0 <= number < 1 << 62 for number in numbers):
            raise self._damaged(f"'{name}' has shape {shape}, data_offsets {begin}, {end}")
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise UnsupportedError(
                f"{self.path}: '{name}' has dtype {dtype}; supported: {', '.join(DTYPES)}"
            )
        entry = Entry(DTYPES[dtype], tuple(shape), begin, end)
        if end - begin != math.prod(shape) * entry.dtype.itemsize:
            raise self._damaged(f"'{name}', {dtype} {shape}, has {end - begin} bytes")
        return entry

    def _check_offsets(self, entries: dict[str, Entry], size: int) -> None:
        """Tensors follow each other without gaps and end where the file does."""
        place = 0
        for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
            if entry.begin != place:
                raise self._damaged(f"'{name}' begins at {entry.begin}; expects {place}")
            place = entry.end
        if place != size:
            raise self._damaged(f"its tensors have {place} bytes, but {size} are there")

    def _damaged(self, what: str) -> ArgumentError:
        return ArgumentError(f"{self.path} is not a safetensors file, or damaged: {what}")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name occurs twice")
    return result


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


class TensorWriter:
    """Writes a file one tensor at a time; used as a context, `commit` at the end.

    Tensors should come in descending size of their elements, so that all are aligned.
    Leaving the context without `commit` removes what was written.

    Args:
        path: the file's name in the end.
        header_room: bytes to leave for the header, which is known only at the end.
        overwrite: whether a file of that name is replaced.

    Raises:
        FileExistsError: there is one, and `overwrite` is not set.
        OSError: the folder cannot be written.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, header_room: int, overwrite: bool = False
    ) -> None:
        self.path = Path(path)
        self._overwrite = overwrite
        if not overwrite and self.path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self.path))
        if self.path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(self.path))
        self._header: dict[str, Any] = {}
        self._room = -(-(8 + header_room) // 64) * 64 - 8
        self._place = 0
        self.temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.part")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with self._naming_path():
            self._descriptor = os.open(self.temporary, flags, 0o666)

    def add(self, name: str, array: NDArray) -> None:
        """Appends a tensor."""
        if name in self._header or name == _METADATA:
            raise ArgumentError(f"{self.path}: two tensors are called '{name}'")
        dtype = dtype_name(array.dtype.newbyteorder("="))
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        begin, self._place = self._place, self._place + data.nbytes
        offsets = [begin, self._place]
        self._header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
        self._write(memoryview(data.reshape(-1).view(np.uint8)), 8 + self._room + begin)

    def finish(self, metadata: dict[str, str]) -> TensorFile:
        """Writes the header and brings all to the disk; the file, still without its name."""
        text = json.dumps({_METADATA: metadata, **self._header}, separators=(",", ":")).encode()
        if len(text) > self._room:
            raise ArgumentError(
                f"{self.path}: the header takes {len(text)} bytes, {self._room} were left for it"
            )
        self._write(memoryview(self._room.to_bytes(8, "little") + text.ljust(self._room)), 0)
        with self._naming_path():
            os.fsync(self._descriptor)
        # So that reading it back reads the disk, where the system heeds this.
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        return TensorFile(self.temporary)

    def commit(self) -> None:
        """Gives the file its name. Needs `finish`."""
        with self._naming_path():
            if self._overwrite:
                os.replace(self.temporary, self.path)
            else:
                self._link()
        self._close()
        _sync_folder(self.path.parent)

    def _link(self) -> None:
        """Names the file unless somebody took the name since: link() looks and acts at once."""
        try:
            os.link(self.temporary, self.path)
        except FileExistsError:
            raise
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
                raise
            # A file system without hard links.
            if self.path.exists():
                raise FileExistsError(
                    errno.EEXIST, os.strerror(errno.EEXIST), str(self.path)
                ) from None
            os.replace(self.temporary, self.path)
        else:
            os.unlink(self.temporary)

    def __enter__(self) -> TensorWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._descriptor < 0:
            return
        self._close()
        with contextlib.suppress(OSError):
            os.unlink(self.temporary)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def _write(self, data: memoryview, offset: int) -> None:
        with self._naming_path():
            while data:
                count = os.pwrite(self._descriptor, data, offset)
                data, offset = data[count:], offset + count

    @contextlib.contextmanager
    def _naming_path(self) -> Iterator[None]:
        """Errors of the system name the file that was to be, not the temporary one."""
        try:
            yield
        except OSError as error:
            error.filename, error.filename2 = str(self.path), None
            raise


def _sync_folder(folder: Path) -> None:
    """Brings a new name to the disk; some file systems cannot, and need not."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
