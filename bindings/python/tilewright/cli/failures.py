"""What the command line raises, and how errors become a line and an exit status."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..errors import CheckError, DeviceError, Error

OK, FAILED, BAD_INPUT = 0, 1, 2


class Failure(Error):
    """What was asked about was tried and failed: status 1."""

    status = FAILED

    def __init__(self, message: str, hint: str = "", kind: str = "Failure") -> None:
        super().__init__(message)
        self.hint, self.kind = hint, kind


class BadInput(Failure):
    """The request cannot be carried out as given: status 2."""

    status = BAD_INPUT

    def __init__(self, message: str, hint: str = "", kind: str = "BadInput") -> None:
        super().__init__(message, hint, kind)


@contextlib.contextmanager
def as_bad_input(hint: str) -> Iterator[None]:
    """Errors within are the caller's to mend, and `hint` says how."""
    try:
        yield
    except Failure:
        raise
    except Error as error:
        raise BadInput(str(error), hint, type(error).__name__) from error


@contextlib.contextmanager
def as_failure(hint: str) -> Iterator[None]:
    """Errors within are no fault of the request."""
    try:
        yield
    except Failure:
        raise
    except Error as error:
        raise Failure(str(error), hint, type(error).__name__) from error


#: What to do about errors that nobody put a hint on, by kind.
_HINTS = {
    "CheckError": "a checker of the emulated device found a defect in the kernel",
    "DeviceError": "'tw doctor' says what works here",
}


def describe(error: Error) -> tuple[str, str, str]:
    """Kind, message and hint, each on one line."""
    kind = getattr(error, "kind", type(error).__name__)
    lines = [line.strip() for line in str(error).splitlines()]
    hint = getattr(error, "hint", "") or _HINTS.get(kind, "'tw --help' lists the commands")
    return kind, "; ".join(line for line in lines if line), hint


def exit_status(error: Error) -> int:
    """2 where the caller can mend it by asking differently, else 1."""
    if isinstance(error, Failure):
        return error.status
    return FAILED if isinstance(error, (CheckError, DeviceError)) else BAD_INPUT
