"""`tw devices`: the GPUs of this machine and the models that can be emulated."""

from __future__ import annotations

import argparse
from typing import Any

from .._extension import native, runtime
from .failures import OK
from .options import add_json
from .output import binary_bytes, print_json, print_table


def add_parser(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "devices",
        help="list GPUs and emulated models",
        description="Lists the GPUs of this machine, or why there are none, and the models "
        "that can be emulated and compiled for.",
    )
    add_json(parser)
    parser.set_defaults(function=show_devices)


def list_devices() -> dict[str, Any]:
    """What `tw devices --json` prints."""
    names = runtime().device_names()
    gpus = [name for name in names if not name.startswith("emulated:")]
    return {
        "default": runtime().default_device(),
        "gpus": [{"device": name, **native().device_model(runtime(), name)} for name in gpus],
        "problems": runtime().device_problems(),
        "emulated": [{"device": f"emulated:{row['name']}", **row} for row in native().gpu_models()],
    }


def show_devices(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    listing = list_devices()
    if arguments.json:
        print_json(listing)
        return OK
    if listing["gpus"]:
        print("GPUs of this machine")
        _print_models(listing["gpus"])
    else:
        print("No GPU on this machine:")
    for problem in listing["problems"] or ["the driver lists none"][: not listing["gpus"]]:
        print(f"  {problem}")
    print("\nEmulated: the PTX a GPU would run, on the CPU, with checkers and counters")
    _print_models(listing["emulated"])
    print(f"\nDefault: {listing['default']}")
    return OK


def _label(row: dict[str, Any]) -> str:
    """A GPU's name says nothing about what it is; an emulated one's does."""
    device, model = row["device"], row["name"]
    return device if device.startswith("emulated:") else f"{device} ({model})"


def _print_models(rows: list[dict[str, Any]]) -> None:
    """A line a model; those without a compiler say so."""
    table = [
        ("device", "target", "SMs", "memory", "bandwidth", "L2", "shared/block", "f16 tensor", "")
    ]
    for row in rows:
        table.append(
            (
                _label(row),
                row["target"],
                str(row["sm_count"]),
                binary_bytes(row["memory_bytes"]),
                f"{row['memory_bandwidth'] / 1e9:,.0f} GB/s",
                binary_bytes(row["l2_bytes"]),
                binary_bytes(row["shared_bytes_per_block"]),
                f"{row['half_tensor_flops'] / 1e12:,.0f} TFLOP/s",
                "" if row["can_compile"] else "data only: nothing compiles for it",
            )
        )
    print_table([["  " + line[0], *line[1:]] for line in table], right=range(2, 8))
