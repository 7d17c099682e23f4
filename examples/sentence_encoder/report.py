"""What the demo prints."""

from __future__ import annotations

import sys

import numpy as np
import tilewright as tw
from model import Model
from numpy.typing import NDArray
from widths import NOISE_ALLOWED, Step, WidthResult


class Progress:
    """A line that counts up on a terminal; one finished line elsewhere."""

    def __init__(self, label: str, total: int):
        self.label, self.total, self.done = label, total, 0

    def step(self) -> None:
        """One more is done."""
        self.done += 1
        if sys.stdout.isatty():
            print(f"\r{self.label}: step {self.done} of {self.total}", end="", flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        end = "\r" if sys.stdout.isatty() else ""
        if kind is None:
            print(f"{end}{self.label}: {self.done} launches within the error bound", flush=True)
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
    print(f"Weights  one scale for {group_size}, integers with a zero point; float16 activations")
    heads, size = model.sizes.heads, model.sizes.hidden // model.sizes.heads
    print(f"Heads    {heads} of {size}; float16 attention over sentences behind each other")
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
        ["", "cosine to", "float32:", "", "cosine to", "error/", "weights", "of", "kernels"],
        ["", "mean", "noise", "least", "same w.", "bound", "MB", "f16", "(ms each)"],
    ]
    rows = []
    for r in results:
        compiled = len(r.profile.compiled)
        each = 1e3 * r.profile.compile_seconds / max(compiled, 1)
        rows.append(
            [
                r.format,
                f"{r.cosines.mean():.5f}",
                f"{r.noise:.5f}",
                f"{r.cosines.min():.5f}",
                f"{r.agreement:.6f}",
                f"{r.worst:.2f}",
                f"{r.nbytes / 1e6:.2f}",
                f"{r.nbytes / (2 * weights):.0%}",
                f"{compiled} ({each:.0f})",
            ]
        )
    print("\nAccuracy and cost")
    _print_aligned([*header, *rows], rule_after=2)
    print(
        "  cosine: of sentence embeddings; noise: the standard error of their mean;\n"
        "  'same w.': the least cosine to NumPy on the same quantised weights;\n"
        "  error/bound: the largest over all kernels; at most 1"
    )


def print_counters(results: list[WidthResult]) -> None:
    """What the emulated device counted; nothing on a GPU."""
    if not any(r.profile.launches and r.profile.launches[0].counters for r in results):
        return
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


def print_order(steps: list[Step]) -> None:
    """Whether wider is nearer, and by how much more than noise."""
    if not steps:
        return
    chains: list[list[str]] = []
    for step in steps:
        if chains and chains[-1][-1] == step.narrow:
            chains[-1].append(step.wide)
        else:
            chains.append([step.narrow, step.wide])
    print("  wider is nearer: " + ", ".join(" < ".join(chain) for chain in chains))
    least = min(steps, key=lambda step: step.clearness)
    print(
        f"  least clear: {least.wide} gains {least.gain:.2g} on {least.narrow}, "
        f"{least.clearness:.1f} times the noise (a loss of up to {NOISE_ALLOWED:g} would pass)"
    )


def print_similarities(
    sentences: list[str], reference: NDArray, results: list[WidthResult]
) -> None:
    """The cosine of each two sentences that belong together, by each width."""
    pairs = [(i, i + 1) for i in range(0, len(sentences) - 1, 2)]
    print("\nHow alike sentences are")
    for i, sentence in enumerate(sentences):
        print(f"  {i + 1:2}. {sentence}")
    header = [
        ["", "cosine of", *[""] * (len(pairs) - 1), "nearest", "ranking"],
        ["", *(f"{i + 1} to {j + 1}" for i, j in pairs), "kept", "kept"],
    ]
    rows = []
    for label, table in [("float32", reference), *((r.format, r.embeddings) for r in results)]:
        cosines = [f"{table[i] @ table[j]:.3f}" for i, j in pairs]
        kept = int(np.sum(_nearest(table) == _nearest(reference)))
        ranking = f"{_same_ranking(reference, table):.1%}"
        rows.append([label, *cosines, f"{kept} of {len(sentences)}", ranking])
    _print_aligned([*header, *rows], rule_after=2)
    print(
        "  nearest: sentences that find the same nearest other sentence as in float32;\n"
        "  ranking: of any two pairs of sentences, how often the same pair is more alike"
    )


def _nearest(table: NDArray) -> NDArray[np.intp]:
    """The nearest other sentence of each."""
    similarity = table @ table.T
    np.fill_diagonal(similarity, -2)
    return similarity.argmax(axis=1)


def _same_ranking(reference: NDArray, table: NDArray) -> float:
    """The part of pairs of pairs that `table` orders as `reference` does."""
    above = np.triu_indices(len(reference), 1)
    expected, actual = ((t @ t.T)[above] for t in (reference, table))
    pairs = np.triu_indices(len(expected), 1)

    def order(values: NDArray) -> NDArray:
        return np.sign(values[:, None] - values)[pairs]

    return float(np.mean(order(expected) == order(actual)))


def _print_aligned(rows: list[list[str]], rule_after: int) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        if number == rule_after:
            print("  " + "  ".join("-" * width for width in widths))
        print("  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)))
