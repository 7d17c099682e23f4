"""Runs a real sentence encoder with quantised linear layers and attention by Tilewright.

    make demo

For each width the weights are quantised, every linear layer and the attention between
them become kernels compiled to PTX, and the PTX runs on the GPU, or on the emulated
device where there is none. All sentences are one batch without padding. Each kernel's
result is checked against the error bound of tilewright.testing, and a wider format must
come nearer to float32 than a narrower one, but for noise (widths.py). What is printed:
how far the embeddings are from the float32 model, what the weights take, what the
kernels did, and whether the sentences still find their neighbours.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import model as model_files
import numpy as np
import report
import tilewright as tw
from chart import draw_widths
from encoder import encode, float_attention, float_linear, spans
from model import Model
from numpy.typing import NDArray
from picture import draw_fragment
from tilewright import testing
from tilewright.attention_reference import attention_reference
from widths import WidthResult, check_order

# Neighbours belong together: 1 and 2, 3 and 4, ...
SENTENCES = [
    "A woman is playing the violin on stage.",
    "A musician performs a solo at a concert.",
    "The stock market fell sharply on Monday.",
    "Shares lost a tenth of their value this week.",
    "How do I reset my password?",
    "I forgot my login details and cannot get in.",
    "The recipe needs two eggs and a cup of flour.",
    "Mix the butter and the sugar, then bake for an hour.",
    "Heavy rain is expected in the north tomorrow.",
    "The forecast says that storms will reach the coast.",
    "The compiler unrolls the inner loop of the kernel.",
    "A program runs faster when its data fits the cache.",
]
FORMATS = "u8,u7,u6,u5,u4,u3,u2,e4m3,f6e3m2,f4e2m1"
GROUP_SIZE = 128
# The embeddings must agree this well with NumPy on the same quantised weights.
MIN_COSINE_TO_SAME_WEIGHTS = 0.9999


class Kernels:
    """The model's linear layers, quantised to one width, and its attention, as kernels.

    Every result is checked: `worst` is the largest ratio of error to bound so far.
    """

    def __init__(self, model: Model, format: str, device: tw.Device, progress: report.Progress):
        self.model, self.device, self.progress = model, device, progress
        self.layers = {
            name: tw.quantize(
                model.tensors[f"{name}.weight"], format, layout="nk", group_size=GROUP_SIZE
            )
            for name, _, _ in model_files.linear_layers(model.sizes)
        }
        self.worst = 0.0

    @property
    def nbytes(self) -> int:
        """Bytes of all packed weights."""
        return sum(weights.nbytes for weights in self.layers.values())

    def linear(self, name: str, x: NDArray, activation: str | None) -> NDArray:
        """The layer `name` by a kernel, checked."""
        weights, bias = self.layers[name], self.model.tensors[f"{name}.bias"]
        x = x.astype(np.float16)
        y = tw.linear(x, weights, bias, activation, device=self.device)
        ref, low, _ = testing.linear_reference(x, weights, bias, activation)
        self.worst = max(self.worst, testing.assert_within_bound(y, ref, low, name=name))
        self.progress.step()
        return y.astype(np.float32)

    def attention(
        self, name: str, q: NDArray, k: NDArray, v: NDArray, starts: NDArray[np.int32]
    ) -> NDArray:
        """Attention within each sentence by one kernel, checked sentence by sentence."""
        q, k, v = (t.astype(np.float16) for t in (q, k, v))
        out = tw.attention_varlen(q, k, v, starts, starts, device=self.device)
        for span in spans(starts):
            wanted = attention_reference(q[None, span], k[None, span], v[None, span])
            ratio = testing.assert_within_bound(out[None, span], wanted.ref, wanted.low, name=name)
            self.worst = max(self.worst, ratio)
        self.progress.step()
        return out.astype(np.float32)

    def linear_in_numpy(self, name: str, x: NDArray, activation: str | None) -> NDArray:
        """The layer `name` in float32 NumPy, on the same quantised weights."""
        y = x @ self.layers[name].dequantize().T + self.model.tensors[f"{name}.bias"]
        return testing.gelu(y) if activation == "gelu" else y


def run_width(model: Model, format: str, reference: NDArray, device: tw.Device) -> WidthResult:
    """Encodes the sentences with weights of `format`; raises if a check fails."""
    steps = len(model_files.linear_layers(model.sizes)) + model.sizes.layers
    with report.Progress(f"  {format}", steps) as progress:
        kernels = Kernels(model, format, device, progress)
        with tw.profile() as profile:
            embeddings = encode(model, SENTENCES, kernels.linear, kernels.attention)
    same_weights = encode(model, SENTENCES, kernels.linear_in_numpy, float_attention)
    agreement = np.sum(embeddings * same_weights, axis=1)
    if agreement.min() < MIN_COSINE_TO_SAME_WEIGHTS:
        raise AssertionError(
            f"{format}: cosine {agreement.min():.6f} to NumPy on the same weights, "
            f"expects at least {MIN_COSINE_TO_SAME_WEIGHTS}"
        )
    return WidthResult(
        format=format,
        embeddings=embeddings,
        cosines=np.sum(embeddings.astype(np.float64) * reference, axis=1),
        agreement=float(agreement.min()),
        worst=kernels.worst,
        nbytes=kernels.nbytes,
        profile=profile,
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--formats", default=FORMATS, help="weight formats to run")
    parser.add_argument("--device", help='"cuda:0", "emulated:h200"; default: GPU or emulated:a100')
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the pictures")
    arguments = parser.parse_args()

    start = time.monotonic()
    model = model_files.load()
    device = tw.device(arguments.device)
    reference = encode(model, SENTENCES, float_linear(model), float_attention)
    tokens = sum(len(model.tokenize(sentence)) for sentence in SENTENCES)
    report.print_setting(model, device, len(SENTENCES), tokens, GROUP_SIZE)

    results = [run_width(model, f, reference, device) for f in arguments.formats.split(",")]
    report.print_table(results, model_files.linear_layers(model.sizes))
    report.print_order(check_order(results))
    report.print_counters(results)
    report.print_similarities(SENTENCES, reference, results)
    arguments.out.mkdir(parents=True, exist_ok=True)
    print("\nPictures")
    for title, files in (
        ("how far each width is from float32", draw_widths(results, arguments.out / "widths")),
        ("which thread holds which weight", draw_fragment("u4", arguments.out / "fragment_u4")),
    ):
        print(f"  {title}:", ", ".join(str(file) for file in files))
    print(f"Done in {time.monotonic() - start:.0f} s; every kernel was within its error bound.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
