"""How an emulated device behaves: what it checks, in which order things happen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Literal, get_args

from .errors import ArgumentError
from .suggest import nearest

Landing = Literal["late", "eager", "random"]

#: The checkers that can be turned off. Bounds are always checked.
CHECKS = ("alignment", "async", "initialisation", "races")


@dataclasses.dataclass(frozen=True)
class EmulatorOptions:
    """Options of an emulated device; every launch obeys them.

    Results and reports are the same for the same options, arguments and PTX.

    Raises:
        ArgumentError: a value that is none of those below.
    """

    #: When a cp.async copy lands: "late" at the wait that covers it, "eager" at issue,
    #: "random" at any legal moment by `landing_seed`.
    landing: Landing = "late"
    landing_seed: int = 1
    #: 0: warps take turns by index. Otherwise each round is shuffled by this seed.
    warp_order_seed: int = 0
    #: Not 0: warps give up their turn at memory accesses picked by this seed.
    preemption_seed: int = 0
    #: The checkers that run, of "alignment" (addresses are multiples of the width), "async"
    #: (bytes of copies in flight), "initialisation" (use of bytes nobody wrote) and "races"
    #: (in shared and global memory).
    checks: Iterable[str] = frozenset(CHECKS)
    #: Report as a race what follows an atomic that saw a flag, unless a fence is between them,
    #: also where a barrier follows the atomic.
    strict_acquire: bool = False
    #: Report as a race what lanes that run in step exchange by volatile accesses to shared
    #: memory without a warp barrier.
    strict_warps: bool = False
    #: Whether wavefronts and sectors are counted.
    count_accesses: bool = True
    #: Whether reports have the addresses of each instruction's dearest access.
    keep_worst_access: bool = False
    #: Warp instructions a launch may execute.
    instruction_budget: int = 1 << 40
    #: Seconds a launch may take.
    time_budget: float = 600.0
    #: Turns of a loop before other warps run.
    back_edge_budget: int = 4096
    #: Findings that are kept of a launch.
    max_findings: int = 16
    #: Bytes that are kept of what printf writes.
    output_bytes: int = 1 << 20
    #: Accesses that the race checker remembers at a time; beyond, races are no longer
    #: checked, which `Report.notes` says.
    race_record_limit: int = 1 << 24
    #: Blocks that may be resident at a time; 0: as many as the device model holds.
    max_resident_blocks: int = 0
    #: Host threads that blocks may be spread over; 0: all cores. Kernels whose blocks meet
    #: in global memory run on one. What a launch leaves behind does not depend on it.
    threads: int = 0
    #: Bytes of device memory, at most what the model has.
    memory_limit: int = 16 << 30
    #: Bytes of the host for registers, local and shared memory of the blocks that are
    #: resident at a time.
    launch_memory_limit: int = 4 << 30
    #: Bytes of local memory that a thread may use, its stack included; at most 1 GiB.
    local_bytes_per_thread: int = 512 * 1024
    #: Calls that may be nested.
    call_depth: int = 256

    def __post_init__(self) -> None:
        if self.landing not in get_args(Landing):
            raise ArgumentError(f"landing is {self.landing!r}; " + nearest(self.landing, Landing))
        if isinstance(self.checks, str) or not isinstance(self.checks, Iterable):
            raise ArgumentError(f"checks is {self.checks!r}; expects a set of names")
        for name in self.checks:
            if name not in CHECKS:
                raise ArgumentError(f"checks holds {name!r}; " + nearest(name, CHECKS))
        object.__setattr__(self, "checks", frozenset(self.checks))
        for name in ("strict_acquire", "strict_warps", "count_accesses", "keep_worst_access"):
            if not isinstance(getattr(self, name), bool):
                raise ArgumentError(f"{name} is {getattr(self, name)!r}; expects True or False")
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            wanted = (int, float) if name == "time_budget" else int
            is_number = isinstance(value, wanted) and not isinstance(value, bool)
            if not is_number or not least <= value <= most:
                raise ArgumentError(f"{name} is {value!r}; expects {least} to {most}")

    def without(self, *checks: str) -> EmulatorOptions:
        """The same with some checkers turned off."""
        for name in checks:
            if name not in CHECKS:
                raise ArgumentError(f"no checker is called {name!r}; " + nearest(name, CHECKS))
        return dataclasses.replace(self, checks=frozenset(self.checks) - set(checks))

    def to_native(self) -> dict[str, Any]:
        """As the compiled half takes them: a flag a checker."""
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "checks"
        }
        return values | {name: name in self.checks for name in CHECKS}


_SEED = (0, (1 << 64) - 1)
_COUNT32 = (1, (1 << 32) - 1)
_RANGES: dict[str, tuple[float, float]] = {
    "landing_seed": _SEED,
    "warp_order_seed": _SEED,
    "preemption_seed": _SEED,
    "instruction_budget": (1, (1 << 64) - 1),
    "time_budget": (0, 1e9),
    "back_edge_budget": _COUNT32,
    "max_findings": _COUNT32,
    "output_bytes": (0, (1 << 32) - 1),
    "race_record_limit": (1, (1 << 64) - 1),
    "max_resident_blocks": (0, (1 << 32) - 1),
    "threads": (0, 1024),
    "memory_limit": (0, (1 << 63) - 1),
    "launch_memory_limit": (0, (1 << 63) - 1),
    "local_bytes_per_thread": (0, 1 << 30),
    "call_depth": _COUNT32,
}
