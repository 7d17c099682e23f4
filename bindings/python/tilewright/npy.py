"""Arrays of .npy files that anybody may have written."""

from __future__ import annotations

import os
import tokenize
import zipfile

import numpy as np
from numpy.typing import NDArray

from .errors import ArgumentError

#: What NumPy raises for bytes that are no .npy file: its header is a Python literal, and
#: a file that starts like a .zip is taken for an archive.
_NO_NPY = (
    ValueError, TypeError, EOFError, MemoryError, OverflowError, RecursionError, SyntaxError,
    tokenize.TokenError, zipfile.BadZipFile,
)  # fmt: skip


def read_npy(path: str | os.PathLike[str]) -> NDArray:
    """The array of an .npy file, of any dtype but objects.

    Raises:
        ArgumentError: the file cannot be read, or is none.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ArgumentError(f"cannot read {path}: {reason}") from None
    except _NO_NPY as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ArgumentError(f"{path} is no .npy file of numbers: {reason}") from None
    if not isinstance(array, np.ndarray):
        raise ArgumentError(f"{path} is no .npy file of numbers: it is an archive of arrays")
    return array
