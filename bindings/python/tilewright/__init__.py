"""Tilewright: quantised matrix products compiled to PTX, run on a GPU or emulated.

    import tilewright as tw

    qw = tw.quantize(w, "u4", layout="nk")  # w [N, K], as torch.nn.Linear.weight
    y = tw.linear(x, qw, bias, activation="gelu")  # x [..., K] -> y [..., N]

Importing this loads NumPy and nothing else of weight; the compiler is loaded by the
first call that needs it, torch never.
"""

from .activations import quantize_activations
from .append_cache import append_cache, rotary
from .attention import attention, attention_varlen
from .attention_decode import attention_decode
from .block_lists import BlockList
from .block_mask import BlockMask, create_block_mask
from .captures import Operand as operand
from .checking import check
from .checkpoints import (
    Checkpoint,
    from_awq,
    from_compressed_tensors,
    from_fp8_block,
    from_gptq,
    from_hqq,
    from_mxfp4,
    from_nvfp4,
    from_q4_0,
    to_awq,
    to_compressed_tensors,
    to_fp8_block,
    to_gptq,
    to_hqq,
    to_mxfp4,
    to_nvfp4,
    to_q4_0,
)
from .device_array import DeviceArray
from .emulation import EmulatorOptions
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
from .flex_attention import flex_attention
from .hardware import Device, device, device_problems, devices
from .kernels import Kernel, compile
from .matmul import linear, matmul
from .merge_attention import merge_attention
from .module import KernelSignature, Module
from .packed_file import load_packed, save_packed
from .profiling import Launch, Profile, profile
from .quantization import quantize
from .quantized_tensor import QuantizedTensor
from .reports import CallSite, Finding, LineCounters, Party, Place, Report, WorstAccess
from .residual import from_planes, quantize_residual
from .scaled_dot_product_attention import scaled_dot_product_attention
from .width_fitting import fit_widths

__all__ = [
    "ArgumentError",
    "BlockList",
    "BlockMask",
    "CallSite",
    "CheckError",
    "Checkpoint",
    "CompileError",
    "Device",
    "DeviceArray",
    "DeviceError",
    "EmulatorOptions",
    "Error",
    "Finding",
    "Kernel",
    "KernelSignature",
    "Launch",
    "LineCounters",
    "Module",
    "Party",
    "Place",
    "Profile",
    "QuantizedTensor",
    "Report",
    "ResourceError",
    "ShapeError",
    "UnsupportedError",
    "WorstAccess",
    "append_cache",
    "attention",
    "attention_decode",
    "attention_varlen",
    "check",
    "compile",
    "create_block_mask",
    "device",
    "device_problems",
    "devices",
    "fit_widths",
    "flex_attention",
    "from_awq",
    "from_compressed_tensors",
    "from_fp8_block",
    "from_gptq",
    "from_hqq",
    "from_mxfp4",
    "from_nvfp4",
    "from_planes",
    "from_q4_0",
    "linear",
    "load_packed",
    "matmul",
    "merge_attention",
    "operand",
    "profile",
    "quantize",
    "quantize_activations",
    "quantize_residual",
    "rotary",
    "save_packed",
    "scaled_dot_product_attention",
    "to_awq",
    "to_compressed_tensors",
    "to_fp8_block",
    "to_gptq",
    "to_hqq",
    "to_mxfp4",
    "to_nvfp4",
    "to_q4_0",
]
