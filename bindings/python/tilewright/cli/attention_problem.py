"""Attention on the command line: problems of `tw compile --op attention` from options."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

import numpy as np

from ..attention import attention, attention_varlen
from ..kernels import problem_of
from ..merge_attention import MOST_PARTS, merge_attention
from .failures import BadInput, as_bad_input
from .options import extent

ATTENTION_OPS = ("attention", "merge_attention")
_EXAMPLE = "for example: tw compile --op attention --heads 32/8 --head-size 128 --causal -m 4096"
#: Options of the ops, by their names in the parsed arguments.
_OF_ATTENTION = {
    "causal": "--causal",
    "window": "--window",
    "softcap": "--softcap",
    "scale": "--scale",
    "alibi": "--alibi",
    "sinks": "--sinks",
    "lse": "--lse",
    "varlen": "--varlen",
}
_OF_MERGE = {"parts": "--parts"}
_OF_BOTH = {"heads": "--heads", "head_size": "--head-size", "layout": "--layout"}


def add_attention_options(parser: argparse.ArgumentParser) -> None:
    """Declares them; all default to None so that those given can be told apart."""
    group = parser.add_argument_group(
        "attention: o = softmax(q k^T) v, M the rows of q; merge_attention: parts put together"
    )
    group.add_argument("--heads", metavar="HQ[/HKV]", help="heads of q, and of k and v: 32/8")
    group.add_argument(
        "--head-size", metavar="D[/DV]", help="sizes of heads of q and k, and of v: 128, 192/128"
    )
    group.add_argument("--causal", action="store_true", default=None, help="hide later keys")
    group.add_argument("--window", metavar="LEFT,RIGHT", help="keys that rows see; -1: no limit")
    group.add_argument("--softcap", type=float, metavar="X", help="X tanh(score / X)")
    group.add_argument("--scale", type=float, metavar="X", help="of the scores (default D^-0.5)")
    for name, meaning in (
        ("alibi", "take slopes times distances off scores"),
        ("sinks", "a logit in each head's denominator"),
        ("lse", "write the logarithms of the sums, too"),
        ("varlen", "sequences behind each other"),
    ):
        group.add_argument(f"--{name}", action="store_true", default=None, help=meaning)
    group.add_argument("--layout", choices=("bshd", "bhsd"), help="of memory (default bshd)")
    group.add_argument("--parts", type=extent, metavar="N", help="to merge (default 2)")


def given_attention_options(arguments: argparse.Namespace, op: str | None = None) -> list[str]:
    """Which of the options above were given; those that `op` does not have, with `op`."""
    mine = {
        None: {},
        "attention": _OF_ATTENTION | _OF_BOTH,
        "merge_attention": _OF_MERGE | _OF_BOTH,
    }.get(op, {})
    options = _OF_ATTENTION | _OF_MERGE | _OF_BOTH
    return [
        text
        for name, text in options.items()
        if name not in mine and getattr(arguments, name) is not None
    ]


@dataclasses.dataclass(frozen=True)
class AttentionProblem:
    """A problem of attention for `m` rows of q."""

    m: int
    text: str

    @classmethod
    def from_options(cls, arguments: argparse.Namespace) -> AttentionProblem:
        """What the options say; BadInput where they say too little or what no kernel does."""
        if arguments.heads is None or arguments.head_size is None:
            missing = " and ".join(
                text
                for name, text in (("heads", "--heads"), ("head_size", "--head-size"))
                if getattr(arguments, name) is None
            )
            raise BadInput(f"expects {missing} for {arguments.op}", _EXAMPLE)
        heads, sizes = _pair(arguments.heads, "--heads"), _pair(arguments.head_size, "--head-size")
        rows = arguments.m or 16
        describe = _describe_merge if arguments.op == "merge_attention" else _describe_attention
        with as_bad_input("'tw compile --help' lists what can be asked for"):
            return cls(rows, describe(arguments, rows, heads, sizes))

    def problem(self) -> str:
        """The problem as the compiler takes it, JSON."""
        return self.text


def _describe_attention(
    arguments: argparse.Namespace, rows: int, heads: tuple[int, int], sizes: tuple[int, int]
) -> str:
    dtype, layout = arguments.dtype or "f16", arguments.layout or "bshd"
    shapes = ((heads[0], sizes[0]), (heads[1], sizes[0]), (heads[1], sizes[1]))
    options: dict[str, Any] = {
        "causal": bool(arguments.causal),
        "scale": arguments.scale,
        "softcap": arguments.softcap or 0.0,
        "return_lse": bool(arguments.lse),
    }
    if arguments.window is not None:
        options["window"] = _window(arguments.window)
    if arguments.alibi:
        options["alibi_slopes"] = np.zeros(heads[0], np.float32)
    if arguments.sinks:
        options["sinks"] = np.zeros(heads[0], np.float32)
    if arguments.varlen:
        starts = np.array([0, rows], np.int32)
        arrays = [f"{dtype}[{rows}, {count}, {size}]" for count, size in shapes]
        return problem_of(attention_varlen, (*arrays, starts, starts), options)[0]
    middle = "{1}, {0}" if layout == "bhsd" else "{0}, {1}"
    arrays = [f"{dtype}[1, {middle.format(rows, count)}, {size}]" for count, size in shapes]
    return problem_of(attention, tuple(arrays), options | {"layout": layout})[0]


def _describe_merge(
    arguments: argparse.Namespace, rows: int, heads: tuple[int, int], sizes: tuple[int, int]
) -> str:
    dtype, layout = arguments.dtype or "f16", arguments.layout or "bshd"
    parts = arguments.parts or 2
    if parts > MOST_PARTS:
        raise BadInput(f"--parts is {parts}; a launch reads at most {MOST_PARTS}", "merge in turns")
    middle = f"{heads[0]}, {rows}" if layout == "bhsd" else f"{rows}, {heads[0]}"
    out, lse = f"{dtype}[1, {middle}, {sizes[1]}]", f"f32[1, {heads[0]}, {rows}]"
    options = {"out_dtype": arguments.out_dtype, "layout": layout}
    return problem_of(merge_attention, ([out] * parts, [lse] * parts), options)[0]


def _pair(text: str, option: str) -> tuple[int, int]:
    """(32, 8) of "32/8", (32, 32) of "32"."""
    try:
        first, _, second = text.partition("/")
        return extent(first), extent(second or first)
    except argparse.ArgumentTypeError as error:
        raise BadInput(f"{option} is {text}: {error}", _EXAMPLE) from None


def _window(text: str) -> tuple[int, int]:
    try:
        left, right = (int(side) for side in text.split(","))
    except ValueError:
        raise BadInput(
            f"--window is {text}; expects LEFT,RIGHT", "for example --window=128,0"
        ) from None
    return left, right
