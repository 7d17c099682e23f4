"""The emulated device against the hardware: the same kernels, the same inputs, each bit.

Results of the hardware are kept as `.npz`, one array a case, so that the emulated device
can be held to them where there is no GPU (test/python/device/test_stored_results.py).
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import tilewright as tw
from tilewright import testing

from .shapes import make_weights

_DTYPES = {"f16": np.dtype(np.float16), "bf16": np.dtype(ml_dtypes.bfloat16)}
FORMATS = ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "i4", "i8"]
FORMATS += ["f3e1m1", "f4e2m1", "f5e2m2", "f6e3m2", "f7e4m2", "e4m3", "e5m2"]
_SHAPES = [(1, 384, 96), (17, 1024, 64), (64, 127, 33)]


@dataclasses.dataclass(frozen=True)
class Case:
    """One product, results in float32; its name says all that it is made from."""

    format: str
    x: str
    m: int
    k: int
    n: int

    @property
    def name(self) -> str:
        """`u4-f16-17x1024x64`."""
        return f"{self.format}-{self.x}-{self.m}x{self.k}x{self.n}"

    @classmethod
    def parse(cls, name: str) -> Case:
        """The inverse of `name`."""
        format, x, shape = name.split("-")
        return cls(format, x, *map(int, shape.split("x")))

    def operands(self) -> tuple[np.ndarray, tw.QuantizedTensor]:
        """x and weights, the same on every machine."""
        rng = np.random.default_rng([self.m, self.k, self.n])
        x = rng.standard_normal((self.m, self.k)).astype(_DTYPES[self.x])
        return x, make_weights(self.format, self.k, self.n)


def cases(formats: list[str] = FORMATS) -> Iterator[Case]:
    """Every format with both activation dtypes and each shape."""
    for format, x, shape in itertools.product(formats, _DTYPES, _SHAPES):
        yield Case(format, x, *shape)


@dataclasses.dataclass(frozen=True)
class Difference:
    """How one case differs."""

    case: str
    #: Of all elements, those whose bits differ.
    differing: int
    elements: int
    #: The largest difference, as a part of the error bound.
    of_bound: float


def run_case(case: Case, device: str, schedule: str) -> np.ndarray:
    """The product on a device, by a pinned schedule."""
    x, weights = case.operands()
    return tw.linear(x, weights, out_dtype="f32", device=device, schedule=schedule)


def choose_schedule(case: Case, device: tw.Device) -> str:
    """The default one of a device."""
    x, weights = case.operands()
    kernel = tw.compile(
        "linear", weights, x_dtype=x.dtype, out_dtype="f32", m=case.m, target=device.model
    )
    return kernel.schedule


def difference(case: Case, hardware: np.ndarray, emulated: np.ndarray) -> Difference:
    """Counts bits that differ, and holds both to the error bound (AssertionError)."""
    x, weights = case.operands()
    ref, low, magnitude = testing.linear_reference(x, weights, out_dtype=np.float32)
    settings = {"magnitude": magnitude, "k": case.k}
    testing.assert_within_bound(hardware, ref, low, name=f"{case.name} on hardware", **settings)
    testing.assert_within_bound(emulated, ref, low, name=f"{case.name} emulated", **settings)
    bound = testing.error_bound(ref, low, np.float32, **settings)
    largest = testing.row_max(np.abs(hardware.astype(np.float64) - emulated))
    ratio = np.divide(largest, bound, out=np.zeros_like(largest), where=bound > 0)
    differing = int(np.sum(hardware.view(np.uint32) != emulated.view(np.uint32)))
    return Difference(case.name, differing, hardware.size, float(ratio.max(initial=0)))


def compare(device: tw.Device, twin: str, out: Path, formats: list[str]) -> list[Difference]:
    """Runs every case on both; writes the results of `device` to `out`.npz."""
    found, kept, schedules = [], {}, {}
    for case in cases(formats):
        schedule = choose_schedule(case, device)
        kept[case.name] = run_case(case, device.name, schedule)
        schedules[case.name] = schedule
        emulated = run_case(case, twin, schedule)
        found.append(difference(case, kept[case.name], emulated))
    out.parent.mkdir(parents=True, exist_ok=True)
    about = {"device": device.name, "model": device.model, "schedules": schedules}
    np.savez_compressed(out.with_suffix(".npz"), about=json.dumps(about), **kept)
    return found


def check_stored(path: Path) -> list[Difference]:
    """The emulated device against results that were kept."""
    with np.load(path) as stored:
        about = json.loads(str(stored["about"]))
        found = []
        for name, schedule in about["schedules"].items():
            case = Case.parse(name)
            emulated = run_case(case, f"emulated:{about['model']}", schedule)
            found.append(difference(case, stored[name], emulated))
    return found
