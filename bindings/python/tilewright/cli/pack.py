"""`tw pack`: quantises a model, or converts one, into one file of packed weights."""

from __future__ import annotations

import argparse
import contextlib
import errno
import fnmatch
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..activation_classes import activation_class
from ..checkpoints import SCHEMES, Checkpoint
from ..errors import ArgumentError
from ..formats import FLOATS
from ..granularity import Granularity
from ..packed_file import PackedWriter
from ..quantization import parse_target, quantize
from ..quantized_tensor import QuantizedTensor
from ..scale_formats import SCALE_FORMATS
from .failures import OK, BadInput, Failure, as_bad_input, as_failure
from .options import add_json
from .output import Progress, binary_bytes, count, print_facts, print_json, seconds
from .problem import GROUP_HELP, ZERO_POINT_HELP, ZERO_POINTS, zero_arguments

_MODEL = "a .safetensors file, a model.safetensors.index.json, or their folder"
_MODEL_HINT = f"MODEL is {_MODEL}"
#: What is quantised, and what is not, where no option says otherwise. An embedding is a
#: table to look up, and the last layer is where rounding shows most.
INCLUDE, EXCLUDE = ("*.weight",), ("*embed*", "*lm_head*")
_FLOATS = {*FLOATS.values(), np.dtype(np.float64)}
# Options that say how to quantise, by their names in the parsed arguments.
_QUANTISING = ("format", "group", "zero_point", "scale_dtype", "layout", "include", "exclude")
# What the caller can mend: the name or the folder is wrong.
_WRONG_PLACE = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_WRONG_DISK = (errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP)


def add_parser(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "pack",
        help="quantise or convert a model into a file of packed weights",
        description="Quantises the linear layers of a model, or converts a model that another "
        "tool quantised, and writes one safetensors file that tilewright.load_packed reads. The "
        "file appears when all is written and read back. Memory: one tensor at a time.",
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help=_MODEL)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument(
        "--format",
        metavar="FORMAT",
        help="quantise to u1..u8, i1..i8, nested8 or floats, as f4e2m1",
    )
    how.add_argument(
        "--from",
        dest="scheme",
        choices=tuple(SCHEMES),
        help="convert what this scheme quantised, bit for bit",
    )
    parser.add_argument(
        "--group",
        metavar="GROUP",
        help=GROUP_HELP,
    )
    parser.add_argument(
        "--zero-point",
        choices=ZERO_POINTS,
        help=ZERO_POINT_HELP,
    )
    parser.add_argument(
        "--scale-dtype",
        choices=tuple(SCALE_FORMATS),
        help="of the scales (default: that of the weights, f16 for f32)",
    )
    parser.add_argument(
        "--activations",
        choices=("float16", "bfloat16", "int8"),
        default="float16",
        help="what the weights are to multiply (default float16, the same as bfloat16)",
    )
    parser.add_argument(
        "--layout",
        choices=("nk", "kn"),
        help="nk: [outputs, inputs], as nn.Linear has it (default); kn: the reverse",
    )
    parser.add_argument(
        "--include",
        action="append",
        metavar="PATTERN",
        help=f"quantise matrices of these names only (default {' '.join(INCLUDE)})",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        metavar="PATTERN",
        help=f"but not of these (default {' '.join(EXCLUDE)})",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="(default: beside the model)"
    )
    parser.add_argument("--force", action="store_true", help="replace FILE where there is one")
    add_json(parser)
    parser.set_defaults(function=pack)


