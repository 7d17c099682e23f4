"""Checkpoints of other tools in safetensors files: a model as weights and arrays by name."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import ArgumentError, UnsupportedError
from ..quantized_tensor import QuantizedTensor
from ..suggest import nearest
from ..tensor_file import Entry, TensorFile
from .schemes import SCHEMES, Scheme

_INDEX_SUFFIX = ".safetensors.index.json"
#: Files beside a model that say how it was quantised, and under which key.
_CONFIGS = (("config.json", "quantization_config"), ("quantize_config.json", None))


class Checkpoint(Mapping[str, "QuantizedTensor | NDArray"]):
    """A model in one safetensors file or several, read one weight at a time.

    Quantised layers appear as `<layer>.weight`, a QuantizedTensor; all other tensors as
    arrays under their own names.

    Args:
        path: a .safetensors file, a model.safetensors.index.json, or their folder.
        scheme: how layers are quantised: "gptq", "awq", "compressed-tensors", "fp8-block",
            "nvfp4"; None where none are.
        settings: further arguments of the scheme's reader (`from_gptq`, ...); they take
            precedence over the `quantization_config` in the config.json beside the file.

    Raises:
        OSError: a file cannot be opened.
        ArgumentError: a file is damaged; a layer lacks a tensor; the index does not fit.
        UnsupportedError: an unknown scheme, or one whose configuration no reader handles.
    """

    def __init__(
        self, path: str | os.PathLike[str], scheme: str | None = None, **settings: Any
    ) -> None:
        if scheme is not None and scheme not in SCHEMES:
            raise UnsupportedError(f"scheme is {scheme!r}; {nearest(scheme, SCHEMES)}")
        self.path = Path(path)
        self._scheme = SCHEMES[scheme] if scheme else None
        with contextlib.ExitStack() as stack:
            self._files = _open_files(self.path, stack)
            self._places = {name: file for file in self._files for name in file.entries}
            self._layers = self._find_layers()
            self._settings = {**self._read_config(), **settings}
            self._closing = stack.pop_all()

    def __getitem__(self, name: str) -> QuantizedTensor | NDArray:
        if name not in self._layers:
            if name not in self._names():
                raise KeyError(name)
            return self._places[name].read(name)
        assert self._scheme is not None
        tensors = {part: self._places[full].read(full) for part, full in self._layers[name].items()}
        try:
            return self._scheme.read(**tensors, **self._settings)
        except UnsupportedError as error:
            raise UnsupportedError(f"{self.path}: '{name}': {error}") from None
        except ArgumentError as error:
            raise ArgumentError(f"{self.path}: '{name}': {error}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(sorted([*self._layers, *self._names()]))

    def __len__(self) -> int:
        return len(self._layers) + len(self._names())

    @property
    def layers(self) -> list[str]:
        """Names of the quantised weights, sorted."""
        return sorted(self._layers)

    def entry(self, name: str) -> Entry:
        """Dtype and shape of an array, without reading it."""
        return self._places[name].entries[name]

    def nbytes(self, name: str) -> int:
        """Bytes that a weight or array takes in the checkpoint."""
        names = self._layers.get(name, {"": name}).values()
        entries = [self._places[full].entries[full] for full in names]
        return sum(entry.end - entry.begin for entry in entries)

    def close(self) -> None:
        """Closes the files."""
        self._closing.close()

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _names(self) -> set[str]:
        """Tensors that belong to no quantised layer."""
        used = {full for parts in self._layers.values() for full in parts.values()}
        return self._places.keys() - used

    def _find_layers(self) -> dict[str, dict[str, str]]:
        """The tensors of each quantised weight: name of the weight, part, name."""
        scheme = self._scheme
        if scheme is None:
            return {}
        layers = {}
        for name in self._places:
            layer, _, part = name.rpartition(".")
            if part in scheme.anchors and _is_quantised(layer, part, scheme, self._places):
                layers[f"{layer}.weight" if layer else "weight"] = self._parts(layer, part, scheme)
        if not layers:
            raise ArgumentError(
                f"{self.path} has no layer with '{scheme.anchors[0]}' and "
                f"'{scheme.required[0]}', which those quantised by {scheme.method} have"
            )
        return layers

    def _parts(self, layer: str, anchor: str, scheme: Scheme) -> dict[str, str]:
        prefix = f"{layer}." if layer else ""
        for part in scheme.required:
            if prefix + part not in self._places:
                raise ArgumentError(
                    f"{self.path}: '{prefix}{anchor}' is there, '{prefix}{part}' is missing"
                )
        parts = (anchor, *scheme.required, *scheme.optional)
        return {part: prefix + part for part in parts if prefix + part in self._places}

    def _read_config(self) -> dict[str, Any]:
        """Settings from the configuration beside the files; none without one."""
        folder = self.path if self.path.is_dir() else self.path.parent
        for name, key in _CONFIGS:
            if self._scheme is None or not (folder / name).is_file():
                continue
            config = _read_json(folder / name)
            config = config.get(key) if key else config
            if config is None:
                continue
            if not isinstance(config, dict):
                raise ArgumentError(f"{folder / name}: {key} is no object")
            method = config.get("quant_method", self._scheme.method)
            if method != self._scheme.method:
                raise ArgumentError(
                    f"{folder / name} says the model is quantised by {method!r}, not by "
                    f"{self._scheme.method!r}"
                )
            return self._scheme.settings(config)
        return {}


def _is_quantised(layer: str, anchor: str, scheme: Scheme, names: Mapping[str, Any]) -> bool:
    """Whether a layer with an anchor is one of the scheme's: `weight` may also be plain."""
    prefix = f"{layer}." if layer else ""
    return anchor != "weight" or any(prefix + part in names for part in scheme.required)


def _open_files(path: Path, stack: contextlib.ExitStack) -> list[TensorFile]:
    """All files of a model."""
    if path.is_dir():
        indices = sorted(path.glob(f"*{_INDEX_SUFFIX}"))
        files = sorted(path.glob("*.safetensors"))
        found = indices or files
        if len(found) != 1:
            raise ArgumentError(
                f"{path} has {len(indices)} files *{_INDEX_SUFFIX} and {len(files)} "
                "*.safetensors; expects one of either, or name the file"
            )
        path = found[0]
    if not path.name.endswith(".json"):
        return [stack.enter_context(TensorFile(path))]
    weight_map = _read_json(path).get("weight_map")
    if not isinstance(weight_map, dict) or not all(
        isinstance(name, str) and name == os.path.basename(name) for name in weight_map.values()
    ):
        raise ArgumentError(f"{path}: weight_map does not name a file for each tensor")
    files = {
        name: stack.enter_context(TensorFile(path.parent / name))
        for name in sorted(set(weight_map.values()))
    }
    for tensor, name in weight_map.items():
        if tensor not in files[name].entries:
            raise ArgumentError(f"{path}: '{tensor}' should be in {name}, but is not")
    return list(files.values())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"{path} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ArgumentError(f"{path} is no JSON object")
    return value
