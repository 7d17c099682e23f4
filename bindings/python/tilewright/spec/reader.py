"""Reads launch specs: TOML or JSON in, a checked `LaunchSpec` out.

Every key is known and every value checked; an error names the key with its place
("launch[1].grid"), the value, and the nearest key that exists.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..emulation import EmulatorOptions
from ..errors import ArgumentError
from ..suggest import nearest
from .fields import (
    MOST_BYTES,
    SpecError,
    Table,
    as_bounds,
    as_bytes,
    as_dtype,
    as_extents,
    as_integer,
    as_number,
    as_pair,
    as_shape,
    as_table,
    as_text,
    as_texts,
    as_tolerance,
    as_true,
    show,
)
from .values import DTYPES, WORDS, Expectation, Filling

#: Kinds of arguments that a table gives, beside {dtype = value}.
_ARGUMENT_KEYS = ("buffer", "bytes", "null", "struct")


@dataclasses.dataclass(frozen=True)
class Argument:
    """A value for a kernel's parameter."""

    #: "buffer", "number" (as the parameter's type says), "scalar", "bytes", "null".
    kind: str
    #: A buffer's name, a number, a NumPy scalar, bytes; None.
    value: Any = None
    #: Of "buffer": bytes from its start.
    offset: int = 0


@dataclasses.dataclass(frozen=True)
class Buffer:
    """Device memory of a spec, or a variable of the module."""

    name: str
    dtype: np.dtype
    #: None: as the file says, or of a variable all of it in one dimension.
    shape: tuple[int, ...] | None
    #: None: a variable keeps what the module gives it.
    init: Filling | None
    expect: Expectation | None
    is_symbol: bool = False


@dataclasses.dataclass(frozen=True)
class Step:
    """One launch."""

    #: None: the module's only kernel.
    kernel: str | None
    grid: tuple[int, ...]
    block: tuple[int, ...]
    cluster: tuple[int, ...]
    dynamic_shared: int
    args: tuple[Argument, ...]


@dataclasses.dataclass(frozen=True)
class LaunchSpec:
    """How to launch kernels, and what to expect of them."""

    buffers: Mapping[str, Buffer]
    steps: tuple[Step, ...]
    options: EmulatorOptions
    device: str | None
    #: What a .cu is compiled for, and further options of NVRTC.
    target: str | None
    nvrtc_options: tuple[str, ...]
    seed: int

    @property
    def is_random(self) -> bool:
        """Whether the seed matters."""
        fillings = [buffer.init for buffer in self.buffers.values()]
        fillings += [b.expect.filling for b in self.buffers.values() if b.expect]
        return any(f is not None and f.kind == "random" and f.seed is None for f in fillings)


def read_spec(source: str | os.PathLike[str] | Mapping[str, Any]) -> LaunchSpec:
    """The spec of a .toml or .json file, or of a dictionary with the same keys.

    Raises:
        SpecError: the file cannot be read, or a key or value is wrong.
    """
    if isinstance(source, Mapping):
        return _read(Table(dict(source), ""), Path())
    path = Path(source)
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise SpecError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from None
    except ValueError:
        raise SpecError(f"{path} is no text in UTF-8") from None
    try:
        return parse_spec(text, is_json=path.suffix == ".json", folder=path.parent)
    except SpecError as error:
        raise SpecError(f"{path}{error}" if str(error)[:1] == ":" else f"{path}: {error}") from None


def parse_spec(text: str, *, is_json: bool = False, folder: Path | None = None) -> LaunchSpec:
    """The spec that a text says; files it names are looked for in `folder`."""
    try:
        raw = json.loads(text) if is_json else tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
        if place and place[2]:
            raise SpecError(f":{place[2]}:{place[3]}: {place[1]}") from None
        raise SpecError(f"{error}") from None
    except json.JSONDecodeError as error:
        raise SpecError(f":{error.lineno}:{error.colno}: {error.msg}") from None
    except (RecursionError, ValueError) as error:
        raise SpecError(f"it cannot be read: {error}") from None
    if not isinstance(raw, dict):
        raise SpecError(f"a spec is a table, but this is {show(raw)}")
    return _read(Table(raw, ""), folder or Path())


_KEYS = (
    "buffers", "symbols", "launch", "options", "device", "target", "nvrtc_options", "seed",
)  # fmt: skip


def _read(table: Table, folder: Path) -> LaunchSpec:
    table.finish(_KEYS)
    files = _FileReader(folder)
    buffers = table.take("buffers", lambda raw, at: _read_buffers(raw, at, files, False), {})
    symbols = table.take("symbols", lambda raw, at: _read_buffers(raw, at, files, True), {})
    for name in symbols:
        if name in buffers:
            raise SpecError(f"symbols.{name} has the name of a buffer")
    if not table.has("launch"):
        raise SpecError("launch is missing: a table with grid, block and args, or a list of them")
    steps = table.take("launch", lambda raw, at: _read_steps(raw, at, buffers))
    return LaunchSpec(
        buffers=buffers | symbols,
        steps=steps,
        options=table.take("options", _read_options, EmulatorOptions()),
        device=table.take("device", as_text),
        target=table.take("target", as_text),
        nvrtc_options=tuple(table.take("nvrtc_options", as_texts, ())),
        seed=table.take("seed", lambda raw, at: as_integer(raw, at, 0, (1 << 63) - 1), 0),
    )


