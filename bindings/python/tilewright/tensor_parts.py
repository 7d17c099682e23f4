"""Quantised tensors as the parts and the description that files hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from numpy.typing import NDArray

from ._extension import native
from .activation_classes import ActivationClass, activation_class
from .errors import UnsupportedError
from .formats import float_name, parse_weight_format
from .granularity import Granularity
from .group_tables import ZERO_PACKING, ZeroPoints, pack_bytes
from .planes import fitted_parts, pop_fitted
from .scale_formats import SCALE_FORMATS

if TYPE_CHECKING:
    from .quantized_tensor import QuantizedTensor


def describe(tensor: QuantizedTensor) -> dict[str, Any]:
    """What QuantizedTensor.description documents."""
    return {
        "packing": native().PACKING_VERSION,
        "format": tensor.format,
        "layout": tensor.layout,
        "k": tensor.k,
        "n": tensor.n,
        "group_size": str(tensor._granularity),
        "scale": tensor.scale_format,
        "zero": tensor._zeros.rule if tensor._zeros else "none",
        "zero_packing": ZERO_PACKING,
        "activations": tensor.activations,
        **({} if tensor.batch is None else {"batch": tensor.batch}),
    }


def take_apart(tensor: QuantizedTensor) -> dict[str, NDArray]:
    """What QuantizedTensor.parts documents."""
    zeros = tensor._zeros
    parts = {
        "words": tensor._words,
        "scales": SCALE_FORMATS[tensor.scale_format].as_numbers(tensor._scales),
        "zeros": zeros and zeros.as_numbers(),
        "tensor_scale": tensor._tensor_scales(),
        "input_permutation": tensor.input_permutation,
        "codebook": tensor.codebook,
        **fitted_parts(tensor),
    }
    return {name: array for name, array in parts.items() if array is not None}


def repack(weights: QuantizedTensor, activations: ActivationClass) -> QuantizedTensor:
    """The same weights, packed for other activations."""
    return type(weights).from_codes(
        weights.codes(),
        weights.scales(),
        weights.zeros(),
        format=weights.format,
        layout=weights.layout,
        group_size=weights.group_size,
        scale_dtype=weights.scale_format,
        zero_rule=weights.zero_rule or "subtract",
        tensor_scale=weights.tensor_scale,
        input_permutation=weights.input_permutation,
        codebook=weights.codebook,
        activations=activations,
    )


def build(
    cls: type[QuantizedTensor], description: dict[str, Any], parts: dict[str, NDArray]
) -> QuantizedTensor:
    """What QuantizedTensor.from_parts documents."""
    version = native().PACKING_VERSION
    if description["packing"] != version:
        raise UnsupportedError(
            f"weights have packing version {description['packing']}; supported: {version}"
        )
    parts = dict(parts)
    if description["layout"] not in ("nk", "kn"):
        raise ValueError(f"layout is {description['layout']!r}")
    format = parse_weight_format(description["format"])
    granularity = Granularity.parse(str(description["group_size"]))
    k, n = int(description["k"]), int(description["n"])
    batch = int(description["batch"]) if "batch" in description else None
    if batch is not None and batch < 1:
        raise ValueError(f"batch is {batch}")
    scales, zeros = parts.pop("scales"), parts.pop("zeros", None)
    # The first version of files left these two to the arrays.
    scale = description.get("scale") or float_name(scales.dtype, "dtype of scales")
    rule = description.get("zero") or ("none" if zeros is None else "integer")
    if (rule == "none") != (zeros is None):
        raise ValueError(f"zero is {rule!r}")
    zero_packing = description.get("zero_packing", 1)
    if zero_packing not in (1, ZERO_PACKING):
        raise UnsupportedError(
            f"zero points have packing version {zero_packing}; supported: 1, {ZERO_PACKING}"
        )
    if rule == "integer" and zero_packing == 1:
        zeros = pack_bytes(zeros, format.bits, {"k": k, "n": n, "group": str(granularity)})
    total = parts.pop("tensor_scale", None)
    result = cls(
        format=format.name,
        layout=cast(Literal["nk", "kn"], description["layout"]),
        k=k,
        n=n,
        granularity=granularity,
        words=parts.pop("words"),
        scales=SCALE_FORMATS[scale].as_bits(scales),
        scale_format=scale,
        zeros=None if zeros is None else ZeroPoints.of(rule, zeros),
        batch=batch,
        tensor_scale=_read_tensor_scale(total, batch),
        input_permutation=parts.pop("input_permutation", None),
        codebook=parts.pop("codebook", None),
        fitted=pop_fitted(parts, rule, scale),
        # Files that say nothing are older than the other class.
        activations=activation_class(description.get("activations", "16-bit"), format, granularity),
    )
    if parts:
        raise ValueError(f"'{min(parts)}' is no part of a weight")
    # Unpacking checks every size against the description.
    for part in (result, *(result.truncate(width) for width in result.fitted)):
        part.codes(), part.scales(), part.zeros()
    return result


def _read_tensor_scale(total: NDArray | None, batch: int | None) -> float | NDArray | None:
    """One number, or one for each matrix of a batch."""
    if total is None:
        return None
    return float(total.reshape(1)[0]) if batch is None else total.reshape(batch)
