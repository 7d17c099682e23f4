"""Problems on the command line: the quantised matrix product from its options."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any, Protocol

from .._extension import native
from ..formats import FLOATS, RESULTS, parse_weight_format
from ..granularity import Granularity
from ..scale_formats import SCALE_FORMATS
from .artifact import Artifact
from .failures import BadInput, as_bad_input, as_failure
from .options import extent

OPS = ("quant_matmul",)
#: Of x.
X_DTYPES = ("f16", "bf16", "i8", "e4m3", "e5m2")
ACTIVATIONS = ("none", "relu", "gelu", "silu", "swiglu")
SCHEDULE_HINT = "'tw compile' without --schedule prints one that fits"
NO_SCHEDULE_HINT = "'tw devices' lists what can be compiled for"
GROUP_HELP = (
    "weights that share a scale: 128 (along K), 128x128 (K x N), channel, tensor (default 128)"
)
ZERO_POINTS = ("none", "integer", "float", "offset")
ZERO_POINT_HELP = (
    "w = (q - z) * s with z an integer or a float, or q * s + z (offset) "
    "(default: integer for unsigned formats, none for signed ones)"
)
#: Presets of `quantize`: what their codes are stored as.
PRESETS = {"nf4": "lut4", "ternary": "i2"}
#: Options that say what to compute, by their names in the parsed arguments.
_OPTIONS = {
    "n": "-n",
    "k": "-k",
    "format": "--format",
    "group": "--group",
    "dtype": "--dtype",
    "out_dtype": "--out-dtype",
    "scale_dtype": "--scale-dtype",
    "zero_point": "--zero-point",
    "tensor_scale": "--tensor-scale",
    "bias": "--bias",
    "activation": "--activation",
    "deterministic": "--deterministic",
}


def zero_arguments(zero: str | None) -> dict[str, Any]:
    """The arguments of `quantize` that --zero-point means."""
    if zero is None:
        return {"zero_point": None}
    if zero in ("none", "integer"):
        return {"zero_point": zero == "integer"}
    return {"zero_point": "float", "zero_rule": "add" if zero == "offset" else "subtract"}


def zero_dtype(zero: str, scale_dtype: str) -> str:
    """The dtype that `quantize` gives the zero points of a rule."""
    if zero in ("none", "integer"):
        return "u8"
    return scale_dtype if scale_dtype in FLOATS else "f16"


def add_problem_options(parser: argparse.ArgumentParser, ops: tuple[str, ...] = OPS) -> None:
    """Declares them; all default to None so that those given can be told apart."""
    group = parser.add_argument_group("the problem: y[M,N] = activation(x[M,K] * w[K,N] + bias[N])")
    group.add_argument("--op", choices=ops, help="what to compute")
    group.add_argument(
        "-m", type=extent, metavar="M", help="rows of x (default 16); kernels take any number"
    )
    group.add_argument("-n", type=extent, metavar="N", help="columns of y")
    group.add_argument("-k", type=extent, metavar="K", help="columns of x")
    group.add_argument(
        "--format",
        metavar="FORMAT",
        help="of the weights: u1..u8, i1..i8, f4e2m1, e4m3, lut4, nf4, ternary, nested8.4, ... "
        "(default u4)",
    )
    group.add_argument(
        "--group",
        metavar="GROUP",
        help=GROUP_HELP,
    )
    group.add_argument("--dtype", choices=X_DTYPES, help="of x (default f16)")
    group.add_argument(
        "--out-dtype",
        choices=tuple(RESULTS),
        help="of y (default: that of x, f16 where x has 8 bits)",
    )
    group.add_argument(
        "--scale-dtype",
        choices=tuple(SCALE_FORMATS),
        help="of the scales (default: that of x, f16 where x has 8 bits)",
    )
    group.add_argument(
        "--zero-point",
        choices=ZERO_POINTS,
        help=ZERO_POINT_HELP,
    )
    group.add_argument(
        "--tensor-scale",
        action="store_true",
        default=None,
        help="multiply all weights by one f32 number",
    )
    group.add_argument(
        "--bias", choices=("f16", "bf16", "f32"), help="add a bias of this dtype (default: none)"
    )
    group.add_argument(
        "--activation", choices=ACTIVATIONS, help="applied to the sum (default none)"
    )
    group.add_argument(
        "--deterministic",
        action="store_true",
        default=None,
        help="equal bits of a row of y whatever the schedule and the other rows",
    )


def given_options(arguments: argparse.Namespace) -> list[str]:
    """Which of the options above, -m excepted, were given."""
    return [text for name, text in _OPTIONS.items() if getattr(arguments, name) is not None]


@dataclasses.dataclass(frozen=True)
class QuantMatmul:
    """A quantised matrix product with M rows."""

    m: int
    n: int
    k: int
    format: str
    group: str
    dtype: str
    out_dtype: str
    scale_dtype: str
    zero: str
    #: Dtype of the zero points; "u8" for integers and none.
    zero_dtype: str
    has_tensor_scale: bool
    bias: str | None
    activation: str
    deterministic: bool = False
    #: The preset that weights are rounded to; empty: to the format.
    preset: str = ""

    @property
    def outputs(self) -> int:
        """Columns of y."""
        return self.n // 2 if self.activation == "swiglu" else self.n

    @classmethod
    def from_options(cls, arguments: argparse.Namespace) -> QuantMatmul:
        """What the options say; BadInput when N or K is not among them."""
        missing = [f"-{name}" for name in ("n", "k") if getattr(arguments, name) is None]
        if missing:
            raise BadInput(
                f"expects {' and '.join(missing)} for the problem",
                "for example: --op quant_matmul --format u4 -m 16 -n 1024 -k 1024",
            )
        name = arguments.format or "u4"
        with as_bad_input("for example --format u4"):
            format = parse_weight_format(PRESETS.get(name, name))
        dtype = arguments.dtype or "f16"
        standard = dtype if dtype in FLOATS else "f16"
        zero = arguments.zero_point or ("none" if format.signed else "integer")
        return cls(
            m=arguments.m or 16,
            n=arguments.n,
            k=arguments.k,
            format=format.name,
            group=arguments.group or "128",
            dtype=dtype,
            out_dtype=arguments.out_dtype or standard,
            scale_dtype=arguments.scale_dtype or standard,
            zero=zero,
            zero_dtype=zero_dtype(zero, arguments.scale_dtype or standard),
            has_tensor_scale=bool(arguments.tensor_scale),
            bias=arguments.bias,
            activation=arguments.activation or "none",
            deterministic=bool(arguments.deterministic),
            preset=name if name in PRESETS else "",
        )

    @classmethod
    def from_artifact(cls, artifact: Artifact, m: int | None) -> QuantMatmul:
        """What an artifact computes."""
        path = artifact.path
        problem = artifact.metadata.get("problem", {})
        if problem.get("op") not in OPS:
            raise BadInput(
                f"{path} computes {problem.get('op') or 'a program of its own'!r}; "
                f"tw run knows inputs and a reference for {', '.join(OPS)} only",
                "launch it from a program of your own",
            )
        try:
            return cls._from_problem(problem, m)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(
                f"{path}:1: the problem is damaged: {error!r}", "compile it again"
            ) from None

    @classmethod
    def _from_problem(cls, problem: dict[str, Any], m: int | None) -> QuantMatmul:
        extents = {dim["name"]: dim.get("extent") for dim in problem["dimensions"]}
        dtypes = {operand["name"]: operand["dtype"] for operand in problem["operands"]}
        attributes = problem["attributes"]
        for name in {"x", "y", "bias"} & set(dtypes):
            known = {"x": set(X_DTYPES), "y": set(RESULTS)}.get(name, set(FLOATS))
            if dtypes[name] not in known:
                raise ValueError(f"{name} is {dtypes[name]}")
        if dtypes["scales"] not in SCALE_FORMATS:
            raise ValueError(f"scales is {dtypes['scales']}")
        Granularity.parse(attributes["group"])
        rows = extents["M"]
        if rows is not None and m is not None and m != rows:
            raise BadInput(
                f"-m is {m}, but the kernel was compiled for {rows} rows only", "leave -m out"
            )
        return cls(
            m=rows or m or 16,
            n=int(extents["N"]),
            k=int(extents["K"]),
            format=attributes["format"],
            group=attributes["group"],
            dtype=dtypes["x"],
            out_dtype=dtypes["y"],
            scale_dtype=dtypes["scales"],
            zero=attributes.get("zero", "none"),
            zero_dtype=dtypes.get("zeros", "u8"),
            has_tensor_scale="tensor_scale" in dtypes,
            bias=dtypes.get("bias"),
            activation=attributes.get("activation", "none"),
            deterministic=attributes.get("deterministic") == "true",
        )

    def problem(self) -> str:
        """The problem as the compiler takes it, JSON."""
        with as_bad_input("'tw compile --help' lists what can be asked for"):
            return native().quant_matmul_problem(
                m=self.m,
                n=self.n,
                k=self.k,
                format=self.format,
                group=self.group,
                scale=self.scale_dtype,
                zero=self.zero,
                zeros=self.zero_dtype,
                tensor_scale=self.has_tensor_scale,
                x=self.dtype,
                y=self.out_dtype,
                bias=self.bias,
                activation=self.activation,
                deterministic=self.deterministic,
            )

    def __str__(self) -> str:
        parts = [
            f"y[{self.m},{self.outputs}] {self.out_dtype} = x[{self.m},{self.k}] {self.dtype}"
            f" * w[{self.k},{self.n}] {self.preset or self.format}",
            {"channel": "one group", "tensor": "one scale"}.get(
                self.group, f"groups of {self.group}"
            ),
            f"{self.scale_dtype} scales",
        ]
        if self.has_tensor_scale:
            parts.append("tensor scale")
        if self.zero != "none":
            kind = "" if self.zero == "integer" else f"{self.zero} "
            parts.append(f"{kind}zero points")
        if self.bias:
            parts.append(f"bias {self.bias}")
        if self.activation != "none":
            parts.append(self.activation)
        if self.deterministic:
            parts.append("deterministic")
        return ", ".join(parts)


def compile_for(problem: QuantMatmul, model: dict[str, Any], schedule: str | None) -> Artifact:
    """Compiles for a device's model; silicon that no row describes counts as its target."""
    listed = any(row["name"] == model["name"] for row in native().gpu_models())
    return compile_problem(problem, model["name"] if listed else model["target"], schedule)


class Problem(Protocol):
    """What can be compiled for `m` rows."""

    @property
    def m(self) -> int: ...  # noqa: D102

    def problem(self) -> str: ...  # noqa: D102


def compile_problem(
    problem: Problem, model: str, schedule: str | None, *, phases: bool = False
) -> Artifact:
    """Compiles for a GPU model: the request is checked first, so a failure is ours."""
    text = problem.problem()
    with as_bad_input(SCHEDULE_HINT if schedule else NO_SCHEDULE_HINT):
        native().choose_schedule(text, model, schedule, problem.m)
    with as_failure("this is a defect of tilewright"):
        return Artifact.compiled(native().compile_problem(text, model, schedule, problem.m, phases))
