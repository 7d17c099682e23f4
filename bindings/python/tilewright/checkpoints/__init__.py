"""Weights that other tools quantised: read bit for bit, and written back the same way.

A scheme is a file with `from_X` and `to_X`, which cites the definition of its layout.
"""

from .awq import from_awq, to_awq
from .checkpoint import Checkpoint
from .compressed_tensors import from_compressed_tensors, to_compressed_tensors
from .float_blocks import (
    from_fp8_block,
    from_mxfp4,
    from_nvfp4,
    to_fp8_block,
    to_mxfp4,
    to_nvfp4,
)
from .gptq import from_gptq, to_gptq
from .hqq import from_hqq, to_hqq
from .q4_0 import from_q4_0, to_q4_0
from .schemes import SCHEMES

__all__ = [
    "SCHEMES",
    "Checkpoint",
    "from_awq",
    "from_compressed_tensors",
    "from_fp8_block",
    "from_gptq",
    "from_hqq",
    "from_mxfp4",
    "from_nvfp4",
    "from_q4_0",
    "to_awq",
    "to_compressed_tensors",
    "to_fp8_block",
    "to_gptq",
    "to_hqq",
    "to_mxfp4",
    "to_nvfp4",
    "to_q4_0",
]
