"""Caches and rotary embeddings after their definition, row by row."""

import ml_dtypes
import numpy as np

E4M3, E5M2 = np.dtype(ml_dtypes.float8_e4m3fn), np.dtype(ml_dtypes.float8_e5m2)
#: The largest code of each kind of cache; uint8 is two integers of 4 bits.
LARGEST = {E4M3: 448, E5M2: 57344, np.dtype(np.int8): 127, np.dtype(np.uint8): 7}


def rotate(x, offsets, cos, sin, interleaved=False, rotary_start=0, dtype=None):
    """Products and sums in float32, each rounded, as the kernel documents it."""
    out = x.astype(dtype or x.dtype)
    half = cos.shape[1]
    columns = rotary_start + np.arange(2 * half)
    first, second = (columns[::2], columns[1::2]) if interleaved else np.split(columns, 2)
    for b, offset in enumerate(offsets):
        for i in range(x.shape[1]):
            a, o = x[b, i][:, first].astype(np.float32), x[b, i][:, second].astype(np.float32)
            c, s = cos[offset + i].astype(np.float32), sin[offset + i].astype(np.float32)
            out[b, i][:, first] = (a * c - o * s).astype(out.dtype)
            out[b, i][:, second] = (o * c + a * s).astype(out.dtype)
    return out


def append(cache, new, lengths, table=None):
    """`cache` with the rows of `new`, written into it."""
    for b, length in enumerate(lengths):
        for i in range(new.shape[1]):
            p = int(length) + i
            page = cache.shape[1]
            row = (b, p) if table is None else (table[b, p // page], p % page)
            cache[row] = new[b, i]
    return cache


def encode(x, dtype, scale_dtype=np.float32):
    """Codes of rows of heads and their scales, by the documented rule, in float32.

    Without `scale_dtype` the codes are of x itself, and there are no scales.
    """
    dtype, x = np.dtype(dtype), x.astype(np.float32)
    largest = np.float32(LARGEST[dtype])
    scales = None
    if scale_dtype is not None:
        scales = (np.abs(x).max(-1) / largest).astype(scale_dtype)
        wide = scales.astype(np.float32)[..., None]
        x = np.where(wide == 0, np.float32(0), x / np.where(wide == 0, 1, wide))
    if dtype in (E4M3, E5M2):
        return np.clip(x, -largest, largest).astype(dtype), scales
    codes = np.clip(np.rint(x), -largest, largest).astype(np.int8)
    if dtype == np.uint8:
        pairs = codes.view(np.uint8) & 15
        codes = pairs[..., ::2] | pairs[..., 1::2] << 4
    return codes, scales


def decode(codes, scales=None):
    """The numbers that codes stand for, in float64."""
    if codes.dtype == np.uint8:
        pairs = np.stack([codes & 15, codes >> 4], -1).reshape(*codes.shape[:-1], -1)
        codes = np.where(pairs > 7, pairs.astype(np.int8) - 16, pairs)
    numbers = codes.astype(np.float64)
    return numbers if scales is None else numbers * scales.astype(np.float64)[..., None]
