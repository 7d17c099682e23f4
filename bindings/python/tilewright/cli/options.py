"""Options that several commands share, and a parser whose errors are one line."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from .failures import BadInput


class Parser(argparse.ArgumentParser):
    """Raises BadInput instead of printing the usage and leaving."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("allow_abbrev", False)
        super().__init__(**settings)

    def error(self, message: str) -> NoReturn:
        """Called by argparse for everything it cannot read."""
        raise BadInput(message, f"'{self.prog} --help' lists the options", "UsageError")


def extent(text: str) -> int:
    """An extent of a matrix: a positive integer below 2^31."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expects a positive integer, but got '{text}'") from None
    if not 0 < value < 1 << 31:
        raise argparse.ArgumentTypeError(f"expects an integer from 1 to 2^31-1, but got {value}")
    return value


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def add_schedule(parser: argparse.ArgumentParser) -> None:
    """`--schedule`."""
    parser.add_argument(
        "--schedule",
        metavar="TEXT",
        help="tuning parameters, as 'tw compile' prints them: 'quant_matmul{split_k=1, ...}' "
        "(default: chosen for the GPU)",
    )
