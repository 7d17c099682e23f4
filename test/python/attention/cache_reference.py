"""Caches and rotary embeddings after their definition, row by row."""

import numpy as np


def rotate(x, offsets, cos, sin, interleaved=False, rotary_start=0):
    """Products and sums in float32, each rounded, as the kernel documents it."""
    out = x.copy()
    half = cos.shape[1]
    columns = rotary_start + np.arange(2 * half)
    first, second = (columns[::2], columns[1::2]) if interleaved else np.split(columns, 2)
    for b, offset in enumerate(offsets):
        for i in range(x.shape[1]):
            a, o = x[b, i][:, first].astype(np.float32), x[b, i][:, second].astype(np.float32)
            c, s = cos[offset + i].astype(np.float32), sin[offset + i].astype(np.float32)
            out[b, i][:, first] = (a * c - o * s).astype(x.dtype)
            out[b, i][:, second] = (o * c + a * s).astype(x.dtype)
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
