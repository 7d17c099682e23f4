"""The one error of this package."""


class AssemblerError(Exception):
    """A tool failed, or its output is not what it should be; the message says which."""
