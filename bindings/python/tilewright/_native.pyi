"""The compiled half of the package (bindings/python/Module.cpp). Private."""

import numpy as np
from numpy.typing import NDArray

#: Version of the storage layout that this build packs and reads.
PACKING_VERSION: int

def pack_codes(codes: NDArray[np.uint8], bits: int) -> NDArray[np.uint32]:
    """Packs stored codes [N, K], any strides, into words."""

def unpack_codes(words: NDArray[np.uint32], bits: int, n: int, k: int) -> NDArray[np.uint8]:
    """The stored codes [N, K] of packed words."""

def pack_scales(scales: NDArray[np.uint16], k: int, group: int) -> NDArray[np.uint16]:
    """Bits of scales [N, groups] into packed order; `group` 0 is the whole channel."""

def unpack_scales(packed: NDArray[np.uint16], n: int, groups: int) -> NDArray[np.uint16]:
    """The inverse of pack_scales."""

def pack_zeros(zeros: NDArray[np.uint8], k: int, group: int) -> NDArray[np.uint8]:
    """Stored zero points [N, groups] into packed order."""

def unpack_zeros(packed: NDArray[np.uint8], n: int, groups: int) -> NDArray[np.uint8]:
    """The inverse of pack_zeros."""
