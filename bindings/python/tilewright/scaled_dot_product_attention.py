"""torch's scaled_dot_product_attention, by the kernels of `attention`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import like, to_numpy
from .attention import attention
from .captures import Operand
from .errors import ShapeError, UnsupportedError
from .hardware import Device
from .scalars import POSITIONS
from .torch_conventions import TorchArguments, read_arguments, split_scale


def scaled_dot_product_attention(
    query: ArrayLike | Any,
    key: ArrayLike | Any,
    value: ArrayLike | Any,
    attn_mask: ArrayLike | Any | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    device: str | Device | None = None,
    schedule: str | None = None,
) -> Any:
    """`torch.nn.functional.scaled_dot_product_attention`, argument by argument.

    Args:
        query: float16 or bfloat16 [..., H, Sq, D], any strides, NumPy or CPU torch; also
            [batch, Sq, D] and [Sq, D].
        key: [..., H, Sk, D], of the dtype of `query`. Leading dimensions and heads
            broadcast.
        value: [..., H, Sk, Dv]. D and Dv are multiples of 8, D up to 576, Dv up to 512.
        attn_mask: bool, True where a key takes part, or float16, bfloat16 or float32, added
            to the scores; of at least two dimensions that broadcast to [..., H, Sq, Sk].
        dropout_p: 0: kernels drop nothing.
        is_causal: only keys j <= i are visible to row i: aligned with the first key,
            whatever Sq and Sk are. Together with `attn_mask` both count.
        scale: factor of the products; None for `D ** -0.5`. May be zero or negative.
        enable_gqa: key and value may have fewer heads, of which query has a multiple.
        device, schedule: as for `attention`.

    Returns:
        [..., H, Sq, Dv], the dtype and kind of array of `query`. Rows that see no key are 0.
        Unlike torch's, a row to which the mask adds less than -2^26 (-6.7e7) everywhere is 0
        as well, not the mean of the values: such numbers hide as -inf does.

    Precision and order of sums are those of `attention`, but for the mask, which is added to
    the scaled scores in float32. Broadcast dimensions of a mask are never stored; it is read
    by tiles, and tiles that it hides are computed all the same. Use `is_causal` rather than
    a mask of its shape: keys behind a row are then not visited.

    Raises:
        ShapeError: the shapes do not fit each other.
        ArgumentError: `scale` is not a finite number.
        UnsupportedError: dropout, a dtype, head size or device that no kernel handles.
        ResourceError, CompileError, DeviceError: as `attention`.
    """
    if dropout_p != 0:
        raise UnsupportedError(f"dropout_p is {dropout_p}; supported: 0.0, kernels drop nothing")
    arguments = read_arguments(query, key, value, enable_gqa)
    factor, rest = split_scale(scale)
    score_mod, mask_mod, reads_rows = _functions(attn_mask, rest, arguments)
    out = attention(
        arguments.query,
        arguments.key,
        arguments.value,
        scale=factor,
        causal=is_causal,
        score_mod=score_mod,
        mask_mod=mask_mod,
        q_offset=arguments.offset if is_causal or reads_rows else None,
        layout="bhsd",
        device=device,
        schedule=schedule,
    )
    return like(arguments.unfold(out), query)


def _functions(
    attn_mask: Any, factor: float, arguments: TorchArguments
) -> tuple[Callable[..., Any] | None, Callable[..., Any] | None, bool]:
    """score_mod, mask_mod and whether they need to know the row."""

    def scaled(s: Any, *positions: Any) -> Any:
        return s if factor == 1 else s * factor

    score_mod = None if factor == 1 else scaled
    if attn_mask is None:
        return score_mod, None, False
    mask = _read_mask(attn_mask, arguments)
    # What is the same for all is not stored, and not read.
    axes = [axis for axis, extent in enumerate(mask.shape) if extent != 1]
    if not axes:
        mask, axes = np.broadcast_to(mask, (1, 1, 1, arguments.keys)), [3]
    array = Operand(mask.reshape([mask.shape[axis] for axis in axes]))

    def element(*positions: Any) -> Any:
        return array[tuple(positions[axis] for axis in axes)]

    if array.is_boolean:
        return score_mod, element, POSITIONS.index("query") in axes
    return (
        lambda s, *positions: scaled(s) + element(*positions),
        None,
        POSITIONS.index("query") in axes,
    )


def _read_mask(attn_mask: Any, arguments: TorchArguments) -> NDArray:
    """[B or 1, H or 1, Sq or 1, Sk or 1]."""
    mask = to_numpy(attn_mask, "attn_mask")
    dtypes = ("bool", "float32", arguments.query.dtype.name)
    if mask.dtype.name not in dtypes:
        raise UnsupportedError(
            f"attn_mask is of {mask.dtype.name}; supported: {', '.join(dtypes)} for this query"
        )
    scores = (*arguments.shape, arguments.rows, arguments.keys)
    padded = (1,) * (len(scores) - mask.ndim) + mask.shape
    fits = all(extent in (1, whole) for extent, whole in zip(padded, scores, strict=False))
    if not 2 <= mask.ndim <= len(scores) or not fits:
        raise ShapeError(
            f"attn_mask has shape {mask.shape}; expects at least two dimensions that broadcast to "
            f"the scores {scores}"
        )
    return arguments.fold_scores(mask)
