"""What the demo prints."""

from __future__ import annotations

import dataclasses
import itertools
import sys

import numpy as np
import tilewright as tw
from model import Model
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class WidthResult:
    """One width's run."""

    format: str
    embeddings: NDArray[np.float32]
    #: Of each sentence's embedding to the float32 model's.
    cosines: NDArray[np.float32]
    #: The least cosine to NumPy on the same quantised weights.
    agreement: float
    #: The largest ratio of a kernel's error to its bound.
    worst: float
    nbytes: int
    profile: tw.Profile


class Progress:
    """A line that counts up on a terminal; one finished line elsewhere."""

    def __init__(self, label: str, total: int):
        self.label, self.total, self.done = label, total, 0

    def step(self) -> None:
        """One more is done."""
        self.done += 1
        if sys.stdout.isatty():
            print(f"\r{self.label}: layer {self.done} of {self.total}", end="", flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        end = "\r" if sys.stdout.isatty() else ""
        if kind is None:
            print(f"{end}{self.label}: {self.done} layers within the error bound", flush=True)
        elif end:
            print()


def print_setting(
    model: Model, device: tw.Device, sentences: int, tokens: int, group_size: int
) -> None:
    """What is about to run, and on what."""
    print(f"Model    {model.source}")
    if model.is_generated:
        print("         Random weights: checks hold, but similarities mean nothing.")
    print(f"Input    {sentences} sentences, {tokens} tokens, all in one batch")
    print(f"Weights  one scale and zero point for {group_size} weights, float16 activations")
    kind = "the PTX runs on the emulated device" if device.is_emulated else "on the GPU"
    print(f"Device   {device} ({device.target}, {device.sm_count} SMs): {kind}")
    if device.is_emulated:
        for problem in tw.device_problems():
            print(f"         No GPU: {problem}")
    print("Running each width:", flush=True)


def print_table(results: list[WidthResult], layers: list[tuple[str, int, int]]) -> None:
    """One row a width, with a legend."""
    weights = sum(outputs * inputs for _, outputs, inputs in layers)
    header = [
        ["", "cosine to", "float32", "cosine to", "error/", "weights", "of", "kernels", "compile"],
        ["", "mean", "least", "same w.", "bound", "MB", "f16", "", "ms each"],
    ]
    rows = []
    for r in results:
        compiled = r.profile.compiled
        rows.append(
            [
                r.format,
                f"{r.cosines.mean():.5f}",
                f"{r.cosines.min():.5f}",
                f"{r.agreement:.6f}",
                f"{r.worst:.2f}",
                f"{r.nbytes / 1e6:.2f}",
                f"{r.nbytes / (2 * weights):.0%}",
                f"{len(compiled)}",
                f"{1e3 * r.profile.compile_seconds / max(len(compiled), 1):.0f}",
            ]
        )
    print("\nAccuracy and cost")
    _print_aligned([*header, *rows], rule_after=2)
    print(
        "  cosine: of sentence embeddings; 'same w.': to NumPy on the same quantised weights\n"
        "  error/bound: the largest over all kernels; at most 1"
    )
    if any(r.profile.launches and r.profile.launches[0].counters for r in results):
        _print_counters(results)


def _print_counters(results: list[WidthResult]) -> None:
    header = [
        ["", "warp", "tensor-core", "global", "bank", "instructions", "emulated"],
        ["", "instructions", "mma", "MB read", "conflicts", "per mma", "s"],
    ]
    rows = []
    for r in results:
        total = r.profile.total
        issues, mma = total("issues"), total("matrixOperations")
        conflicts = total("sharedWavefronts") - total("sharedIdealWavefronts")
        rows.append(
            [
                r.format,
                f"{issues:,}",
                f"{mma:,}",
                f"{(total('globalLoadBytes') + total('asyncBytes')) / 1e6:.1f}",
                f"{conflicts:,}",
                f"{issues / max(mma, 1):.1f}",
                f"{r.profile.seconds:.1f}",
            ]
        )
    print(f"\nCounters of {len(results[0].profile.launches)} launches a width")
    _print_aligned([*header, *rows], rule_after=2)


def print_similarities(
    sentences: list[str], reference: NDArray, results: list[WidthResult]
) -> None:
    """For each sentence the one most like it, by each width."""
    print("\nThe nearest other sentence, and the cosine to it")
    labels = ["float32", *(r.format for r in results)]
    tables = [reference, *(r.embeddings for r in results)]
    width = max(map(len, sentences))
    print("  " + " " * (width + 5) + "  ".join(f"{label:>9}" for label in labels))
    for i, sentence in enumerate(sentences):
        cells = []
        for table in tables:
            similarity = table @ table[i]
            similarity[i] = -2
            best = int(np.argmax(similarity))
            cells.append(f"{best + 1}: {similarity[best]:6.3f}")
        print(f"  {i + 1}. {sentence:<{width}}  " + "  ".join(f"{cell:>9}" for cell in cells))
    print("  ranking of all pairs the same as float32's: " + _describe_rankings(reference, results))


def _describe_rankings(reference: NDArray, results: list[WidthResult]) -> str:
    """How many of the pairs of pairs each width orders as float32 does."""
    pairs = list(itertools.combinations(range(len(reference)), 2))

    def similarities(table: NDArray) -> NDArray:
        return np.array([table[i] @ table[j] for i, j in pairs])

    expected = similarities(reference)
    upper = np.triu_indices(len(pairs), 1)
    order = np.sign(expected[:, None] - expected)[upper]
    texts = []
    for r in results:
        actual = similarities(r.embeddings)
        same = np.mean(np.sign(actual[:, None] - actual)[upper] == order)
        texts.append(f"{r.format} {same:.0%}")
    return ", ".join(texts)


def _print_aligned(rows: list[list[str]], rule_after: int) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        if number == rule_after:
            print("  " + "  ".join("-" * width for width in widths))
        print("  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)))
