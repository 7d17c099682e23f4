"""The devices of this process: GPUs, and emulated ones that run the same PTX."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from ._extension import runtime


@dataclasses.dataclass(frozen=True)
class Device:
    """Where kernels run: "cuda:0", or "emulated:a100" on the CPU.

    An emulated device executes the PTX a GPU would, bit for bit in arithmetic and under
    checkers, thousands of times slower. Its counters are exact.
    """

    name: str
    #: The GPU model it is or imitates: "a100".
    model: str
    #: What code is compiled for: "sm_80".
    target: str
    #: Streaming multiprocessors.
    sm_count: int
    #: Bytes of device memory.
    memory_bytes: int

    @property
    def is_emulated(self) -> bool:
        """Whether there is no such GPU here."""
        return self.name.startswith("emulated:")

    def __str__(self) -> str:
        return self.name


def device(name: str | Device | None = None) -> Device:
    """The device called `name`.

    Args:
        name: "cuda", "cuda:1", "emulated:h200"; None for the default: the first GPU, or
            "emulated:a100" on a machine without.

    Raises:
        DeviceError: there is no such device; the message says why or names the nearest.
    """
    if isinstance(name, Device):
        return name
    return _describe(runtime().default_device() if name is None else name)


def devices() -> list[Device]:
    """Every GPU of this machine, then every model that can be emulated."""
    return [_describe(name) for name in runtime().device_names()]


def device_problems() -> list[str]:
    """Why there is no GPU, or why one is not used; a sentence each."""
    return runtime().device_problems()


@functools.cache
def _describe(name: str) -> Device:
    facts: dict[str, Any] = runtime().describe_device(name)
    return Device(**facts)