@dataclasses.dataclass(frozen=True)
class _FileReader:
    folder: Path

    def path(self, raw: Any, at: str) -> str:
        text = as_text(raw, at)
        if "\0" in text or not text.endswith(".npy"):
            raise SpecError(f"{at} is {text!r}; expects the path of an .npy file")
        return str(self.folder / text)


# Buffers


def _read_buffers(raw: Any, at: str, files: _FileReader, symbols: bool) -> dict[str, Buffer]:
    buffers = {}
    for name, fields in as_table(raw, at).raw.items():
        if not re.fullmatch(r"[A-Za-z_$%][\w$%]*", name):
            raise SpecError(f"{at} has the name {name!r}; expects letters, digits and '_'")
        buffers[name] = _read_buffer(name, as_table(fields, f"{at}.{name}"), files, symbols)
    return buffers


def _read_buffer(name: str, table: Table, files: _FileReader, is_symbol: bool) -> Buffer:
    dtype = table.take("dtype", as_dtype)
    shape = table.take("shape", as_shape)
    default = None if is_symbol else Filling("uninitialised")
    init = table.take("init", lambda raw, at: _read_filling(raw, at, files), default)
    expect = table.take("expect", lambda raw, at: _read_expectation(raw, at, files))
    table.finish()
    if dtype is None:
        raise SpecError(f"{table.at('dtype')} is missing; expects one of " + ", ".join(DTYPES))
    if is_symbol and init is not None and init.kind == "uninitialised":
        raise SpecError(f"{table.at('init')} is 'uninitialised'; variables of a module never are")
    from_file = init is not None and init.kind in ("file", "expression")
    if shape is None and not is_symbol and not from_file:
        raise SpecError(f"{table.at('shape')} is missing; expects extents such as [1024]")
    if shape is not None and math.prod(shape) * dtype.itemsize > MOST_BYTES:
        raise SpecError(f"{table.at('shape')} is {list(shape)}, more than {MOST_BYTES} bytes")
    _check_bounds(init, table.at("init"), dtype)
    return Buffer(name, dtype, shape, init, expect, is_symbol)


def _check_bounds(filling: Filling | None, at: str, dtype: np.dtype) -> None:
    """Random integers need integer bounds."""
    if filling is None or filling.kind != "random" or filling.value is None:
        return
    low, high = filling.value
    if dtype.kind in "iub":
        if not (isinstance(low, int) and isinstance(high, int)):
            raise SpecError(f"{at}.random is [{low}, {high}]; expects integers")
        if not -(1 << 63) <= low < high <= (1 << 63) - 1:
            raise SpecError(f"{at}.random is [{low}, {high}]; expects a range of 64-bit integers")


def _read_filling(raw: Any, at: str, files: _FileReader) -> Filling:
    if isinstance(raw, str):
        if raw not in WORDS:
            raise SpecError(f"{at} is {raw!r}; " + nearest(raw, WORDS))
        return Filling(raw)
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        return Filling("constant", as_number(raw, at))
    table = as_table(raw, at)
    filling = _take_filling(table, files)
    table.finish()
    return filling


def _take_filling(table: Table, files: _FileReader) -> Filling:
    """The one key of a table that says where values come from."""
    readers: dict[str, Callable[[Any, str], Any]] = {
        "constant": as_number,
        "random": as_bounds,
        "arange": as_pair,
        "file": files.path,
        "expression": as_text,
    }
    values = {key: table.take(key, read) for key, read in readers.items()}
    given = [key for key in readers if table.has(key)]
    seed = table.take("seed", lambda raw, at: as_integer(raw, at, 0, (1 << 63) - 1))
    if len(given) != 1:
        table.finish()
        found = " and ".join(given) or "none"
        raise SpecError(f"{table.place} has {found}; expects one of {', '.join(readers)}")
    if seed is not None and given != ["random"]:
        raise SpecError(f"{table.at('seed')} is for random values, not for {given[0]}")
    return Filling(given[0], values[given[0]], seed)


def _read_expectation(raw: Any, at: str, files: _FileReader) -> Expectation:
    if isinstance(raw, str):
        if raw == "uninitialised":
            raise SpecError(f"{at} is {raw!r}, which nothing can be compared with")
        return Expectation(Filling(raw) if raw in WORDS else Filling("expression", raw))
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        return Expectation(Filling("constant", as_number(raw, at)))
    table = as_table(raw, at)
    tolerances = [table.take(key, as_tolerance, 0.0) for key in ("rtol", "atol")]
    filling = _take_filling(table, files)
    table.finish()
    return Expectation(filling, *tolerances)


