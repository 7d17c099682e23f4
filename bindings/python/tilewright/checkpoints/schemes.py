"""Which tensors make a weight in each scheme of other tools, and who reads them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from ..quantized_tensor import QuantizedTensor
from . import awq, compressed_tensors, float_blocks, gptq


@dataclasses.dataclass(frozen=True)
class Scheme:
    """How a checkpoint names a linear layer's tensors: `<layer>.<part>`.

    Attributes:
        anchors: parts one of which each quantised layer has.
        required, optional: the other parts.
        read: makes the weight of the parts, given by name, and of settings.
        settings: settings from the checkpoint's `quantization_config`.
        method: `quant_method` in that configuration.
    """

    method: str
    anchors: tuple[str, ...]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    read: Callable[..., QuantizedTensor]
    settings: Callable[[dict[str, Any]], dict[str, Any]]


#: By the names that `Checkpoint` and `tw pack --from` take.
SCHEMES: dict[str, Scheme] = {
    "gptq": Scheme(
        "gptq", ("qweight",), ("qzeros", "scales"), ("g_idx",), gptq.from_gptq, gptq.settings
    ),
    "awq": Scheme("awq", ("qweight",), ("qzeros", "scales"), (), awq.from_awq, awq.settings),
    "compressed-tensors": Scheme(
        "compressed-tensors",
        ("weight_packed", "weight"),
        ("weight_scale",),
        ("weight_shape", "weight_zero_point", "weight_g_idx"),
        compressed_tensors.from_compressed_tensors,
        compressed_tensors.settings,
    ),
    "fp8-block": Scheme(
        "fp8",
        ("weight",),
        ("weight_scale_inv",),
        (),
        float_blocks.from_fp8_block,
        float_blocks.fp8_block_settings,
    ),
    "nvfp4": Scheme(
        "modelopt",
        ("weight",),
        ("weight_scale", "weight_scale_2"),
        (),
        float_blocks.from_nvfp4,
        lambda config: {},
    ),
}
