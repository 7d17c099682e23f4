"""Inputs of `tw run`: arrays from .npy files, random ones for the rest."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..formats import FLOATS, OPERANDS, parse_weight_format
from ..granularity import Granularity
from ..npy import read_npy
from ..quantization import quantize
from ..quantized_tensor import QuantizedTensor
from ..residual import quantize_residual
from .failures import BadInput, as_bad_input
from .problem import QuantMatmul, zero_arguments

#: What can be given, and its dimensions.
_DIMENSIONS = {"x": ("m", "k"), "w": ("n", "k"), "bias": ("n",)}


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Everything a quantised matrix product reads."""

    x: NDArray
    weights: QuantizedTensor
    bias: NDArray | None
    #: Names of those that are random.
    random: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class GivenInputs:
    """The arrays that were given, by name, and the files they come from."""

    arrays: dict[str, NDArray]
    files: dict[str, str]

    def fill_extents(self, arguments: argparse.Namespace) -> None:
        """Takes extents that no option gives from the arrays."""
        for name, array in self.arrays.items():
            for dimension, extent in zip(_DIMENSIONS[name], array.shape, strict=True):
                if getattr(arguments, dimension) is None:
                    setattr(arguments, dimension, extent)
        if "bias" in self.arrays and arguments.bias is None:
            arguments.bias = "f32"

    def complete(self, problem: QuantMatmul, seed: int) -> Inputs:
        """All inputs: those given in the problem's dtypes, the rest drawn from `seed`.

        x is normal, of i8 in steps of 1/32, w normal with a deviation of 1/sqrt(K), of
        which the absolute values are taken where the format can hold no negative ones.
        """
        if "bias" in self.arrays and problem.bias is None:
            raise BadInput("bias is given, but the kernel adds none", "compile it with --bias f32")
        for name, array in self.arrays.items():
            expected = tuple(getattr(problem, dimension) for dimension in _DIMENSIONS[name])
            if array.shape != expected:
                raise BadInput(
                    f"{name} in {self.files[name]} has shape {array.shape}; expects {expected}",
                    "-m, -n and -k can be left out: the arrays say them",
                )
        if problem.dtype == "i8" and "x" in self.arrays:
            self._check_bytes("x")
        # One stream an input, so that giving one leaves the others as they are.
        streams = np.random.default_rng(seed).spawn(len(_DIMENSIONS))
        drawn = dict(zip(_DIMENSIONS, streams, strict=True))

        def take(name: str, dtype: np.dtype) -> NDArray:
            if name in self.arrays:
                with np.errstate(over="ignore"):
                    return self.arrays[name].astype(dtype)
            shape = [getattr(problem, dimension) for dimension in _DIMENSIONS[name]]
            numbers = drawn[name].standard_normal(shape, np.float32)
            return _round_to_bytes(numbers) if dtype == np.int8 else numbers.astype(dtype)

        bias = None if problem.bias is None else take("bias", FLOATS[problem.bias])
        wanted = ["x", "w"] + ["bias"] * (bias is not None)
        random = tuple(name for name in wanted if name not in self.arrays)
        x = take("x", OPERANDS[problem.dtype])
        return Inputs(x, self._quantize(take("w", FLOATS["f32"]), problem), bias, random)

    def _check_bytes(self, name: str) -> None:
        array = self.arrays[name]
        if array.dtype.kind not in "iu" or (array != array.astype(np.int8)).any():
            raise BadInput(
                f"{name} in {self.files[name]} is {array.dtype}; expects integers of -128 to 127 "
                "for --dtype i8",
                "tilewright.quantize_activations makes them, with a scale for each row",
            )

    def _quantize(self, w: NDArray, problem: QuantMatmul) -> QuantizedTensor:
        format = parse_weight_format(problem.format)
        # Any codebook will do; this one is exact in every dtype.
        codebook = np.arange(1 << format.bits) - (1 << format.bits) / 2
        if "w" not in self.arrays:
            w = w / np.float32(np.sqrt(problem.k))
            if problem.zero == "none" and not format.signed:
                w = np.abs(w)
        if format.is_stack and problem.has_tensor_scale:
            raise BadInput("--tensor-scale is given, but a stack has none", "leave it out")
        with as_bad_input("'tw run --help' says what w may be"):
            if format.is_stack:
                group = Granularity.parse(problem.group).group_size
                return quantize_residual(
                    w, layout="nk", group_size=group, scale_dtype=problem.scale_dtype
                )
            return quantize(
                w,
                problem.preset or problem.format,
                layout="nk",
                group_size=Granularity.parse(problem.group).group_size,
                scale_dtype=problem.scale_dtype,
                codebook=codebook if format.is_index and not problem.preset else None,
                tensor_scale=problem.has_tensor_scale,
                activations="int8" if problem.dtype == "i8" else "float16",
                **zero_arguments(problem.zero),
            )


def _round_to_bytes(numbers: NDArray) -> NDArray[np.int8]:
    return np.rint(numbers * 32).clip(-128, 127).astype(np.int8)


def read_inputs(texts: Sequence[str]) -> GivenInputs:
    """Reads the files of `--input NAME=FILE.npy`."""
    arrays: dict[str, NDArray] = {}
    files: dict[str, str] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or name not in _DIMENSIONS:
            raise BadInput(
                f"--input is '{text}'; expects NAME=FILE.npy with x, w or bias",
                "for example --input x=activations.npy",
            )
        if name in arrays:
            raise BadInput(f"--input gives {name} twice", "leave one out")
        array = _read_array(path)
        if array.ndim != len(_DIMENSIONS[name]):
            raise BadInput(
                f"{name} in {path} has shape {array.shape}; "
                f"expects {len(_DIMENSIONS[name])} dimensions",
                "x is [M,K], w [N,K], bias [N]",
            )
        arrays[name], files[name] = array, path
    return GivenInputs(arrays, files)


def _read_array(path: str) -> NDArray:
    hint = "numpy.save writes such files"
    with as_bad_input(hint):
        array = read_npy(path)
    if array.dtype.kind not in "fiu":
        raise BadInput(f"{path} holds {array.dtype}; expects real numbers", hint)
    return array


def save_array(path: str, array: NDArray) -> None:
    """Writes an array; bfloat16, which .npy files cannot name, as float32."""
    storable = array if array.dtype.kind == "f" else array.astype(np.float32)
    try:
        with open(path, "wb") as file:
            np.save(file, storable)
    except OSError as error:
        raise BadInput(
            f"cannot write {path}: {os.strerror(error.errno or 0)}",
            "the folder must exist and be writable",
        ) from None
