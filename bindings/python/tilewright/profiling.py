"""Records what ran: kernels, how long they took to compile and run, counters.

Counters of the emulated device, each left out where it is 0:

    issues                    warp instructions
    matrixOperations          mma instructions
    globalLoadBytes, asyncBytes, globalStoreBytes, sharedLoadBytes, sharedStoreBytes,
    localBytes                bytes that threads asked for, by where they are
    globalSectors, globalSectorsNeeded
                              32-byte sectors moved, and the least that would do
    sharedWavefronts, sharedIdealWavefronts
                              turns that shared memory took; more than ideal: bank conflicts
    barrierWaits              warps that had to wait at a barrier
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import ArgumentError


@dataclasses.dataclass(frozen=True)
class Launch:
    """One kernel that ran."""

    kernel: str
    #: What was computed, as text: op, shapes, dtypes.
    problem: str
    device: str
    #: Wall time of compiling it; 0 when it was there already.
    compile_seconds: float
    #: Wall time of the call, copies to and from the device included.
    seconds: float
    #: What the emulated device counted, by name (below); empty on a GPU.
    counters: dict[str, int]
    #: With `profile(report=True)`: the emulated device's whole report, counters of each
    #: PTX instruction included; None otherwise and on a GPU.
    report: dict[str, Any] | None = None
    #: The PTX that `report` is about, where it was loaded by `Module`; else empty.
    ptx: str = ""


@dataclasses.dataclass
class Profile:
    """The launches within a `profile()` block, in order."""

    launches: list[Launch] = dataclasses.field(default_factory=list)
    #: Whether launches keep the emulated device's whole report.
    report: bool = False

    def total(self, counter: str) -> int:
        """The sum of a counter over all launches."""
        return sum(launch.counters.get(counter, 0) for launch in self.launches)

    @property
    def compiled(self) -> list[Launch]:
        """Those that compiled their kernel first."""
        return [launch for launch in self.launches if launch.compile_seconds > 0]

    @property
    def compile_seconds(self) -> float:
        """Wall time of all compilations."""
        return sum(launch.compile_seconds for launch in self.launches)

    @property
    def seconds(self) -> float:
        """Wall time of all calls, without compilation."""
        return sum(launch.seconds for launch in self.launches)

    def write_html(self, path: str | os.PathLike[str], title: str = "profile") -> None:
        """Writes a page that shows the launches: counters beside source and PTX, and the
        costliest accesses where `EmulatorOptions.keep_worst_access` kept them.

        Args:
            path: of the file; it needs no other and no network.
            title: of the page.

        Raises:
            ArgumentError: no launch has a report: `profile(report=True)` keeps them.
        """
        from .profile_page import ProfiledLaunch, render_page
        from .reports import read_report

        launches = [
            ProfiledLaunch(
                read_report(launch.report, launch.device, launch.seconds),
                launch.ptx,
                f"{launch.kernel}.ptx",
                launch.problem,
            )
            for launch in self.launches
            if launch.report is not None
        ]
        if not launches:
            raise ArgumentError("no launch has a report; profile(report=True) keeps them")
        Path(path).write_text(render_page(title, launches), encoding="utf-8")


_active: contextvars.ContextVar[tuple[Profile, ...]] = contextvars.ContextVar(
    "tilewright_profiles", default=()
)


@contextlib.contextmanager
def profile(*, report: bool = False) -> Iterator[Profile]:
    """Collects the launches of this thread or task while the block runs.

    with tw.profile() as profile:
        y = tw.linear(x, qw)
    print(profile.total("matrixOperations"))

    Args:
        report: keep the emulated device's whole report of each launch.
    """
    record = Profile(report=report)
    token = _active.set((*_active.get(), record))
    try:
        yield record
    finally:
        _active.reset(token)


def detail() -> int:
    """What launches here are to bring: 0 nothing, 1 counters, 2 reports."""
    active = _active.get()
    return 1 + any(record.report for record in active) if active else 0


def note(launch: Launch) -> None:
    """Adds a launch to every profile that is collecting."""
    for record in _active.get():
        record.launches.append(launch)


def note_facts(facts: dict[str, Any] | None, device: str) -> None:
    """The same from what the extension's calls return; nothing where they return nothing."""
    if facts:
        report = facts.pop("report")
        note(Launch(device=device, report=report and json.loads(report), **facts))
