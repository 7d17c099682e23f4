"""What Tilewright raises: one class for each thing a caller can do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .reports import Report


class Error(Exception):
    """Base of everything Tilewright raises on purpose."""


class ArgumentError(Error, ValueError):
    """An argument's value cannot be used. Change the argument."""


class ShapeError(ArgumentError):
    """Shapes, strides or dtypes of the arguments do not fit each other."""


class UnsupportedError(ArgumentError):
    """The request makes sense, but this version has no kernel for it.

    The message names the nearest request that is supported.
    """


class ResourceError(Error):
    """The device lacks memory, registers or threads for the request."""


class CompileError(Error):
    """A kernel could not be compiled; the message holds the diagnostics."""


class CheckError(Error):
    """A checker of the emulated device found a defect in a kernel.

    Attributes:
        report: the launch, with all findings; None where only the message is known.
    """

    def __init__(self, message: str, report: Report | None = None) -> None:
        super().__init__(message)
        self.report = report


class DeviceError(Error):
    """A device is not there, or it failed while running."""
