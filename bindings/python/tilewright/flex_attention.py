"""torch's flex_attention, by the kernels of `attention`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .arrays import like
from .attention import attention
from .block_lists import can_list
from .block_mask import BlockMask
from .errors import ShapeError, UnsupportedError
from .hardware import Device
from .torch_conventions import TorchArguments, read_arguments, split_scale


def flex_attention(
    query: ArrayLike | Any,
    key: ArrayLike | Any,
    value: ArrayLike | Any,
    score_mod: Callable[..., Any] | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    *,
    device: str | Device | None = None,
    schedule: str | None = None,
) -> Any:
    """`torch.nn.attention.flex_attention.flex_attention`, argument by argument.

    Args:
        query: float16 or bfloat16 [B, Hq, Sq, D], any strides, NumPy or CPU torch.
        key: [B or 1, Hkv, Sk, D].
        value: [B or 1, Hkv, Sk, Dv]. D and Dv are multiples of 8, D up to 576, Dv up to 512.
        score_mod: `f(score, b, h, q_idx, kv_idx) -> score`, of the scaled score, the batch,
            the query head, and the numbers of row and key, which count from 0.
        block_mask: from `create_block_mask` of a `mask_mod(b, h, q_idx, kv_idx)`.
        scale: factor of the products; None for `D ** -0.5`. May be zero or negative.
        enable_gqa: Hq may be a multiple of Hkv.
        return_lse: return the logarithm of each row's sum of exponentials, too.
        device, schedule: as for `attention`.

    Returns:
        [B, Hq, Sq, Dv], the dtype and kind of array of `query`; with `return_lse` also float32
        [B, Hq, Sq]. A row that sees no key is 0, its logarithm -inf.

    Functions are traced once: they may use what `tracing.py` says, and read arrays of NumPy or
    torch that their variables hold. Blocks that the mask leaves empty are not visited, and
    `mask_mod` is asked in partly visible ones alone; with a BLOCK_SIZE that is no multiple
    of 16 all blocks are, for every score.

    Raises:
        ShapeError: the shapes do not fit each other, or `block_mask` is for others.
        ArgumentError: `scale` is not a finite number.
        UnsupportedError: a dtype, head size, function or device that no kernel handles.
        ResourceError, CompileError, DeviceError: as `attention`.
    """
    arguments = read_arguments(query, key, value, enable_gqa)
    _check_shapes(arguments, query, key, enable_gqa)
    mask_mod = None if block_mask is None else _read_mask(block_mask, arguments)
    lists = block_mask if block_mask is not None and can_list(block_mask) else None
    factor, rest = split_scale(scale)
    inner = score_mod
    if rest != 1:

        def score_mod(s: Any, *positions: Any) -> Any:
            return s * rest if inner is None else inner(s * rest, *positions)

    result = attention(
        arguments.query,
        arguments.key,
        arguments.value,
        scale=factor,
        score_mod=score_mod,
        mask_mod=None if lists else mask_mod,
        block_mask=lists,
        q_offset=arguments.offset if score_mod or mask_mod else None,
        return_lse=return_lse,
        layout="bhsd",
        device=device,
        schedule=schedule,
    )
    if not return_lse:
        return like(result, query)
    return like(result[0], query), like(result[1], query)


def _check_shapes(arguments: TorchArguments, query: Any, key: Any, enable_gqa: bool) -> None:
    """What flex_attention demands beyond what broadcasts."""
    shapes = np.shape(query), np.shape(key)
    for name, shape in zip(("query", "key"), shapes, strict=True):
        if len(shape) != 4:
            raise ShapeError(f"{name} has shape {tuple(shape)}; expects [B, H, S, D]")
    if arguments.query.shape[0] != shapes[0][0]:
        raise ShapeError(
            f"query has a batch of {shapes[0][0]} and key {shapes[1][0]}; expects as many, or 1 of "
            "key"
        )
    if not enable_gqa and shapes[0][1] != shapes[1][1]:
        raise ShapeError(
            f"query has {shapes[0][1]} heads and key {shapes[1][1]}; expects as many, or "
            "enable_gqa=True"
        )


def _read_mask(block_mask: BlockMask, arguments: TorchArguments) -> Callable[..., Any]:
    if not isinstance(block_mask, BlockMask):
        raise UnsupportedError(
            f"block_mask is of type {type(block_mask).__name__}; supported: what "
            "tw.create_block_mask(mask_mod, B, H, Q_LEN, KV_LEN) returns"
        )
    batch, heads, *_ = arguments.query.shape
    wanted = (batch, heads, arguments.rows, arguments.keys)
    fits = all(
        own in ((1, whole) if axis < 2 else (whole,))
        for axis, (own, whole) in enumerate(zip(block_mask.shape, wanted, strict=True))
    )
    if not fits:
        raise ShapeError(
            f"block_mask is for {block_mask.shape} (B, H, Q_LEN, KV_LEN); expects {wanted}, with 1 "
            "for all batches or heads"
        )
    return block_mask.mask_mod
