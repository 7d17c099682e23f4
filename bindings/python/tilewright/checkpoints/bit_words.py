"""Codes in 32-bit words, as other tools pack them: lowest bits first along the last axis."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedError

# Rows are worked on in blocks of about this many codes: scratch memory that a cache holds.
_BLOCK_CODES = 1 << 17
_WORD = 32


@dataclasses.dataclass(frozen=True)
class _Pattern:
    """What repeats along a row: `codes` codes in `words` words.

    With `straddle` codes follow each other without gaps, across the borders of words;
    without, each word holds floor(32 / bits) of them and its top bits are unused.
    """

    bits: int
    straddle: bool

    @property
    def words(self) -> int:
        return self.bits // math.gcd(self.bits, _WORD) if self.straddle else 1

    @property
    def codes(self) -> int:
        return self.words * _WORD // self.bits

    def fields(self) -> Iterator[tuple[int, int, int, bool]]:
        """Code, word, lowest bit in it, and whether its upper bits are in the next word."""
        for code in range(self.codes):
            word, bit = divmod(code * self.bits, _WORD)
            yield code, word, bit, bit + self.bits > _WORD


def unpack(words: NDArray, bits: int, count: int, *, straddle: bool = True) -> NDArray[np.uint8]:
    """The first `count` codes of each row of words, [rows, W] -> [rows, count].

    `straddle`: see `_Pattern`.
    """
    pattern = _Pattern(bits, straddle)
    codes = np.empty((len(words), count), np.uint8)
    repeats = -(-words.shape[1] // pattern.words)
    for block in _blocks(len(words), count):
        source = _filled(words[block].view(np.uint32), repeats * pattern.words)
        source = source.reshape(len(source), repeats, pattern.words)
        fields = np.empty((len(source), repeats, pattern.codes), np.uint8)
        for code, word, bit, straddles in pattern.fields():
            field = source[:, :, word] >> bit
            if straddles:
                field |= source[:, :, word + 1] << (_WORD - bit)
            fields[:, :, code] = field & ((1 << bits) - 1)
        codes[block] = fields.reshape(len(source), repeats * pattern.codes)[:, :count]
    return codes


def pack(codes: NDArray[np.uint8], bits: int, *, straddle: bool = True) -> NDArray[np.int32]:
    """The inverse of `unpack`; what is left of the last word is 0."""
    pattern = _Pattern(bits, straddle)
    count = codes.shape[1]
    words = np.empty((len(codes), word_count(count, bits, straddle=straddle)), np.uint32)
    repeats = -(-count // pattern.codes)
    for block in _blocks(len(codes), count):
        source = _filled(codes[block], repeats * pattern.codes)
        source = source.reshape(len(source), repeats, pattern.codes)
        result = np.zeros((len(source), repeats, pattern.words), np.uint32)
        for code, word, bit, straddles in pattern.fields():
            field = source[:, :, code].astype(np.uint32)
            result[:, :, word] |= field << bit
            if straddles:
                result[:, :, word + 1] |= field >> (_WORD - bit)
        words[block] = result.reshape(len(source), -1)[:, : words.shape[1]]
    return words.view(np.int32)


def word_count(count: int, bits: int, *, straddle: bool = True) -> int:
    """Words that `count` codes take."""
    return -(-count * bits // _WORD) if straddle else -(-count // (_WORD // bits))


def check_words(words: NDArray, name: str, ndim: int = 2) -> NDArray:
    """`words`, once it is known to hold 32-bit integers in `ndim` dimensions."""
    if words.dtype not in (np.int32, np.uint32) or words.ndim != ndim:
        raise UnsupportedError(
            f"{name} is {words.dtype} with {words.ndim} dimensions; expects int32 with {ndim}"
        )
    return words


def _filled(rows: NDArray, width: int) -> NDArray:
    """Rows with zeros added up to a width."""
    missing = width - rows.shape[1]
    return np.pad(rows, ((0, 0), (0, missing))) if missing else np.ascontiguousarray(rows)


def _blocks(rows: int, codes_of_row: int) -> Iterator[slice]:
    """Ranges of rows; none where rows are empty."""
    step = max(1, _BLOCK_CODES // max(codes_of_row, 1))
    for first in range(0, rows if codes_of_row else 0, step):
        yield slice(first, min(first + step, rows))
