"""Codes in 32-bit words, as other tools pack them: lowest bits first along the last axis."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedError

# Rows are worked on in blocks of about this many codes, to bound scratch memory.
_BLOCK_CODES = 1 << 21
_WORD = 32


def unpack(words: NDArray, bits: int, count: int, *, straddle: bool = True) -> NDArray[np.uint8]:
    """The first `count` codes of each row of words, [rows, W] -> [rows, count].

    With `straddle` codes follow each other without gaps, across the borders of words;
    without, each word holds floor(32 / bits) of them and its top bits are unused.
    """
    slots = _slots(bits, straddle)

    def unpack_rows(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
        fields = np.unpackbits(rows, axis=-1, bitorder="little")
        if slots is not None:
            fields = fields.reshape(len(rows), -1, _WORD)[:, :, : slots * bits]
        fields = fields.reshape(len(rows), -1)[:, : count * bits].reshape(len(rows), count, bits)
        return np.packbits(fields, axis=-1, bitorder="little")[:, :, 0]

    codes = np.empty((len(words), count), np.uint8)
    as_bytes = np.ascontiguousarray(words, words.dtype.newbyteorder("<")).view(np.uint8)
    return _by_blocks(unpack_rows, as_bytes, codes, count)


def pack(codes: NDArray[np.uint8], bits: int, *, straddle: bool = True) -> NDArray[np.int32]:
    """The inverse of `unpack`; what is left of the last word is 0."""
    slots = _slots(bits, straddle)
    count = codes.shape[1]
    width = word_count(count, bits, straddle=straddle)

    def pack_rows(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
        fields = np.unpackbits(rows[:, :, None], axis=-1, count=bits, bitorder="little")
        fields = fields.reshape(len(rows), -1)
        if slots is not None:
            fields = _padded(fields, width * slots * bits).reshape(len(rows), width, slots * bits)
            fields = np.pad(fields, ((0, 0), (0, 0), (0, _WORD - slots * bits)))
        fields = _padded(fields.reshape(len(rows), -1), width * _WORD)
        return np.packbits(fields, axis=-1, bitorder="little")

    words = np.empty((len(codes), width * 4), np.uint8)
    return _by_blocks(pack_rows, codes, words, count).view("<i4").astype(np.int32, copy=False)


def word_count(count: int, bits: int, *, straddle: bool = True) -> int:
    """Words that `count` codes take."""
    slots = _slots(bits, straddle)
    return -(-count * bits // _WORD) if slots is None else -(-count // slots)


def check_words(words: NDArray, name: str, ndim: int = 2) -> NDArray:
    """`words`, once it is known to hold 32-bit integers in `ndim` dimensions."""
    if words.dtype not in (np.int32, np.uint32) or words.ndim != ndim:
        raise UnsupportedError(
            f"{name} is {words.dtype} with {words.ndim} dimensions; expects int32 with {ndim}"
        )
    return words


def _slots(bits: int, straddle: bool) -> int | None:
    """Codes of a word that has a fixed number of them."""
    return None if straddle else _WORD // bits


def _padded(fields: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    return np.pad(fields, ((0, 0), (0, width - fields.shape[1])))


def _by_blocks(
    convert: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    source: NDArray[np.uint8],
    result: NDArray[np.uint8],
    codes_of_row: int,
) -> NDArray[np.uint8]:
    """Fills `result` from `source`, some rows at a time."""
    rows = max(1, _BLOCK_CODES // max(codes_of_row, 1))
    for first in range(0, len(source) if codes_of_row else 0, rows):
        result[first : first + rows] = convert(source[first : first + rows])
    return result