# Launches


def _read_steps(raw: Any, at: str, buffers: Mapping[str, Buffer]) -> tuple[Step, ...]:
    if isinstance(raw, list):
        if not raw:
            raise SpecError(f"{at} is empty; expects at least one launch")
        return tuple(
            _read_step(as_table(one, f"{at}[{index}]"), buffers) for index, one in enumerate(raw)
        )
    return (_read_step(as_table(raw, at), buffers),)


def _read_step(table: Table, buffers: Mapping[str, Buffer]) -> Step:
    step = Step(
        kernel=table.take("kernel", as_text),
        grid=table.take("grid", as_extents, (1,)),
        block=table.take("block", as_extents, (1,)),
        cluster=table.take("cluster", as_extents, (1,)),
        dynamic_shared=table.take(
            "dynamic_shared", lambda raw, at: as_integer(raw, at, 0, (1 << 31) - 1), 0
        ),
        args=table.take("args", lambda raw, at: _read_arguments(raw, at, buffers), ()),
    )
    table.finish()
    return step


def _read_arguments(raw: Any, at: str, buffers: Mapping[str, Buffer]) -> tuple[Argument, ...]:
    if not isinstance(raw, list):
        raise SpecError(f"{at} is {show(raw)}; expects a list")
    return tuple(_read_argument(one, f"{at}[{index}]", buffers) for index, one in enumerate(raw))


def _read_argument(raw: Any, at: str, buffers: Mapping[str, Buffer]) -> Argument:
    if isinstance(raw, str):
        return Argument("buffer", _buffer_name(raw, at, buffers))
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        return Argument("number", raw)
    table = as_table(raw, at, "a buffer's name, a number, or a table such as {i32 = 5}")
    name = table.take("buffer", lambda raw, at: _buffer_name(raw, at, buffers))
    if name is not None:
        offset = table.take("offset", lambda raw, at: as_integer(raw, at, 0, MOST_BYTES), 0)
        table.finish()
        return Argument("buffer", name, offset)
    hexadecimal = table.take("bytes", as_bytes)
    is_null = table.take("null", as_true)
    struct = table.take("struct", _struct)
    scalars = {key: table.take(key, _scalar_reader(DTYPES[key])) for key in DTYPES}
    table.finish()
    if len(table.raw) != 1:
        raise SpecError(
            f"{at} is {show(raw)}; expects one of {', '.join(_ARGUMENT_KEYS)} or a dtype"
        )
    if is_null:
        return Argument("null")
    if hexadecimal is not None or struct is not None:
        return Argument("bytes", struct if hexadecimal is None else hexadecimal)
    return Argument("scalar", next(value for value in scalars.values() if value is not None))


def _buffer_name(raw: Any, at: str, buffers: Mapping[str, Buffer]) -> str:
    name = as_text(raw, at)
    if name not in buffers:
        raise SpecError(f"{at} is {name!r}, which is no buffer; " + nearest(name, buffers))
    return name


def _scalar_reader(dtype: np.dtype) -> Callable[[Any, str], np.generic]:
    def read(raw: Any, at: str) -> np.generic:
        if dtype.kind == "b":
            if not isinstance(raw, bool):
                raise SpecError(f"{at} is {show(raw)}; expects true or false")
            return np.bool_(raw)
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            return dtype.type(as_integer(raw, at, int(info.min), int(info.max)))
        with np.errstate(over="ignore"):
            return dtype.type(as_number(raw, at))

    return read


def _struct(raw: Any, at: str) -> bytes:
    """Members in order, each at its natural alignment, as C lays them out."""
    if not isinstance(raw, list) or not raw:
        raise SpecError(f"{at} is {show(raw)}; expects a list of members such as {{i32 = 5}}")
    block, largest = bytearray(), 1
    for index, one in enumerate(raw):
        table = as_table(one, f"{at}[{index}]")
        members = [table.take(key, _scalar_reader(DTYPES[key])) for key in DTYPES]
        table.finish()
        given = [member for member in members if member is not None]
        if len(given) != 1:
            raise SpecError(f"{at}[{index}] is {show(one)}; expects one such as {{i32 = 5}}")
        size = given[0].itemsize
        block += bytes(-len(block) % size) + given[0].tobytes()
        largest = max(largest, size)
    return bytes(block) + bytes(-len(block) % largest)


# Options


def _read_options(raw: Any, at: str) -> EmulatorOptions:
    table = as_table(raw, at)
    known = [field.name for field in dataclasses.fields(EmulatorOptions)]
    given = {key: table.take(key, lambda raw, at: raw) for key in known if table.has(key)}
    table.finish(known)
    if "checks" in given:
        given["checks"] = as_texts(given["checks"], f"{at}.checks")
    try:
        return EmulatorOptions(**given)
    except ArgumentError as error:
        raise SpecError(f"{at}.{error}") from None
