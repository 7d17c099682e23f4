"""A launch spec to start from: what can be known from the kernels' parameters."""

from __future__ import annotations

import re

from ..launch_arguments import Parameter
from ..module import KernelSignature, Module

#: What a scalar of a PTX type is given as.
_SCALARS = {
    "u8": "{u8 = 0}", "u16": "{u16 = 0}", "u32": "{i32 = 1024}", "s32": "{i32 = 1024}",
    "b32": "{i32 = 1024}", "s8": "{i8 = 0}", "s16": "{i16 = 0}", "f16": "{f16 = 1.0}",
    "bf16": "{bf16 = 1.0}", "b16": "{u16 = 0}", "b8": "{u8 = 0}", "s64": "{i64 = 0}",
    "f32": "{f32 = 1.0}", "f64": "{f64 = 1.0}",
}  # fmt: skip


def make_template(module: Module, name: str) -> str:
    """TOML that launches every kernel of a module once, to be completed.

    A 64-bit parameter without sign becomes a buffer: CUDA C++ passes pointers so.

    Args:
        module: the kernels.
        name: what to call them in the comment.
    """
    lines = [f"# How to launch {name}: to be completed. docs/cli.md has all keys."]
    kernels = list(module.kernels.values())
    buffers: list[str] = []
    launches: list[str] = []
    for kernel in kernels:
        arguments = [_argument(kernel, parameter, buffers) for parameter in kernel.parameters]
        launches += [
            "",
            "[launch]" if len(kernels) == 1 else "[[launch]]",
            *([] if not kernel.aliases else [f"# {kernel.aliases[0]}"]),
            f'kernel = "{kernel.name}"',
            "grid = 1",
            "block = 128",
            f"args = [{', '.join(arguments)}]",
        ]
    for buffer in buffers:
        lines += ["", f"[buffers.{buffer}]", 'dtype = "f32"', "shape = [1024]", 'init = "random"']
    return "\n".join([*lines, *launches]) + "\n"


def _argument(kernel: KernelSignature, parameter: Parameter, buffers: list[str]) -> str:
    """A value for a parameter; adds the buffer it names."""
    if parameter.is_array:
        return f'{{bytes = "{"00" * parameter.nbytes}"}}'
    if parameter.type not in ("u64", "b64"):
        return _SCALARS.get(parameter.type, f'{{bytes = "{"00" * parameter.nbytes}"}}')
    # nvcc calls the parameters of f f_param_0, f_param_1, ...
    short = re.sub(rf"^{re.escape(kernel.name)}_param_", "p", parameter.name)
    short = re.sub(r"\W", "_", short) or "p"
    buffer = short
    while buffer in buffers:
        buffer += "_"
    buffers.append(buffer)
    return f'"{buffer}"'
