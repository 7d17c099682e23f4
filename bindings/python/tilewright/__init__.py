"""Tilewright: quantised matrix products compiled to PTX, run on a GPU or emulated.

    import tilewright as tw

    qw = tw.quantize(w, "u4", layout="nk")  # w [N, K], as torch.nn.Linear.weight
    y = tw.linear(x, qw, bias, activation="gelu")  # x [..., K] -> y [..., N]

Importing this loads NumPy and nothing else of weight; the compiler is loaded by the
first call that needs it, torch never.
"""

from .errors import (
    ArgumentError,
    CheckError,
    CompileError,
    DeviceError,
    Error,
    ResourceError,
    ShapeError,
    UnsupportedError,
)
from .quantize import quantize
from .quantized_tensor import QuantizedTensor

__all__ = [
    "ArgumentError",
    "CheckError",
    "CompileError",
    "DeviceError",
    "Error",
    "QuantizedTensor",
    "ResourceError",
    "ShapeError",
    "UnsupportedError",
    "quantize",
]