def pack(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    start = time.monotonic()
    _check_options(arguments)
    output = arguments.output or _default_output(arguments)
    with _naming_files(_MODEL_HINT), as_bad_input(_MODEL_HINT):
        model = Checkpoint(arguments.model, arguments.scheme)
    with model:
        chosen = model.layers if arguments.scheme else _choose(model, arguments)
        weights = _write(model, chosen, output, arguments)
        arrays = len(model) - len(chosen)
    taken = seconds(time.monotonic() - start)
    if arguments.json:
        print_json(
            {
                "output": str(output),
                "bytes": output.stat().st_size,
                "weights": weights,
                "arrays": arrays,
                "seconds": time.monotonic() - start,
            }
        )
        return OK
    packed = sum(weight["bytes"] for weight in weights)
    numbers = sum(weight["shape"][0] * weight["shape"][1] for weight in weights)
    print_facts(
        [
            ("file", f"{output}, {binary_bytes(output.stat().st_size)}"),
            ("weights", f"{count(len(weights))} packed, {binary_bytes(packed)}"),
            ("", f"{8 * packed / max(numbers, 1):.3f} bits each, with scales and padding"),
            ("arrays", f"{count(arrays)} copied as they are"),
            ("time", taken),
        ]
    )
    return OK


def _check_options(arguments: argparse.Namespace) -> None:
    """Options for quantising go with --format; the format is one."""
    if arguments.format is not None:
        with as_bad_input("for example --format u4"):
            parse_target(arguments.format)
        return
    for name in _QUANTISING:
        if getattr(arguments, name) is not None:
            option = "--" + name.replace("_", "-")
            raise BadInput(
                f"{option} is given with --from, which takes weights as they are",
                f"leave {option} out, or quantise with --format",
            )


def _default_output(arguments: argparse.Namespace) -> Path:
    """Beside the model, with what it is packed as in its name."""
    kind = arguments.format or arguments.scheme
    model = arguments.model.absolute()
    if model.name.endswith(".json"):
        model = model.parent
    stem = model.name.removesuffix(".safetensors")
    return model.with_name(f"{stem}.{kind}.safetensors")


def _choose(model: Checkpoint, arguments: argparse.Namespace) -> list[str]:
    """Names of the matrices to quantise."""
    include = arguments.include or INCLUDE
    exclude = arguments.exclude or EXCLUDE
    matrices = [name for name in model if _is_matrix(model, name)]
    chosen = [name for name in matrices if _matches(name, include) and not _matches(name, exclude)]
    if not chosen:
        shown = ", ".join(map(repr, matrices[:3])) or "none"
        raise BadInput(
            f"no matrix in {arguments.model} is called {' or '.join(include)} and not "
            f"{' or '.join(exclude)}; there are {len(matrices)} of floats: {shown}",
            "--include and --exclude say which to quantise",
        )
    return chosen


def _is_matrix(model: Checkpoint, name: str) -> bool:
    entry = model.entry(name)
    return len(entry.shape) == 2 and min(entry.shape) > 0 and entry.dtype in _FLOATS


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _write(
    model: Checkpoint, chosen: list[str], output: Path, arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Writes the file; what it says about each weight."""
    # Packed weights are multiples of 32 bytes, so what follows them lies aligned.
    quantised = frozenset(chosen)
    others = sorted(set(model) - quantised, key=lambda name: -model.entry(name).dtype.itemsize)
    weights = []
    with (
        _naming_files("-o FILE says where to write"),
        Progress("packing", sum(map(model.nbytes, model))) as progress,
        PackedWriter(output, model, overwrite=arguments.force) as writer,
    ):
        for name in [*chosen, *others]:
            progress.show(name)
            value = _read(model, name, name in quantised, arguments)
            if isinstance(value, QuantizedTensor):
                weights.append(_describe(name, value))
            with as_bad_input("a tensor of another name or dtype is in the way"):
                writer.add(name, value)
            progress.advance(model.nbytes(name))
        progress.show("reading back")
        with as_failure("try another disk"):
            writer.commit()
    return weights


def _read(
    model: Checkpoint, name: str, is_chosen: bool, arguments: argparse.Namespace
) -> QuantizedTensor | NDArray:
    """The weight or array to write under a name."""
    with as_bad_input("--from says which tool quantised MODEL; another copy of it may be whole"):
        value = model[name]
    hint = "int8 activations are for integers, --group a multiple of 32"
    if isinstance(value, QuantizedTensor):
        with as_bad_input(hint):
            return value.for_activations(arguments.activations)
    if not is_chosen:
        return value
    with as_bad_input("for example --group 128"):
        granularity = Granularity.parse(arguments.group or "128")
    with as_bad_input(hint):
        activation_class(arguments.activations, parse_target(arguments.format), granularity)
    try:
        return quantize(
            value,
            arguments.format,
            layout=arguments.layout or "nk",
            group_size=granularity.group_size,
            scale_dtype=arguments.scale_dtype,
            activations=arguments.activations,
            **zero_arguments(arguments.zero_point),
        )
    except ArgumentError as error:
        message = f"{arguments.model}: '{name}': {error}"
        raise BadInput(message, f"--exclude '{name}' leaves it as it is") from error


def _describe(name: str, weight: QuantizedTensor) -> dict[str, Any]:
    """What --json says about a weight."""
    return {
        "name": name,
        "format": weight.format,
        "shape": list(weight.shape),
        "group_size": str(Granularity.of(weight.group_size)),
        "zero_point": weight.has_zero_point,
        "scale_dtype": weight.scale_dtype.name,
        "activations": weight.activations,
        "permuted": weight.input_permutation is not None,
        "bytes": weight.nbytes,
    }


@contextlib.contextmanager
def _naming_files(hint: str) -> Iterator[None]:
    """Errors of the system become ours: bad input where another name would do."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        message = f"{where}{error.strerror or error}"
        if isinstance(error, FileExistsError):
            raise BadInput(message, "--force replaces it", "FileExists") from error
        kind = (
            BadInput if isinstance(error, _WRONG_PLACE) or error.errno in _WRONG_DISK else Failure
        )
        raise kind(message, hint, "OSError") from error
