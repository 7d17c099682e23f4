"""What a launch of a compiled kernel passes, from its metadata alone.

tilewright's own launcher waits where arrays are in host memory. To time kernels beside
those of other libraries, on their streams and in their graphs, they are launched here
as metadata says: grid, argument block, workspaces.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping
from typing import Any

_FUNCTIONS = {"ceildiv": lambda a, b: -(-a // b), "min": min, "max": max}
_ALLOWED = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Load, ast.Constant,
    ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod, ast.USub,
)  # fmt: skip


def evaluate(text: str, values: Mapping[str, int]) -> int:
    """An expression over dimensions ("4 * ceildiv(M, 8)"); division rounds down."""
    tree = ast.parse(text.replace("/", "//"), mode="eval")
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise ValueError(f"expression is {text!r}; expects sums and products of dimensions")
    names: dict[str, Any] = {"__builtins__": {}, **_FUNCTIONS, **values}
    return int(eval(compile(tree, "metadata", "eval"), names))


@dataclasses.dataclass(frozen=True)
class Workspace:
    """Memory that the kernel needs and the caller gives."""

    name: str
    nbytes: int
    #: Zeros before the first launch; the kernel leaves zeros.
    is_zeroed: bool


@dataclasses.dataclass(frozen=True)
class Argument:
    """One parameter: an address to be filled in by name, or a number."""

    name: str
    nbytes: int
    #: None for an address.
    value: int | None = None


@dataclasses.dataclass(frozen=True)
class LaunchPlan:
    """A launch but for the addresses of its operands."""

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    dynamic_shared: int
    arguments: tuple[Argument, ...]
    workspaces: tuple[Workspace, ...]

    @classmethod
    def of(cls, metadata: dict[str, Any], dimensions: Mapping[str, int]) -> LaunchPlan:
        """The launch of a kernel with these extents, e.g. {"M": 16}.

        Raises:
            ValueError: a parameter of a kind that a plain launch cannot give.
        """
        extents = {
            d["name"]: d["extent"] for d in metadata["problem"]["dimensions"] if "extent" in d
        }
        extents |= dimensions
        if any(evaluate(extent, extents) != 1 for extent in metadata["cluster"]):
            raise ValueError(f"kernel {metadata['kernel']} has clusters; expects none")
        arguments = []
        for parameter in metadata["parameters"]:
            kind, name = parameter["kind"], parameter["name"]
            if kind not in ("pointer", "workspace", "dimension"):
                raise ValueError(
                    f"parameter {name} of {metadata['kernel']} is a {kind}; "
                    "expects pointers, workspaces and dimensions"
                )
            value = extents[name] if kind == "dimension" else None
            arguments.append(Argument(name, parameter["bytes"], value))
        for workspace in metadata["workspaces"]:
            if workspace["zeroed"] and not workspace["reset_by_kernel"]:
                raise ValueError(f"workspace {workspace['name']} has to be zeroed for each launch")
        return cls(
            metadata["kernel"],
            tuple(evaluate(extent, extents) for extent in metadata["grid"]),
            tuple(metadata["block"]),
            metadata["dynamic_shared_bytes"],
            tuple(arguments),
            tuple(
                Workspace(w["name"], evaluate(w["bytes"], extents), w["zeroed"])
                for w in metadata["workspaces"]
            ),
        )

    def pack(self, addresses: Mapping[str, int]) -> bytes:
        """The argument block, each argument at its natural alignment (PTX ISA, ".param")."""
        block = bytearray()
        for argument in self.arguments:
            block += bytes(-len(block) % argument.nbytes)
            value = addresses[argument.name] if argument.value is None else argument.value
            block += value.to_bytes(argument.nbytes, "little")
        return bytes(block)


#: What the parts of packed weights are called as operands.
_PARTS = {"words": "w"}


def operands_of(weights: Any) -> dict[str, Any]:
    """The arrays of packed weights by the names that kernels give them."""
    return {_PARTS.get(name, name): array for name, array in weights.parts().items()}
