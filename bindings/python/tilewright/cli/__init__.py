"""The command line: `tw COMMAND`, also `python -m tilewright`.

One file a command, each with `add_parser`, which declares its options, and a function
that does the work and returns the exit status. Nothing prints an error itself: it
raises, and `main` turns that into one line on stderr and a status.

Exit status: 0 it worked, 1 what was asked about failed (a result outside its bound, a
fault of a device, a finding of a checker, a needed thing that is missing), 2 the request
cannot be carried out as given, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from .._extension import native
from ..errors import Error
from . import check, compile, devices, doctor, pack, profile, run
from .failures import BadInput, describe, exit_status
from .options import Parser
from .output import print_json

_COMMANDS = (compile, run, check, profile, pack, devices, doctor)


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = Parser(
        prog="tw",
        description="Compiles tile programs to PTX and runs them on a GPU or an emulated one.",
        epilog="Exit status: 0 it worked; 1 what was asked about failed; 2 bad input.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line; returns its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    wants_json = "--json" in arguments
    try:
        parsed = make_parser().parse_args(arguments)
        if parsed.version:
            print(f"tw {native().VERSION}")
            return 0
        if parsed.command is None:
            make_parser().print_help()
            return 0
        status = parsed.function(parsed)
        sys.stdout.flush()
        return status
    except SystemExit as stop:  # --help
        return int(stop.code or 0)
    except BrokenPipeError:
        # The reader of our output went away; that is no failure of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError as error:
        text = str(error) or "not enough memory"
        return _report(BadInput(text, "smaller extents need less"), wants_json)
    except Error as error:
        return _report(error, wants_json)


def _report(error: Error, wants_json: bool) -> int:
    """One line on stderr; with --json also an object on stdout. Returns the status."""
    kind, message, hint = describe(error)
    status = exit_status(error)
    if wants_json:
        print_json({"error": {"kind": kind, "message": message, "hint": hint, "status": status}})
    show = getattr(error, "show", None)  # what is said in more than a line
    if show is not None and not wants_json:
        message = show()
    print(f"tw: error: {message} (hint: {hint})", file=sys.stderr)
    return status


def run_and_exit() -> NoReturn:
    """The script `tw`."""
    try:
        status = main()
    except KeyboardInterrupt:
        status = 130
    # Without unwinding: a kernel that was interrupted may still run in a thread.
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
